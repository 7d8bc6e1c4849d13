import type { Stage } from '../../../pipeline/chain.ts';
import { inLargeWrites } from '../../../pipeline/large-writes.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { connect, conninfo, libpqEnvironment } from '../server/connection.ts';
import { programFor } from '../server/programs.ts';
import { folderStreams } from '../split/dump.ts';
import { fixTables } from '../split/locks.ts';

/** A restored database that is to be read once more, to be compared. */
export interface RestoredDatabase {
  readonly source: DatabaseSource;
  readonly staging: string;
  readonly serverVersionNum: number;
  readonly manifest: Manifest | undefined;
  readonly signal: AbortSignal;
}

/** Of what came without its rows the dump says nothing, and so does what it is compared with. */
const emptiedOptions = (manifest: Manifest | undefined) =>
  (manifest?.leftOut?.data ?? []).map((name) => `--exclude-table-data=${name}`);

/** A plain dump of it, in one piece. */
export async function readWhole(restored: RestoredDatabase): Promise<Stage> {
  const { source, staging, serverVersionNum } = restored;
  const program = await programFor('pg_dump', serverVersionNum);
  const env = await environmentOf(restored);
  return {
    name: 'pg_dump',
    ...inLargeWrites(program.path, [
      '--no-password',
      `--dbname=${conninfo(staging, program.major)}`,
      `--lock-wait-timeout=${source.lockTimeoutMs}`,
      '--format=plain',
      ...emptiedOptions(restored.manifest),
    ]),
    env,
  };
}

/** The same as a folder has it: one part after the other, none of which locks every table and sequence. */
export async function readByParts(
  restored: RestoredDatabase,
): Promise<{ stages: readonly Stage[]; close(): Promise<void> }> {
  const { source, staging, serverVersionNum, signal } = restored;
  const parts = { ...source, database: staging, format: 'folder', jobs: 1, holdsNoTables: true } as const;
  const pgDump = await programFor('pg_dump', serverVersionNum);
  const env = await environmentOf(restored);
  const connection = await connect(source, staging, signal);
  try {
    const [server] = await connection.query<{ encoding: string }>(
      "select current_setting('server_encoding') as encoding",
    );
    const emptied = restored.manifest?.leftOut?.data ?? [];
    const isEmptied = (name: string) => emptied.includes(name);
    const fixed = await fixTables(connection, parts, signal, { isGone: () => false, isEmptied });
    const { streams } = await folderStreams({
      ...fixed,
      source: parts,
      connection,
      snapshotId: fixed.snapshot.id,
      encoding: server?.encoding ?? 'UTF8',
      databaseBytes: 0,
      pgDump,
      omission: { options: emptiedOptions(restored.manifest), emptiedTables: emptied },
    });
    return {
      stages: streams.map(({ stage }) => ({ ...stage, env: { ...stage.env, ...env } })),
      close: () => connection.close(),
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** By which times and money are written, in rows and in definitions, where a dump does not say it. */
const WRITTEN_BY = ['TimeZone', 'lc_monetary'];

/**
 * The restored database is read by a session that writes as the one did that dumped it: who restores, or its server, may have
 * another time zone. What this server does not know is left as it is.
 */
async function environmentOf({ source, staging, manifest, signal }: RestoredDatabase): Promise<Record<string, string>> {
  const options: string[] = [];
  const connection = await connect(source, staging, signal);
  try {
    for (const name of WRITTEN_BY) {
      const value = manifest?.serverSettings?.[name];
      if (value === undefined) continue;
      const [here] = await connection.query<{ value: string }>(
        'select reset_val as value from pg_settings where name = $1',
        [name],
      );
      if (here?.value === value) continue;
      const isKnown = await connection.query('select set_config($1, $2, false)', [name, value]).then(
        () => true,
        () => false,
      );
      if (isKnown) options.push(`-c ${name}=${value.replaceAll(/[\\ ]/g, '\\$&')}`);
    }
  } finally {
    await connection.close();
  }
  const env = libpqEnvironment(source, staging);
  return options.length === 0 ? env : { ...env, PGOPTIONS: [env.PGOPTIONS, ...options].filter(Boolean).join(' ') };
}
