import { OperatorError } from '../../../errors.ts';
import { type Connection, quoteIdentifier } from './connection.ts';
import { TABLE, triggerFor } from './trigger-text.ts';

/** What has no rows of its own and cannot be renamed into another database: it is read, and created again there. */
export type CodeKind = (typeof ALL)[number];
/** In the order that they are dropped in: a package goes with its body. */
const ALL = ['event', 'trigger', 'view', 'function', 'procedure', 'package body', 'package'] as const;

export interface CodeObject {
  readonly kind: CodeKind;
  readonly name: string;
  /** The statement that makes it in the session's database. A trigger's has TABLE where its table goes. */
  readonly sql: string;
  readonly sqlMode: string;
  readonly charset: string;
  readonly collation: string;
  readonly timeZone?: string;
  /** By which its parameters and variables without a character set of their own are read: not always the database's of now. */
  readonly databaseCollation?: string;
  /** A view's: where it was read. */
  readonly database?: string;
  /** A trigger's. */
  readonly table?: string;
  /** An event's: it is to run where it is live. */
  readonly runs?: boolean;
}

const qualified = (database: string, name: string) => `${quoteIdentifier(database)}.${quoteIdentifier(name)}`;

/** Takes what could not be read, and why. */
export type OnUnreadable = (what: string, error: unknown) => void;

const mustBeReadable: OnUnreadable = (_, error) => {
  throw error;
};

/**
 * Everything of a database that is code, its triggers in the order in which they fire.
 * @param onUnreadable without it, what cannot be read is an error
 */
export async function readCode(
  connection: Connection,
  database: string,
  onUnreadable: OnUnreadable = mustBeReadable,
): Promise<CodeObject[]> {
  // the server writes quotes as the session's mode wants them
  await connection.query(`set session sql_mode = '', session sql_quote_show_create = 1`);
  await connection.query(`use ${quoteIdentifier(database)}`);
  return [
    ...(await readRoutines(connection, database, onUnreadable)),
    ...(await readViews(connection, database, onUnreadable)),
    ...(await readTriggers(connection, database)),
    ...(await readEvents(connection, database, onUnreadable)),
  ];
}

type Shown = Record<string, string | null>;

async function show(connection: Connection, what: string, name: string): Promise<Shown> {
  const [row] = await connection.query<Shown>(`show create ${what} ${name}`);
  return row ?? {};
}

function definition(
  shown: Shown,
  column: string,
  what: string,
): Pick<CodeObject, 'sql' | 'sqlMode' | 'charset' | 'collation' | 'databaseCollation'> {
  const sql = shown[column];
  if (!sql) {
    throw new OperatorError('RESTORE_REFUSED', `the definition of ${what} may not be read by this user`, {
      hint: 'GRANT SELECT ON mysql.proc to it (from MariaDB 11.3: SHOW CREATE ROUTINE), or restore as an administrator.',
    });
  }
  return {
    sql,
    sqlMode: shown.sql_mode ?? '',
    charset: shown.character_set_client ?? 'utf8mb4',
    collation: shown.collation_connection ?? 'utf8mb4_general_ci',
    ...(shown['Database Collation'] ? { databaseCollation: shown['Database Collation'] } : {}),
  };
}

async function readRoutines(
  connection: Connection,
  database: string,
  onUnreadable: OnUnreadable,
): Promise<CodeObject[]> {
  const rows = await connection.query<{ name: string; type: string }>(
    `select routine_name as name, routine_type as type from information_schema.routines where routine_schema = ?
     order by field(routine_type, 'PACKAGE', 'PACKAGE BODY', 'FUNCTION', 'PROCEDURE'), binary routine_name`,
    [database],
  );
  const objects: CodeObject[] = [];
  for (const { name, type } of rows) {
    const kind = type.toLowerCase() as CodeKind;
    const column = `Create ${type.replace(/\w+/g, (word) => `${word[0]}${word.slice(1).toLowerCase()}`)}`;
    await show(connection, type, qualified(database, name))
      .then((shown) => objects.push({ kind, name, ...definition(shown, column, `the ${kind} ${name}`) }))
      .catch((error: unknown) => onUnreadable(`the ${kind} ${name}`, error));
  }
  return objects;
}

async function readViews(connection: Connection, database: string, onUnreadable: OnUnreadable): Promise<CodeObject[]> {
  const rows = await connection.query<{ name: string }>(
    'select table_name as name from information_schema.views where table_schema = ? order by binary table_name',
    [database],
  );
  const objects: CodeObject[] = [];
  for (const { name } of rows) {
    await show(connection, 'view', qualified(database, name))
      .then((shown) =>
        objects.push({ kind: 'view', name, database, ...definition(shown, 'Create View', `the view ${name}`) }),
      )
      .catch((error: unknown) => onUnreadable(`the view ${name}`, error));
  }
  return objects;
}

/**
 * As their authors wrote them, but for names of databases; of a form that is not known, from their parts. Asked for by the
 * schema of their tables, which is always theirs: by any other column the server would open every table that it has.
 */
