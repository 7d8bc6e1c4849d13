import type { DatabaseSource } from '../../../source.ts';
import { calledAroundIn } from '../server/called-around.ts';
import { type Connection, connect, quoteLiteral } from '../server/connection.ts';
import type { Pick } from './pick.ts';

/** Those that are no part of another one that is picked, and how their columns are copied. */
const TABLES = `
  select format('%I.%I', n.nspname, c.relname) as name,
    -- rows of a partition are its table's, those of a table that inherits are its own
    array(select format('%I.%I', pn.nspname, p.relname) from pg_inherits i join pg_class p on p.oid = i.inhparent
      join pg_namespace pn on pn.oid = p.relnamespace where i.inhrelid = c.oid and c.relispartition) as parents,
    c.relkind = 'r' and c.relhassubclass as "isInherited",
    coalesce((select json_agg(json_build_object('name', quote_ident(a.attname), 'type', format_type(a.atttypid, a.atttypmod),
        'isGenerated', coalesce(to_jsonb(a)->>'attgenerated', '') <> '', 'isAlways', coalesce(to_jsonb(a)->>'attidentity', '') = 'a',
        'sequence', pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname)) order by a.attnum)
      from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]') as columns,
    array(select quote_ident(a.attname) from pg_constraint k, unnest(k.conkey) with ordinality u(attnum, place)
      join pg_attribute a on a.attrelid = c.oid and a.attnum = u.attnum where k.conrelid = c.oid and k.contype = 'p' order by place) as key,
    exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'p'
      and (k.condeferrable or to_jsonb(k)->>'conperiod' = 'true')) as "isLooseKey",
    array(select quote_ident(tgname) from pg_trigger where tgrelid = c.oid and not tgisinternal and tgenabled in ('O', 'A') and tgtype & 4 <> 0
      union all select quote_ident(rulename) from pg_rewrite where ev_class = c.oid and ev_type = '3' and ev_enabled in ('O', 'A') order by 1) as "onInsert"
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
  order by 1`;

interface Column {
  readonly name: string;
  readonly type: string;
  readonly isGenerated: boolean;
  readonly isAlways: boolean;
  readonly sequence: string | null;
}

interface Table extends Record<string, unknown> {
  readonly name: string;
  readonly parents: readonly string[];
  /** Others inherit from it, whose rows are shown as its own where ONLY is not said. */
  readonly isInherited: boolean;
  readonly columns: readonly Column[];
  readonly key: readonly string[];
  /** ON CONFLICT cannot go by its key: one that is deferrable, or of periods. */
  readonly isLooseKey: boolean;
  /** Triggers and rules that act on what is inserted. */
  readonly onInsert: readonly string[];
}

async function read(source: DatabaseSource, database: string, signal: AbortSignal) {
  const connection = await connect(source, database, signal);
  try {
    // names and types as they are written from anywhere
    await connection.query("select set_config('search_path', '', false)");
    return { tables: await tablesOf(connection), address: await ownAddress(connection) };
  } finally {
    await connection.close();
  }
}

/** With the tables whose rows an extension shows as those of another one as its parts. */
async function tablesOf(connection: Connection): Promise<Table[]> {
  const tables = await connection.query<Table>(TABLES);
  const parts = new Map<string, string>();
  for (const { parts: sql } of await calledAroundIn(connection))
    for (const { part, whole } of await connection.query<{ part: string; whole: string }>(sql)) parts.set(part, whole);
  const wholes = new Set(parts.values());
  return tables.map((table) => {
    const whole = parts.get(table.name);
    const isInherited = table.isInherited && !wholes.has(table.name);
    return { ...table, isInherited, parents: whole === undefined ? table.parents : [...table.parents, whole] };
  });
}

/**
 * Where the server reaches itself, in libpq's words; undefined where it has no dblink, or would ask for a password, which has no
 * place in a statement.
 */
async function ownAddress(connection: Connection): Promise<string | undefined> {
  const [row] = await connection.query<{ port: string; folders: string; user: string }>(
    `select current_setting('port') as port, current_setting('unix_socket_directories') as folders, current_user as user
     from pg_available_extensions, pg_roles where name = 'dblink' and rolname = current_user and rolsuper`,
  );
  if (!row) return undefined;
  const [folder = ''] = row.folders.split(',');
  const host = folder.trim() === '' ? '127.0.0.1' : libpqWord(folder.trim());
  // the server's own account, which it would go by, need not be a role
  return `host=${host} port=${row.port} user=${libpqWord(row.user)}`;
}

const libpqWord = (text: string) => (/^[\w./@-]+$/.test(text) ? text : `'${text.replace(/['\\]/g, '\\$&')}'`);

/** See Picked.copying. */
export async function copying(
  source: DatabaseSource,
  database: string,
  pick: Pick,
  signal: AbortSignal,
): Promise<string[]> {
  const from = (await read(source, database, signal)).tables.filter(
    ({ name, parents }) => pick.gives(name) && !parents.some((parent) => pick.holds(parent)),
  );
  const live = await read(source, source.database, signal).catch(() => {
    signal.throwIfAborted();
    return undefined;
  });
  return from.map((table) => {
    const into = live?.tables.find(({ name }) => name === table.name);
    if (!into) return wholeTable(source, database, table.name);
    return statement(source, { database, from: table, into, address: live?.address });
  });
}

