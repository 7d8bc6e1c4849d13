import { inLargeWrites } from '../../../pipeline/large-writes.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import type { ProofSide } from '../../engine.ts';
import { sharedNames } from '../dump/facts.ts';
import { readGlobals } from '../dump/globals.ts';
import { type Connection, connect, conninfo, libpqEnvironment } from '../server/connection.ts';
import { derivedOfRestored } from '../server/derived.ts';
import { programFor, versionText } from '../server/programs.ts';
import type { BrokenObjects } from './broken-objects.ts';

/** What the restored database is read with, once more. */
export interface ProofParts {
  readonly connection: Connection;
  readonly source: DatabaseSource;
  readonly staging: string;
  readonly manifest: Manifest | undefined;
  readonly rolesBefore: readonly string[];
  readonly broken: BrokenObjects | undefined;
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
  signal,
}: ProofParts): ProofSide {
  const { serverVersionNum } = connection;
  return {
    dialect: 'postgres',
    serverVersion: versionText(serverVersionNum),
    rolesBefore,
    excused: (object) => (broken?.isOf(object) ? 'it was left out, or loosened, as --without-broken asks' : undefined),
    through: async (format) => {
      if (format !== 'custom') return undefined;
      const program = await programFor('pg_restore', serverVersionNum);
      return { name: 'pg_restore', command: program.path, args: ['--file=-'] };
    },
    read: async () => {
      const program = await programFor('pg_dump', serverVersionNum);
      return {
        name: 'pg_dump',
        ...inLargeWrites(program.path, [
          '--no-password',
          `--dbname=${conninfo(staging, program.major)}`,
          `--lock-wait-timeout=${source.lockTimeoutMs}`,
          '--format=plain',
        ]),
        env: libpqEnvironment(source, staging),
      };
    },
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
