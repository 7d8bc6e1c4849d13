import { runProgram } from '../../../pipeline/chain.ts';
import { stageError } from '../../../pipeline/result.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { HASHES_UNREAD } from '../dump/globals.ts';
import type { Connection } from '../server/connection.ts';
import { loadStage } from '../server/load-stage.ts';
import { missingRoles } from './preflight.ts';
import { type Failure, failuresOf } from './psql-failures.ts';
import { describeUngiven, type Ungiven, ungivenOf } from './ungiven.ts';

/** What of a backup's globals is run: psql variables that leave parts out, see readGlobals. */
type Part = 'roles_only' | 'database_only' | 'without_members' | 'without_last' | 'last_only';

/** How the globals of a backup are run against a server. */
export interface GlobalsRun {
  /** Beside the database that they are about: names of roles are the same in all databases, its encoding may not be. */
  readonly connection: Connection;
  readonly source: DatabaseSource;
  /** The database that they are about, under the name that it has now. */
  readonly database: string;
  readonly globals: string;
  readonly signal: AbortSignal;
}

/**
 * Makes the roles that the backup needs and the server lacks; those that it has stay as they are.
 * @param withMembers also the roles that only belong to one that the backup needs: where nobody's database is there any more
 */
export async function makeMissingRoles(
  run: GlobalsRun,
  manifest: Manifest | undefined,
  withMembers: boolean,
): Promise<Ungiven[]> {
  const { connection, globals } = run;
  if (!withMembers && (await missingRoles(connection, manifest)).length === 0) return [];
  const before = new Set(await roleNames(connection));
  const parts: Part[] = withMembers ? ['roles_only'] : ['roles_only', 'without_members'];
  const failures = await runGlobals(run, parts);
  const made = (await roleNames(connection)).filter((name) => !before.has(name));
  if (made.length > 0) log.info(`made the roles that the server lacked: ${made.join(', ')}`);
  if (globals.includes(HASHES_UNREAD)) await tellOfClosedRoles(connection, made);
  // those that it cannot do without are named by assertRestorable, with what to do
  return failures.map(({ message }) => ({ what: 'a role or its memberships', reason: message, isSetting: false }));
}

async function roleNames(connection: Connection): Promise<string[]> {
  return (await connection.query<{ name: string }>('select rolname as name from pg_roles order by 1')).map(
    ({ name }) => name,
  );
}

async function tellOfClosedRoles(connection: Connection, made: readonly string[]): Promise<void> {
  const [without] = await connection.query<{ names: string | null }>(
    "select string_agg(rolname, ', ' order by rolname) as names from pg_roles where rolname = any($1) and not rolcanlogin",
    [made],
  );
  if (without?.names)
    log.warn(`these roles may not log in: ${without.names}. Where they should: ALTER ROLE … LOGIN PASSWORD '…'`);
}

/**
 * Owner, grants and settings as the backup has them, each given by itself.
 * @param part `without_last`: all but limits and flags; `last_only`: those, right before the database is in use; `whole`: both
 * @returns what this user may not give, or this server cannot take
 */
export async function giveOwnSettings(
  run: GlobalsRun,
  part: 'whole' | 'without_last' | 'last_only',
): Promise<Ungiven[]> {
  const failures = await runGlobals(run, part === 'whole' ? ['database_only'] : ['database_only', part]);
  return failures.map(({ message, statement = '' }) => ungivenOf(statement, message));
}

/** Said in the log, each with what it is that is missing. */
export function tellOfUngiven(ungiven: readonly Ungiven[]): void {
  for (const one of ungiven) log.warn(describeUngiven(one));
}

/** Runs the SQL of a backup's globals through psql, whose variables it uses. A statement that fails stops no other. */
async function runGlobals(run: GlobalsRun, parts: readonly Part[]): Promise<Failure[]> {
  const { connection, source, database, globals, signal } = run;
  const [beside] = await connection.query<{ name: string }>('select current_database() as name');
  const stage = await loadStage(source, beside?.name ?? 'postgres', 'folder', {
    serverVersionNum: connection.serverVersionNum,
    isSuperuser: connection.isSuperuser,
    hasEventTriggers: false,
    isWhole: true,
  });
  // the statements of roles hold password hashes, and are not repeated
  const echo = parts.includes('roles_only') ? [] : ['--echo-errors'];
  const args = [
    ...stage.args,
    ...echo,
    '--variable=ON_ERROR_STOP=0',
    '--variable=VERBOSITY=verbose',
    `--variable=target=${database}`,
    ...parts.map((part) => `--variable=${part}=1`),
  ];
  const result = await runProgram(
    { ...stage, args, env: { ...stage.env, PGCLIENTENCODING: 'UTF8' } },
    { input: `\\set DBNAME :target\n${globals}`, signal },
  );
  if (result.exitCode !== 0) throw stageError(result);
  return failuresOf(result.stderr);
}