/** Where the live database has not even the table. */
function wholeTable({ host, port, user, database: live }: DatabaseSource, database: string, name: string): string {
  const at = [`--host=${shellWord(host)}`, `--port=${port}`, `--username=${shellWord(user)}`].join(' ');
  return [
    `-- ${inLine(live)} has no table ${inLine(name)}. In a shell:`,
    `--   pg_dump ${at} --dbname=${shellWord(database)} --table=${shellWord(name)} | psql ${at} --dbname=${shellWord(live)} --single-transaction --set=ON_ERROR_STOP=1`,
  ].join('\n');
}

const shellWord = (text: string) => (/^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/** A comment ends with its line, and a name may have several. */
const inLine = (name: string) => name.replaceAll(/[\r\n]+/g, ' ');

interface Copy {
  readonly database: string;
  readonly from: Table;
  readonly into: Table;
  /** See ownAddress. */
  readonly address: string | undefined;
}

/** Why what is copied may not come as it was, a comment each. */
function notes(from: Table, into: Table, columns: readonly Column[]): string[] {
  const found: string[] = [];
  for (const { name, type, isGenerated } of from.columns) {
    if (isGenerated) continue;
    const now = columns.find((column) => column.name === name);
    if (!now) found.push(`-- ${inLine(into.name)} has no column ${inLine(name)} any more: it is not copied.`);
    else if (now.type !== type)
      found.push(
        `-- ${inLine(into.name)}: ${inLine(name)} is ${inLine(now.type)} and was ${inLine(type)}: what does not fit may come otherwise.`,
      );
  }
  if (into.onInsert.length > 0)
    found.push(
      `-- ${inLine(into.name)}: ${inLine(into.onInsert.join(', '))} will act on these rows too, and may change them: SET session_replication_role = replica keeps triggers from it, and foreign keys from being checked.`,
    );
  return found;
}

/** Inserts the rows whose key the live table has not. What is worked out by the server, it works out again. */
function statement(source: DatabaseSource, { database, from, into, address }: Copy): string {
  const columns = into.columns.filter(
    ({ name, isGenerated }) => !isGenerated && from.columns.some((column) => column.name === name),
  );
  const names = columns.map(({ name }) => name).join(', ');
  const overriding = columns.some(({ isAlways }) => isAlways) ? ' OVERRIDING SYSTEM VALUE' : '';
  const key = into.key.length > 0 && into.key.every((name) => columns.some((column) => column.name === name));
  const isNew = into.key.map((name) => `live.${name} = picked.${name}`).join(' AND ');
  const conflict = !key
    ? ''
    : into.isLooseKey
      ? `\nWHERE NOT EXISTS (SELECT 1 FROM ${into.name} AS live WHERE ${isNew})`
      : `\nON CONFLICT (${into.key.join(', ')}) DO NOTHING`;
  const typed = columns.map(({ name, type }) => `${name} ${type}`).join(', ');
  const query = `SELECT ${names} FROM ${from.isInherited ? 'ONLY ' : ''}${from.name}`;
  if (columns.length === 0) return `-- ${inLine(into.name)} has no column that can be copied.`;
  const lines = [
    ...notes(from, into, columns),
    ...(key ? [] : [`-- ${inLine(into.name)} has no primary key: rows that it has already come a second time.`]),
  ];
  const insert = (rows: string) => `INSERT INTO ${into.name} (${names})${overriding}\n${rows}${conflict};`;
  if (address !== undefined) {
    lines.push(
      'CREATE EXTENSION IF NOT EXISTS dblink;',
      insert(
        `SELECT ${names} FROM dblink(${quoteLiteral(`${address} dbname=${libpqWord(database)}`)}, ${quoteLiteral(query)}) AS picked (${typed})`,
      ),
    );
  } else {
    const { host, port, user, database: live } = source;
    const at = `-h ${shellWord(host)} -p ${port} -U ${shellWord(user)}`;
    const over = (sql: string) => `-c ${shellWord(sql.replaceAll('\n', ' '))}`;
    lines.push(
      '-- In a shell:',
      `psql ${at} -d ${shellWord(database)} ${over(`COPY (${query}) TO STDOUT`)} | psql ${at} -d ${shellWord(live)} -v ON_ERROR_STOP=1 \\`,
      `  ${over(`CREATE TEMP TABLE picked (${typed})`)} ${over('COPY picked FROM STDIN')} \\`,
      `  ${over(insert(`SELECT ${names} FROM picked`))}`,
    );
  }
  for (const { name, sequence } of columns) {
    if (sequence === null) continue;
    const highest = `(SELECT max(${name}) FROM ${into.name})`;
    const moves = `SELECT setval(${quoteLiteral(sequence)}, ${highest}) FROM ${sequence} WHERE last_value < ${highest};`;
    lines.push(
      address !== undefined
        ? moves
        : `psql -h ${shellWord(source.host)} -p ${source.port} -U ${shellWord(source.user)} -d ${shellWord(source.database)} -c ${shellWord(moves)}`,
    );
  }
  return lines.join('\n');
}
