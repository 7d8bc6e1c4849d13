import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, OperatorError } from '../../../errors.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { type Connection, connect, quoteIdentifier, sqlState } from '../server/connection.ts';
import { listDatabases } from '../server/databases.ts';
import { dropDatabase } from '../server/drop.ts';
import { isMarked } from '../server/marks.ts';

/**
 * An extension whose own script lets it be made in the one database that a setting of the server names, or, so that it can be
 * tried out, in a database of another name. What was made there stays when that database is renamed.
 */
interface BoundExtension {
  readonly name: string;
  readonly setting: string;
  /** See the head of pg_cron--1.0.sql: the name that `make installcheck` gives its database. */
  readonly trialName: string;
}

export const BOUND_EXTENSIONS: readonly BoundExtension[] = [
  { name: 'pg_cron', setting: 'cron.database_name', trialName: 'contrib_regression' },
];

/** How long another restore may have the trial name. */
const NAME_WAIT_MS = 60_000;
const NAME_LOOK_MS = 500;

/** Those of them that the backup has. */
export function boundExtensionsOf(manifest: Manifest | undefined): BoundExtension[] {
  return BOUND_EXTENSIONS.filter(({ name }) => manifest?.extensions?.some((extension) => extension.name === name));
}

/** @throws OperatorError RESTORE_REFUSED on a server that such an extension of the backup cannot run on, or is not set up for */
export async function assertBoundExtensions(
  connection: Connection,
  { manifest, target, isForeign }: { manifest: Manifest | undefined; target: string; isForeign: boolean },
): Promise<void> {
  for (const { name, setting } of boundExtensionsOf(manifest)) {
    const [row] = await connection.query<{ database: string | null }>('select current_setting($1, true) as database', [
      setting,
    ]);
    if (row?.database === null || row === undefined)
      throw refused(
        `the backup has the extension ${name}, which this server does not preload`,
        `Set shared_preload_libraries = '${name}' and ${setting} = '${target}' in its postgresql.conf, restart it, and restore again.`,
      );
    if (isForeign && row.database !== target)
      throw refused(
        `the backup has the extension ${name}, which can be made in the database ${row.database} alone (${setting}), not in one that was there before`,
        `Name a database that does not exist yet: it is then made with the extension in it.`,
      );
  }
}

/** Makes them in a staging database that is empty yet: the dump then finds them there, and fills their tables. */
export async function makeBoundExtensions(
  connection: Connection,
  source: DatabaseSource,
  staging: string,
  manifest: Manifest | undefined,
  signal: AbortSignal,
): Promise<void> {
  for (const { name, trialName } of boundExtensionsOf(manifest)) {
    await renamed(connection, staging, trialName, signal);
    try {
      const inside = await connect(source, trialName, signal);
      await make(inside, name, schemaOf(manifest, name)).finally(() => inside.close());
    } catch (error) {
      throw refused(
        `the extension ${name} of the backup cannot be made here: ${messageOf(error)}`,
        'Install the version of it that the backup needs, and have the server preload it.',
        error,
      );
    } finally {
      // the name is let go of whatever came of it
      await connection.query(rename(trialName, staging));
    }
  }
}

const schemaOf = (manifest: Manifest | undefined, name: string) =>
  manifest?.extensions?.find((extension) => extension.name === name)?.schema ?? 'public';

/** In the schema that it had, where the database has that: one that the dump makes cannot be made before it. */
async function make(inside: Connection, name: string, schema: string): Promise<void> {
  const [row] = await inside.query<{ schema: string }>(
    "select coalesce((select nspname from pg_namespace where nspname = $1), 'pg_catalog') as schema",
    [schema],
  );
  await inside.query(
    `create extension if not exists ${quoteIdentifier(name)} with schema ${quoteIdentifier(row?.schema ?? 'pg_catalog')}`,
  );
}

/** A restore that was killed while its staging database had a trial name left it under that. */
export async function dropTrialLeftovers(
  connection: Connection,
  source: DatabaseSource,
  live: string,
  signal: AbortSignal,
): Promise<void> {
  const names = BOUND_EXTENSIONS.map(({ trialName }) => trialName);
  for (const { name, oid, comment } of await listDatabases(connection))
    if (names.includes(name) && isMarked(comment, { oid, live })) await dropDatabase(connection, source, name, signal);
}

const rename = (from: string, to: string) => `alter database ${quoteIdentifier(from)} rename to ${quoteIdentifier(to)}`;

/** Waits while the name is another restore's. @throws OperatorError RESTORE_REFUSED when it stays taken */
async function renamed(connection: Connection, staging: string, name: string, signal: AbortSignal): Promise<void> {
  const until = Date.now() + NAME_WAIT_MS;
  for (;;) {
    try {
      await connection.query(rename(staging, name));
      return;
    } catch (error) {
      if (sqlState(error) !== '42P04') throw error;
      if (Date.now() > until)
        throw refused(
          `the database ${name} is in the way: an extension of the backup can be made in a database of that name alone before it has its own`,
          `Rename or drop it: ALTER DATABASE ${quoteIdentifier(name)} RENAME TO ….`,
          error,
        );
      await sleep(NAME_LOOK_MS, undefined, { signal });
    }
  }
}

function refused(message: string, hint: string, cause?: unknown): OperatorError {
  return new OperatorError('RESTORE_REFUSED', message, { hint: `${hint} The live database is as it was.`, cause });
}
