import { messageOf } from '../../../errors.ts';
import { runProgram } from '../../../pipeline/chain.ts';
import { stageError } from '../../../pipeline/result.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import type { SourceConfig } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { HASHES_UNREAD } from '../dump/globals.ts';
import type { Connection } from '../server/connection.ts';
import { loadStage } from '../server/load-stage.ts';
import { missingRoles } from './preflight.ts';

/** Makes the roles that the backup needs and the server lacks; those that it has stay as they are. */
export async function makeMissingRoles(
  connection: Connection,
  source: SourceConfig,
  manifest: Manifest | undefined,
  globals: string,
  signal: AbortSignal,
): Promise<void> {
  const missing = await missingRoles(connection, manifest);
  if (missing.length === 0) return;
  try {
    const beside = source.database === 'postgres' ? 'template1' : 'postgres';
    await runGlobals(source, beside, globals, connection, ['--variable=roles_only=1'], signal);
    log.info(`made the roles that the server lacked: ${missing.join(', ')}`);
    if (!globals.includes(HASHES_UNREAD)) return;
    const [without] = await connection.query<{ names: string | null }>(
      "select string_agg(rolname, ', ' order by rolname) as names from pg_roles where rolname = any($1) and not rolcanlogin",
      [missing],
    );
    if (without?.names)
      log.warn(`these roles may not log in: ${without.names}. Where they should: ALTER ROLE … LOGIN PASSWORD '…'`);
  } catch (error) {
    signal.throwIfAborted();
    // assertRestorable names the roles, and what to do
    log.warn(`the missing roles could not be made: ${messageOf(error)}`);
  }
}

/** Owner, settings and grants as the backup has them. A user who may not give them restores the data all the same. */
export async function giveOwnSettings(
  source: SourceConfig,
  staging: string,
  globals: string,
  connection: Connection,
  signal: AbortSignal,
): Promise<void> {
  try {
    await runGlobals(source, staging, globals, connection, [], signal);
  } catch (error) {
    signal.throwIfAborted();
    log.warn(`owner, settings and grants of the database could not be set as they were: ${messageOf(error)}`);
  }
}

/** Runs the SQL of a backup's globals through psql, whose variables it uses. */
async function runGlobals(
  source: SourceConfig,
  database: string,
  globals: string,
  { serverVersionNum, isSuperuser }: Connection,
  variables: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const stage = await loadStage(source, database, 'sql', {
    serverVersionNum,
    isSuperuser,
    hasEventTriggers: false,
    isWhole: true,
  });
  const result = await runProgram({ ...stage, args: [...stage.args, ...variables] }, { input: globals, signal });
  if (result.exitCode !== 0) throw stageError(result);
}
