import { OperatorError } from '../../../errors.ts';
import { formatBytes } from '../../../quantities.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { command } from '../../../terminal/hints.ts';
import { log } from '../../../terminal/log.ts';
import type { RestoreOptions } from '../../restoring.ts';
import { assertServerRoom } from '../../room.ts';
import { describeLackingVersions, lackingVersions } from '../server/called-around.ts';
import { type Connection, quoteIdentifier } from '../server/connection.ts';
import { besideDatabases, databaseSizes } from '../server/databases.ts';
import { subscriptionsOf } from '../server/drop.ts';
import { systemIdentifier } from '../server/identity.ts';
import { assertHoldsText } from './given-place.ts';
import { isEmpty } from './staging.ts';

/** A restore writes the tables, their WAL and what index builds spill, beside the live database. */
const ROOM_FACTOR = 1.3;

/** What a restore is about to do. */
export interface RestorePlan {
  readonly source: DatabaseSource;
  readonly target: string;
  readonly targetExists: boolean;
  /** The target is to be swapped, not restored beside. */
  readonly swaps: boolean;
  /** The target is an empty database of the operator's own. */
  readonly isForeign: boolean;
  readonly manifest: Manifest | undefined;
  /** See RestoreOptions.isKnownServer. */
  readonly isKnownServer: RestoreOptions['isKnownServer'];
}

/**
 * Refuses, before anything is made, a restore whose end could not be reached.
 * @throws OperatorError RESTORE_REFUSED, or NO_SPACE
 */
export async function assertRestorable(connection: Connection, plan: RestorePlan, signal: AbortSignal): Promise<void> {
  if (plan.isForeign) await assertHoldsText(connection, plan.target, plan.manifest);
  else await assertRights(connection, plan);
  await assertTablespaces(connection, plan);
  await assertExtensions(connection, plan);
  await assertRoom(connection, plan);
  if (!plan.swaps || !plan.targetExists) return;
  await assertKnownServer(connection, plan, signal);
  await assertRenamable(connection, plan.target);
  await tellOfEarlierRestores(connection, plan.target);
}

/**
 * Refuses a server that nothing can be written to, for every restore and undo.
 * @throws OperatorError RESTORE_REFUSED
 */
export async function assertWritable(connection: Connection): Promise<void> {
  const [row] = await connection.query<{ standby: boolean; readOnly: string }>(
    `select pg_is_in_recovery() as standby, current_setting('default_transaction_read_only') as "readOnly"`,
  );
  if (row?.standby)
    throw refused(
      'the server is a standby, which follows its primary and can be read alone',
      'Restore on the primary: point the source at it.',
    );
  if (row?.readOnly === 'on')
    throw refused(
      'default_transaction_read_only is on for the user of the restore, whose sessions may change nothing',
      'As a superuser: ALTER ROLE … RESET default_transaction_read_only, or restore as another user.',
    );
}

function refused(message: string, hint: string): OperatorError {
  return new OperatorError('RESTORE_REFUSED', message, { hint: `${hint} Nothing was touched.` });
}

async function assertRights(connection: Connection, { source, target, targetExists }: RestorePlan): Promise<void> {
  const [row] = await connection.query<{ super: boolean; createdb: boolean; owns: boolean | null }>(
    `select r.rolsuper as super, r.rolcreatedb as createdb,
       (select pg_has_role(current_user, datdba, 'USAGE') from pg_database where datname = $1) as owns
     from pg_roles r where rolname = current_user`,
    [target],
  );
  if (row?.super) return;
  if (!row?.createdb) {
    throw refused(
      `the user ${source.user} may not create databases, which a restore beside the live one needs`,
      `As a superuser: ALTER ROLE ${quoteIdentifier(source.user)} CREATEDB; or restore into an empty database that you made: --to DB.`,
    );
  }
  if (targetExists && row.owns !== true) {
    throw refused(
      `the user ${source.user} does not own ${target} and could not swap it`,
      'Restore as its owner or as a superuser, or beside it: --to DB.',
    );
  }
}

async function missing(connection: Connection, sql: string, wanted: readonly string[]): Promise<string[]> {
  if (wanted.length === 0) return [];
  const here = new Set((await connection.query<{ name: string }>(sql)).map(({ name }) => name));
  return wanted.filter((name) => !here.has(name));
}

/** The roles that the backup needs and the server lacks. */
export function missingRoles(connection: Connection, manifest: Manifest | undefined): Promise<string[]> {
  return missing(connection, 'select rolname as name from pg_roles', manifest?.roles ?? []);
}

/**
 * Once those that may be made are made.
 * @throws OperatorError RESTORE_REFUSED
 */
export async function assertRoles(connection: Connection, manifest: Manifest | undefined): Promise<void> {
  const roles = await missingRoles(connection, manifest);
  if (roles.length === 0) return;
  const statements = roles.map((role) => `CREATE ROLE ${quoteIdentifier(role)};`).join(' ');
  throw refused(
    `the server lacks roles that own or are granted something in the backup: ${roles.join(', ')}`,
    `Make them first, with LOGIN and PASSWORD for those that log in: ${statements}`,
  );
}

