import { OperatorError } from '../../../errors.ts';
import { formatBytes } from '../../../quantities.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { assertServerRoom } from '../../room.ts';
import type { Connection } from '../server/connection.ts';
import { displayName } from '../server/contents.ts';
import { besideDatabases, sizeOf } from '../server/databases.ts';
import { readDefiners } from '../server/facts.ts';
import { FILL_ZONES, lackedZones } from '../server/time-zones.ts';
import { parseVersion } from '../server/version.ts';
import { readPrepared } from '../swap/other-clients.ts';
import { assertReadsNames } from './given-place.ts';

/** A restore writes the tables, their redo log and what index builds spill, beside the live database. */
const ROOM_FACTOR = 1.3;

export function refused(message: string, hint: string, cause?: unknown): OperatorError {
  return new OperatorError('RESTORE_REFUSED', message, {
    hint: `${hint} Nothing was touched.`,
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * Refuses, before anything is made, a restore whose end could not be reached.
 * @throws OperatorError RESTORE_REFUSED, or NO_SPACE
 */
export async function assertRestorable(
  connection: Connection,
  source: DatabaseSource,
  plan: { target: string; targetExists: boolean; swaps: boolean; manifest: Manifest | undefined },
): Promise<void> {
  warnOfOlderServer(connection, plan.manifest);
  assertReadsNames(connection, plan.manifest);
  await assertMayDefine(connection, source, plan.manifest);
  await assertZones(connection, plan.manifest);
  await assertRoom(connection, plan.manifest);
  if (!plan.swaps || !plan.targetExists) return;
  await tellOfPrepared(connection);
  await assertNotReferenced(connection, plan.target);
  await tellOfEarlierRestores(connection, plan.target);
}

function warnOfOlderServer({ server }: Connection, manifest: Manifest | undefined): void {
  const dumped = parseVersion(manifest?.serverVersion ?? '').number;
  if (Math.floor(dumped / 100) <= Math.floor(server.number / 100)) return;
  log.warn(
    `the backup is of MariaDB ${manifest?.serverVersion}, this server is ${server.text}: what the older one does not support (collations above all) will stop the restore`,
  );
}

/** Without its tables of them a server takes no event of a time zone by name, and converts by one to NULL. */
async function assertZones(connection: Connection, manifest: Manifest | undefined): Promise<void> {
  const lacked = await lackedZones(connection, manifest);
  if (lacked === undefined) return;
  if (lacked.ofEvents !== undefined)
    throw refused(
      `the server knows no time zones by name, and events of the backup go by ${lacked.ofEvents}`,
      `Fill its tables of them: ${FILL_ZONES}.`,
    );
  log.warn(
    `the server knows no time zones by name, and columns or checks of the backup convert by such: what they compute is NULL until its tables are filled: ${FILL_ZONES}`,
  );
}

async function privileges(connection: Connection): Promise<Set<string>> {
  const rows = await connection.query<{ privilege: string }>(
    'select privilege_type as privilege from information_schema.user_privileges',
  );
  return new Set(rows.map(({ privilege }) => privilege));
}

/** Making a view or a routine that runs as somebody else is a privilege of its own. */
async function assertMayDefine(
  connection: Connection,
  source: DatabaseSource,
  manifest: Manifest | undefined,
): Promise<void> {
  const [self] = await connection.query<{ name: string }>('select current_user() as name');
  const others = (manifest?.roles ?? []).filter((definer) => definer !== self?.name);
  if (others.length === 0) return;
  const held = await privileges(connection);
  if (held.has('SUPER') || held.has('SET USER')) return;
  throw refused(
    `views, routines, triggers or events of the backup run as ${others.join(', ')}, and the user ${source.user} may not make such`,
    'Restore as an administrator, or GRANT SET USER ON *.* to it (before MariaDB 10.5: SUPER).',
  );
}

/**
 * A server tells of its disk only with the plugin DISKS, and to those with the privilege FILE. For the others the disk
 * is as full as it is, and a restore that fills it fails before the swap.
 */
async function assertRoom(connection: Connection, manifest: Manifest | undefined): Promise<void> {
  if (manifest?.databaseBytes === undefined) return;
  const [disk] = await connection
    .query<{ kib: string }>(
      `select cast(available as char) as kib from information_schema.disks
       where @@datadir like concat(trim(trailing '/' from path), '/%') order by length(path) desc limit 1`,
    )
    .catch(() => []);
  const freeBytes = Number(disk?.kib) * 1024;
  const neededBytes = manifest.databaseBytes * ROOM_FACTOR;
  assertServerRoom(freeBytes, neededBytes);
}

/** A prepared XA transaction holds its tables without any session that could be ended, of whichever database. */
async function tellOfPrepared(connection: Connection): Promise<void> {
  const prepared = await readPrepared(connection);
  if (prepared.length === 0) return;
  log.warn(
    `XA transactions are prepared and hold their tables: ${prepared.join(', ')}. If they are of this database, the swap will wait for them in vain: XA COMMIT or XA ROLLBACK ends each`,
  );
}

/** A foreign key of another database would go on referring to the replaced table. */
async function assertNotReferenced(connection: Connection, database: string): Promise<void> {
  const rows = await connection.query<{ db: string; table: string; name: string }>(
    `select constraint_schema as db, table_name as \`table\`, constraint_name as name
     from information_schema.referential_constraints
     where binary unique_constraint_schema = ? and binary constraint_schema <> ?`,
    [database, database],
  );
  if (rows.length === 0) return;
  const named = rows.map(({ db, table, name }) => `${displayName(db)}.${displayName(table)} (${name})`).join(', ');
  throw refused(
    `foreign keys of other databases refer to tables of ${database}, and would follow the replaced ones: ${named}`,
    'Drop them and make them again after the restore, or restore beside: --to DB.',
  );
}

async function tellOfEarlierRestores(connection: Connection, target: string): Promise<void> {
  const previous = await besideDatabases(connection, target, 'previous');
  if (previous.length === 0) return;
  const names = await Promise.all(
    previous.map(async ({ name }) => `${name} (${formatBytes(await sizeOf(connection, name))})`),
  );
  log.warn(
    `an earlier restore can still be undone: ${names.join(', ')}. It is kept: the first undo after this restore reverts this one, the second reverts that one`,
  );
}

/** Names accounts that the restored code runs as and that the server does not have: using that code will fail. */
export async function warnOfMissingDefiners(connection: Connection, database: string): Promise<void> {
  const definers = await readDefiners(connection, database);
  if (definers.length === 0) return;
  let accounts: Set<string>;
  try {
    const rows = await connection.query<{ name: string }>(
      "select if(host = '', user, concat(user, '@', host)) as name from mysql.user union select concat(user, '@', host) from mysql.user",
    );
    accounts = new Set(rows.map(({ name }) => name));
  } catch {
    log.info(
      `whether the server has the accounts that the code of the backup runs as cannot be seen by this user: ${definers.join(', ')}`,
    );
    return;
  }
  const missing = definers.filter((definer) => !accounts.has(definer) && !accounts.has(definer.replace(/@$/, '')));
  if (missing.length === 0) return;
  log.warn(
    `views, routines, triggers or events of the backup run as accounts that this server lacks, and will fail when they are used: ${missing.join(', ')}. CREATE USER makes them`,
  );
}
