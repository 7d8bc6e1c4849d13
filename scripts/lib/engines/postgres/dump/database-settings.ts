import { type Connection, quoteIdentifier, quoteLiteral } from '../server/connection.ts';
import { unmarked } from '../server/marks.ts';

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

/** A statement that gives something to a database as a whole. */
export interface DatabaseStatement {
  readonly sql: string;
  /** A setting may be missed; an owner or a right that is not as it was is a failure. */
  readonly kind: 'owner' | 'grant' | 'setting' | 'property';
  /** To be given by this role, which was granted the right to, in place of the owner. */
  readonly asRole?: string;
  /** Only once nobody has to work in the database before it is in use: limits, and what would keep it from being dropped. */
  readonly isLast?: true;
}

/**
 * What belongs to the database as a whole and is therefore in no dump of it, as statements that give it to another one:
 * owner, grants, settings, also those of a role in it, comment, security labels, limits and flags. In an order in which each can
 * be given: grants are made in the owner's name.
 *
 * @param target that other one, as it is to stand in SQL
 */
export async function databaseStatements(
  connection: Connection,
  from: string,
  target: string,
): Promise<DatabaseStatement[]> {
  return [
    ...(await owner(connection, from, target)),
    ...(await grants(connection, from, target)),
    ...(await settings(connection, from, target)),
    ...(await properties(connection, from, target)),
  ];
}

/** `"name" to value`, of a setting as the catalogs keep it: `name=value`. */
export function settingAssignment(setting: string): string {
  const [name = '', ...rest] = setting.split('=');
  // an extension's setting has a dot, and each side of it is a name
  return `${name.split('.').map(quoteIdentifier).join('.')} to ${settingValue(name, rest.join('='))}`;
}

/**
 * The settings of a database for everybody in it, as the catalogs keep them: `name=value`; and those of a role in it, which
 * count before them.
 */
export async function databaseSettings(
  connection: Connection,
  database: string,
  role?: string,
): Promise<{ name: string; setting: string }[]> {
  return connection.query<{ name: string; setting: string }>(
    `select split_part(setting, '=', 1) as name, setting
     from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) as setting
     where d.datname = $1 and s.setrole in (0, (select r.oid from pg_roles r where r.rolname = $2))
     order by s.setrole <> 0`,
    [database, role ?? null],
  );
}

async function settings(connection: Connection, from: string, target: string): Promise<DatabaseStatement[]> {
  const rows = await connection.query<{ role: string | null; setting: string }>(
    `select case when s.setrole <> 0 then pg_get_userbyid(s.setrole) end as role, unnest(s.setconfig) as setting
     from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase where d.datname = $1`,
    [from],
  );
  return rows.map(({ role, setting }) => {
    const subject =
      role === null ? `alter database ${target}` : `alter role ${quoteIdentifier(role)} in database ${target}`;
    return { sql: `${subject} set ${settingAssignment(setting)}`, kind: 'setting' };
  });
}

async function owner(connection: Connection, from: string, target: string): Promise<DatabaseStatement[]> {
  const [row] = await connection.query<{ owner: string }>(
    'select pg_get_userbyid(datdba) as owner from pg_database where datname = $1',
    [from],
  );
  return row ? [{ sql: `alter database ${target} owner to ${quoteIdentifier(row.owner)}`, kind: 'owner' }] : [];
}

interface Grant {
  readonly grantee: string | null;
  readonly grantor: string;
  readonly privilege: string;
  readonly grantable: boolean;
  readonly byOwner: boolean;
}

/** Nothing for a database whose rights are those that every new one has. */
async function grants(connection: Connection, from: string, target: string): Promise<DatabaseStatement[]> {
  const [owned] = await connection.query<{ owner: string; isOwn: boolean }>(
    `select pg_get_userbyid(datdba) as owner, datacl is not null as "isOwn" from pg_database where datname = $1`,
    [from],
  );
  if (!owned?.isOwn) return [];
  const rows = await connection.query<Grant>(
    `select case when a.grantee <> 0 then pg_get_userbyid(a.grantee) end as grantee, pg_get_userbyid(a.grantor) as grantor,
       a.privilege_type as privilege, a.is_grantable as grantable, a.grantor = d.datdba as "byOwner"
     from pg_database d cross join lateral aclexplode(d.datacl) with ordinality as a(grantor, grantee, privilege_type, is_grantable, n)
     where d.datname = $1 order by a.grantor <> d.datdba, a.n`,
    [from],
  );
  return [
    { sql: `revoke all on database ${target} from public`, kind: 'grant' },
    // what the owner was deprived of he would have again
    { sql: `revoke all on database ${target} from ${quoteIdentifier(owned.owner)}`, kind: 'grant' },
    ...inOrderOfGrant(rows).map((row) => grant(row, target)),
  ];
}

/** Who hands a right on has to have been given it before. */
function inOrderOfGrant(rows: readonly Grant[]): Grant[] {
  const ordered = rows.filter(({ byOwner }) => byOwner);
  let rest = rows.filter(({ byOwner }) => !byOwner);
  while (rest.length > 0) {
    const ready = rest.filter((row) =>
      ordered.some((has) => has.grantable && has.grantee === row.grantor && has.privilege === row.privilege),
    );
    // a superuser of its time may have given what he was not given himself
    const next = ready.length === 0 ? rest : ready;
    ordered.push(...next);
    rest = rest.filter((row) => !next.includes(row));
  }
  return ordered;
}

function grant({ grantee, grantor, privilege, grantable, byOwner }: Grant, target: string): DatabaseStatement {
  const to = grantee === null ? 'public' : quoteIdentifier(grantee);
  const sql = `grant ${privilege} on database ${target} to ${to}${grantable ? ' with grant option' : ''}`;
  return { sql, kind: 'grant', ...(byOwner ? {} : { asRole: grantor }) };
}

async function properties(connection: Connection, from: string, target: string): Promise<DatabaseStatement[]> {
  const [row] = await connection.query<{
    limit: number;
    comment: string | null;
    isTemplate: boolean;
    isOpen: boolean;
    labels: { provider: string; label: string }[];
  }>(
    `select datconnlimit as limit, shobj_description(oid, 'pg_database') as comment, datistemplate as "isTemplate", datallowconn as "isOpen",
       coalesce((select json_agg(json_build_object('provider', provider, 'label', label) order by provider)
         from pg_shseclabel where objoid = d.oid and classoid = 'pg_database'::regclass), '[]') as labels
     from pg_database d where datname = $1`,
    [from],
  );
  if (!row) return [];
  const comment = unmarked(row.comment);
  const { limit, isTemplate, isOpen, labels } = row;
  const last = (sql: string): DatabaseStatement => ({ sql, kind: 'property', isLast: true });
  return [
    ...(comment === null ? [] : [property(`comment on database ${target} is ${quoteLiteral(comment)}`)]),
    ...labels.map(({ provider, label }) =>
      property(`security label for ${quoteIdentifier(provider)} on database ${target} is ${quoteLiteral(label)}`),
    ),
    ...(limit === -1 ? [] : [last(`alter database ${target} connection limit ${limit}`)]),
    ...(isTemplate ? [last(`alter database ${target} is_template true`)] : []),
    ...(isOpen ? [] : [last(`alter database ${target} allow_connections false`)]),
  ];
}

function property(sql: string): DatabaseStatement {
  return { sql, kind: 'property' };
}