/** Somebody else's database of the same name, on a server that was reached by mistake, is not to be replaced. */
async function assertKnownServer(
  connection: Connection,
  { source, target, isKnownServer }: RestorePlan,
  signal: AbortSignal,
): Promise<void> {
  const identifier = isKnownServer && (await systemIdentifier(connection));
  if (identifier === undefined || (await isKnownServer?.(identifier))) return;
  if (await isEmpty(source, target, signal)) return;
  throw refused(
    `${target} on ${source.host} has data in it, and no backup of ${source.name} came from that server (system identifier ${identifier})`,
    `Is it the server that is meant? If so: restore with --other-server (${command('restoreElsewhere')}), or take a backup of it first. Beside it: --to DB.`,
  );
}

/** A backup knows the names of its tablespaces, not what disks the new server has. */
async function assertTablespaces(connection: Connection, { manifest }: RestorePlan): Promise<void> {
  const wanted = new Set([
    ...(manifest?.tablespaces ?? []),
    ...(manifest?.defaultTablespace ? [manifest.defaultTablespace] : []),
  ]);
  const tablespaces = await missing(connection, 'select spcname as name from pg_tablespace', [...wanted]);
  if (tablespaces.length === 0) return;
  const statements = tablespaces.map(
    (name) => `CREATE TABLESPACE ${quoteIdentifier(name)} LOCATION '/a/folder/of/its/own';`,
  );
  throw refused(
    `the server lacks tablespaces that the backup's tables lie in: ${tablespaces.join(', ')}`,
    `Make them first, each in an empty folder that belongs to the server's user: ${statements.join(' ')}`,
  );
}

async function assertExtensions(connection: Connection, { manifest }: RestorePlan): Promise<void> {
  const wanted = (manifest?.extensions ?? []).map(({ name }) => name);
  const extensions = await missing(connection, 'select name from pg_available_extensions', wanted);
  if (extensions.length === 0) return assertVersions(connection, manifest);
  throw refused(
    `the server lacks extensions that the backup needs: ${extensions.join(', ')}`,
    "Install their packages on the database server, or use the image that the backup's server ran.",
  );
}

/** @throws OperatorError RESTORE_REFUSED where the server has another version of one that reads its own tables alone */
async function assertVersions(connection: Connection, manifest: Manifest | undefined): Promise<void> {
  const lacking = await lackingVersions(connection, manifest);
  if (lacking.length === 0) return;
  const { message, hint } = describeLackingVersions(lacking);
  throw refused(message, hint);
}

/**
 * SQL cannot ask for free disk. Those who may run programs on the server can; for the others the disk is as full as it
 * is, and a restore that fills it fails before the swap.
 */
async function assertRoom(connection: Connection, { manifest }: RestorePlan): Promise<void> {
  if (manifest?.databaseBytes === undefined) return;
  const [may] = await connection.query<{ may: boolean }>(
    "select exists (select from pg_roles where rolname = 'pg_execute_server_program') and pg_has_role(current_user, 'pg_execute_server_program', 'USAGE') as may",
  );
  if (!may?.may) return;
  let freeBytes: number;
  try {
    await connection.query("create temp table df (line text); copy df from program 'df -Pk . | tail -n 1'");
    const [row] = await connection.query<{ line: string }>('select line from df');
    freeBytes = Number(row?.line.trim().split(/\s+/)[3]) * 1024;
    await connection.query('drop table df');
  } catch {
    // a standby, another operating system, a server without a shell: then nobody knows
    return;
  }
  const neededBytes = manifest.databaseBytes * ROOM_FACTOR;
  assertServerRoom(freeBytes, neededBytes);
}

/**
 * Refuses what makes ALTER DATABASE RENAME fail at the very end, or would be lost by it. Nothing of it asks the database
 * itself, which may let nobody in.
 *
 * @param isUndo what a restore brought back may be taken away with the subscriptions that it made, while they do not run
 * @throws OperatorError RESTORE_REFUSED
 */
export async function assertRenamable(connection: Connection, target: string, isUndo = false): Promise<void> {
  const prepared = await connection.query<{ gid: string }>('select gid from pg_prepared_xacts where database = $1', [
    target,
  ]);
  if (prepared.length > 0) {
    throw refused(
      `${target} has prepared transactions: ${prepared.map(({ gid }) => gid).join(', ')}`,
      "Finish them: COMMIT PREPARED '…' or ROLLBACK PREPARED '…'.",
    );
  }
  const slots = await connection.query<{ name: string }>(
    "select slot_name as name from pg_replication_slots where database = $1 and slot_type = 'logical'",
    [target],
  );
  if (slots.length > 0) {
    throw refused(
      `${target} has logical replication slots, which would go on with the replaced database: ${slots.map(({ name }) => name).join(', ')}`,
      'Stop their consumers and drop them (pg_drop_replication_slot), or restore beside: --to DB.',
    );
  }
  const subscriptions = (await subscriptionsOf(connection, target)).filter(({ isEnabled }) => isEnabled || !isUndo);
  if (subscriptions.length === 0) return;
  throw refused(
    `${target} subscribes to logical replication: ${subscriptions.map(({ name }) => name).join(', ')}`,
    'Drop the subscriptions (DROP SUBSCRIPTION), or restore beside: --to DB.',
  );
}

async function tellOfEarlierRestores(connection: Connection, target: string): Promise<void> {
  const previous = await besideDatabases(connection, target, 'previous');
  if (previous.length === 0) return;
  const sizes = await databaseSizes(
    connection,
    previous.map(({ name }) => name),
  );
  const names = previous.map(({ name }) => `${name} (${formatBytes(sizes.get(name) ?? 0)})`).join(', ');
  log.warn(
    `an earlier restore can still be undone: ${names}. It is kept: the first undo after this restore reverts this one, the second reverts that one`,
  );
}
