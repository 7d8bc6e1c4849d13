import { type Connection, quoteIdentifier, quoteLiteral } from '../server/connection.ts';

/** Settings whose stored value is a list of quoted names: each has to be given by itself, or it would become one. */
const LISTS = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
]);

function settingValue(name: string, stored: string): string {
  if (!LISTS.has(name.toLowerCase())) return quoteLiteral(stored);
  const items = [...stored.matchAll(/"((?:[^"]|"")*)"|([^,\s"]+)/g)].map(([, quoted, bare]) =>
    quoteLiteral(quoted === undefined ? (bare ?? '') : quoted.replaceAll('""', '"')),
  );
  return items.length === 0 ? "''" : items.join(', ');
}

/**
 * Gives `to` what belongs to the database `from` as a whole and is therefore in no dump of it: settings, also those
 * of a role in it, grants, connection limit, comment and owner.
 */
export async function carryOver(connection: Connection, from: string, to: string): Promise<void> {
  for (const statement of await databaseStatements(connection, from, quoteIdentifier(to))) {
    await connection.query(statement);
  }
}

/**
 * What belongs to the database as a whole, as statements that give it to another one.
 * @param target that other one, as it is to stand in SQL
 */
export async function databaseStatements(connection: Connection, from: string, target: string): Promise<string[]> {
  return [
    ...(await settings(connection, from, target)),
    ...(await grants(connection, from, target)),
    ...(await properties(connection, from, target)),
  ];
}

/** `"name" to value`, of a setting as the catalogs keep it: `name=value`. */
export function settingAssignment(setting: string): string {
  const [name = '', ...rest] = setting.split('=');
  // an extension's setting has a dot, and each side of it is a name
  return `${name.split('.').map(quoteIdentifier).join('.')} to ${settingValue(name, rest.join('='))}`;
}

async function settings(connection: Connection, from: string, target: string): Promise<string[]> {
  const rows = await connection.query<{ role: string | null; setting: string }>(
    `select case when s.setrole <> 0 then pg_get_userbyid(s.setrole) end as role, unnest(s.setconfig) as setting
     from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase where d.datname = $1`,
    [from],
  );
  return rows.map(({ role, setting }) => {
    const subject =
      role === null ? `alter database ${target}` : `alter role ${quoteIdentifier(role)} in database ${target}`;
    return `${subject} set ${settingAssignment(setting)}`;
  });
}

async function grants(connection: Connection, from: string, target: string): Promise<string[]> {
  const rows = await connection.query<{ grantee: string | null; privilege: string; grantable: boolean }>(
    `select case when a.grantee <> 0 then pg_get_userbyid(a.grantee) end as grantee,
       a.privilege_type as privilege, a.is_grantable as grantable
     from pg_database d cross join lateral aclexplode(d.datacl) a where d.datname = $1 and d.datacl is not null`,
    [from],
  );
  if (rows.length === 0) return [];
  return [
    `revoke all on database ${target} from public`,
    ...rows.map(
      ({ grantee, privilege, grantable }) =>
        `grant ${privilege} on database ${target} to ${grantee === null ? 'public' : quoteIdentifier(grantee)}${grantable ? ' with grant option' : ''}`,
    ),
  ];
}

async function properties(connection: Connection, from: string, target: string): Promise<string[]> {
  const [row] = await connection.query<{ owner: string; limit: number; comment: string | null }>(
    `select pg_get_userbyid(datdba) as owner, datconnlimit as limit, shobj_description(oid, 'pg_database') as comment
     from pg_database where datname = $1`,
    [from],
  );
  if (!row) return [];
  return [
    ...(row.limit === -1 ? [] : [`alter database ${target} connection limit ${row.limit}`]),
    ...(row.comment === null ? [] : [`comment on database ${target} is ${quoteLiteral(row.comment)}`]),
    `alter database ${target} owner to ${quoteIdentifier(row.owner)}`,
  ];
}