async function readTriggers(connection: Connection, database: string): Promise<CodeObject[]> {
  const rows = await connection.query<Record<string, string>>(
    `select trigger_name as name, event_object_table as \`table\`, action_timing as timing, event_manipulation as event,
       action_statement as body, definer, sql_mode as mode, character_set_client as charset, collation_connection as collation,
       database_collation as of_database
     from information_schema.triggers where event_object_schema = ?
     order by binary event_object_table, action_timing, event_manipulation, action_order`,
    [database],
  );
  const triggers: CodeObject[] = [];
  for (const row of rows) {
    const name = row.name ?? '';
    const definer = account(row.definer ?? '');
    // of a table that cannot be opened there are the parts alone
    const shown = await show(connection, 'trigger', qualified(database, name)).catch((): Shown => ({}));
    const parts = `create definer=${definer} trigger ${quoteIdentifier(name)} ${row.timing} ${row.event} on ${TABLE} for each row ${row.body}`;
    triggers.push({
      kind: 'trigger',
      name,
      sql: triggerFor(shown['SQL Original Statement'] ?? '', definer) ?? parts,
      sqlMode: row.mode ?? '',
      charset: row.charset ?? 'utf8mb4',
      collation: row.collation ?? 'utf8mb4_general_ci',
      ...(row.of_database ? { databaseCollation: row.of_database } : {}),
      table: row.table ?? '',
    });
  }
  return triggers;
}

/** `user@host` as SQL: the host has no @, the user may. A role has no host. */
function account(definer: string): string {
  const at = definer.lastIndexOf('@');
  if (at < 0) return quoteIdentifier(definer);
  const [user, host] = [definer.slice(0, at), definer.slice(at + 1)];
  return host === '' ? quoteIdentifier(user) : `${quoteIdentifier(user)}@${quoteIdentifier(host)}`;
}

/** An event's status stands between its schedule and its body. SLAVESIDE is how a dump of a replica has what runs. */
export const EVENT_HEAD =
  /^(CREATE (?:DEFINER=(?:`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?|[^`\s]+) )?EVENT `(?:[^`]|``)*` ON SCHEDULE .*? ON COMPLETION (?:NOT )?PRESERVE) (ENABLE|DISABLE ON SLAVE|DISABLE)(?= )/s;

const DIVIDED_ACCOUNT = /^(CREATE DEFINER=`(?:[^`]|``)*)`@`((?:[^`]|``)*)@([^`@]*`)/;

async function readEvents(connection: Connection, database: string, onUnreadable: OnUnreadable): Promise<CodeObject[]> {
  const rows = await connection.query<{ name: string; status: string; zone: string }>(
    'select event_name as name, status, time_zone as zone from information_schema.events where event_schema = ? order by binary event_name',
    [database],
  );
  const objects: CodeObject[] = [];
  for (const row of rows) {
    await show(connection, 'event', qualified(database, row.name))
      .then((shown) => objects.push(eventFrom(shown, row)))
      .catch((error: unknown) => onUnreadable(`the event ${row.name}`, error));
  }
  return objects;
}

function eventFrom(shown: Shown, { name, status, zone }: { name: string; status: string; zone: string }): CodeObject {
  const read = definition(shown, 'Create Event', `the event ${name}`);
  // the server divides the account at its first @, and means the last
  const parts = { ...read, sql: read.sql.replace(DIVIDED_ACCOUNT, '$1@$2`@`$3') };
  if (!EVENT_HEAD.test(parts.sql)) {
    throw new OperatorError(
      'RESTORE_REFUSED',
      `the event ${name} has a form that is not known: ${parts.sql.slice(0, 200)}`,
    );
  }
  return { kind: 'event', name, ...parts, timeZone: zone, runs: status !== 'DISABLED' };
}

/** Removes everything of these kinds from a database; all of its code unless they are named. */
export async function dropCode(
  connection: Connection,
  database: string,
  kinds: readonly CodeKind[] = ALL,
): Promise<void> {
  for (const { kind, name } of await listCode(connection, database)) {
    if (!kinds.includes(kind)) continue;
    // the word is one in this mode alone, before MariaDB 11.4
    const isPackage = kind.startsWith('package');
    if (isPackage) await connection.query("set session sql_mode = 'ORACLE'");
    await connection.query(`drop ${kind} if exists ${qualified(database, name)}`);
    if (isPackage) await connection.query("set session sql_mode = ''");
  }
}

/** Kinds and names of a database's code. */
export async function listCode(connection: Connection, database: string): Promise<{ kind: CodeKind; name: string }[]> {
  const rows = await connection.query<{ kind: string; name: string }>(
    `select 'view' as kind, table_name as name from information_schema.views where table_schema = ?
     union all select 'trigger', trigger_name from information_schema.triggers where event_object_schema = ?
     union all select 'event', event_name from information_schema.events where event_schema = ?
     union all select lower(routine_type), routine_name from information_schema.routines where routine_schema = ?`,
    [database, database, database, database],
  );
  return rows
    .map(({ kind, name }) => ({ kind: kind as CodeKind, name }))
    .sort((a, b) => ALL.indexOf(a.kind) - ALL.indexOf(b.kind));
}
