import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import type { ProofSide } from '../../restoring.ts';
import { hasNoRoomForLocks } from '../dump/another.ts';
import { sharedNames } from '../dump/facts.ts';
import { readGlobals } from '../dump/globals.ts';
import { type Connection, connect } from '../server/connection.ts';
import { derivedOfRestored } from '../server/derived.ts';
import { programFor, versionText } from '../server/programs.ts';
import type { BrokenObjects } from './broken-objects.ts';
import { readByParts, readWhole } from './read-back.ts';

/** What the restored database is read with, once more. */
export interface ProofParts {
  readonly connection: Connection;
  readonly source: DatabaseSource;
  readonly staging: string;
  readonly manifest: Manifest | undefined;
  readonly rolesBefore: readonly string[];
  readonly broken: BrokenObjects | undefined;
  /** Somebody made the database, and may have made extensions in it. */
  readonly isForeign: boolean;
  readonly signal: AbortSignal;
}

/** See RestoreSession.proof: a plain dump by pg_dump, whatever format was restored. */
export function proofSide({
  connection,
  source,
  staging,
  manifest,
  rolesBefore,
  broken,
  isForeign,
  signal,
}: ProofParts): ProofSide {
  const { serverVersionNum } = connection;
  const restored = { source, staging, serverVersionNum, manifest, signal };
  return {
    dialect: 'postgres',
    serverVersion: versionText(serverVersionNum),
    rolesBefore,
    excused: (object) => {
      if (broken?.isOf(object)) return 'it was left out, or loosened, as --without-broken asks';
      const extension = isForeign ? /^EXTENSION (.*)$/.exec(object)?.[1] : undefined;
      const isOfBackup = manifest?.extensions?.some(({ name }) => name === extension) ?? true;
      return extension !== undefined && !isOfBackup ? 'the database that was given had it before' : undefined;
    },
    through: async (format) => {
      if (format !== 'custom') return undefined;
      const program = await programFor('pg_restore', serverVersionNum);
      return { name: 'pg_restore', command: program.path, args: ['--file=-'] };
    },
    read: () => readWhole(restored),
    readInParts: async (error) => (hasNoRoomForLocks(error) ? readByParts(restored) : undefined),
    derived: (wanted) =>
      derivedOfRestored(source, staging, wanted, { lcMonetary: manifest?.serverSettings?.lc_monetary, signal }),
    globals: async () => {
      const own = await connect(source, staging, signal);
      try {
        const shared = await sharedNames(own, { ...source, database: staging }, signal);
        try {
          return await readGlobals(shared, staging, manifest?.roles ?? []);
        } finally {
          if (shared !== own) await shared.close();
        }
      } finally {
        await own.close();
      }
    },
  };
}

/** The roles that the server has now. */
export async function roleNames(connection: Connection): Promise<string[]> {
  return (await connection.query<{ name: string }>('select rolname as name from pg_roles')).map(({ name }) => name);
}
