import { type Connection, quoteIdentifier, quoteLiteral } from '../server/connection.ts';
import { databaseStatements, settingAssignment } from './database-settings.ts';

interface RoleRow {
  readonly name: string;
  readonly attributes: string[];
  readonly connlimit: number;
  readonly validuntil: string | null;
  readonly canlogin: boolean;
  readonly password: string | null;
  readonly settings: string[] | null;
  readonly memberships: { role: string; admin: boolean }[];
}

/** The roles that own or are granted something in the database, and those that they are members of, however far. */
const NEEDED_ROLES = `
  with recursive needed as (
    select oid from pg_roles where rolname = any($1)
    union
    select m.roleid from pg_auth_members m join needed n on n.oid = m.member
  )
  select r.rolname as name, r.rolconnlimit as connlimit, r.rolvaliduntil::text as validuntil, r.rolcanlogin as canlogin,
    array_remove(array[
      case when r.rolsuper then 'SUPERUSER' end, case when r.rolinherit then 'INHERIT' else 'NOINHERIT' end,
      case when r.rolcreaterole then 'CREATEROLE' end, case when r.rolcreatedb then 'CREATEDB' end,
      case when r.rolreplication then 'REPLICATION' end, case when r.rolbypassrls then 'BYPASSRLS' end], null) as attributes,
    (select s.setconfig from pg_db_role_setting s where s.setrole = r.oid and s.setdatabase = 0) as settings,
    coalesce((select json_agg(json_build_object('role', g.rolname, 'admin', m.admin_option) order by g.rolname)
      from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid), '[]') as memberships
  from needed join pg_roles r on r.oid = needed.oid
  where r.rolname !~ '^pg_' order by r.rolname`;

/** Stands in globals whose roles cannot log in as they are. */
export const HASHES_UNREAD =
  '-- Password hashes could not be read: the roles are made NOLOGIN. ALTER ROLE … LOGIN PASSWORD … is yours to do.';

/**
 * What the database needs of its server and pg_dump leaves out, as SQL for psql, connected to the database: roles that
 * are missing, with their memberships; then owner, settings, grants and comment of the database itself. With the psql
 * variable `roles_only` the second half is left out. Existing roles are left as they are.
 *
 * Without the right to read password hashes, roles are made NOLOGIN.
 */
export async function readGlobals(connection: Connection, database: string, roles: readonly string[]): Promise<string> {
  const [may] = await connection.query<{ may: boolean }>("select has_table_privilege('pg_authid', 'select') as may");
  const hashes = may?.may
    ? await connection.query<{ name: string; hash: string }>(
        'select rolname as name, rolpassword as hash from pg_authid where rolpassword is not null',
      )
    : [];
  const hashOf = new Map(hashes.map(({ name, hash }) => [name, hash]));
  const rows = await connection.query<Omit<RoleRow, 'password'>>(NEEDED_ROLES, [[...roles]]);
  // a role comes after those that it is a member of
  const ordered = inOrder(rows.map((row) => ({ ...row, password: hashOf.get(row.name) ?? null })));
  return [
    '-- What the database needs of its server. Made for psql, connected to the database.',
    ...(may?.may
      ? []
      : [
          '-- Password hashes could not be read: the roles are made NOLOGIN. ALTER ROLE … LOGIN PASSWORD … is yours to do.',
        ]),
    ...ordered.map((role) => createRole(role, may?.may === true)),
    '\\if :{?roles_only}',
    '\\else',
    ...(await databaseStatements(connection, database, ':"DBNAME"')).map((statement) => `${statement};`),
    '\\endif',
    '',
  ].join('\n');
}

function inOrder(roles: readonly RoleRow[]): RoleRow[] {
  const ordered: RoleRow[] = [];
  const visited = new Set<string>();
  const byName = new Map(roles.map((role) => [role.name, role]));
  const visit = (role: RoleRow) => {
    if (visited.has(role.name)) return;
    visited.add(role.name);
    for (const { role: name } of role.memberships) {
      const other = byName.get(name);
      if (other) visit(other);
    }
    ordered.push(role);
  };
  roles.forEach(visit);
  return ordered;
}

function createRole(role: RoleRow, isHashKnown: boolean): string {
  const name = quoteIdentifier(role.name);
  const login = role.canlogin && isHashKnown ? ['LOGIN'] : ['NOLOGIN'];
  const attributes = [
    ...role.attributes,
    ...login,
    ...(role.connlimit === -1 ? [] : [`CONNECTION LIMIT ${role.connlimit}`]),
    ...(role.validuntil === null ? [] : [`VALID UNTIL ${quoteLiteral(role.validuntil)}`]),
    ...(role.password === null ? [] : [`PASSWORD ${quoteLiteral(role.password)}`]),
  ];
  const statements = [
    `create role ${name} with ${attributes.join(' ')}`,
    ...role.memberships.map(
      ({ role: group, admin }) => `grant ${quoteIdentifier(group)} to ${name}${admin ? ' with admin option' : ''}`,
    ),
    ...(role.settings ?? []).map((setting) => `alter role ${name} set ${settingAssignment(setting)}`),
  ];
  return block(role.name, statements);
}

/** Statements that run only where the role is missing. */
function block(role: string, statements: readonly string[]): string {
  const body = `begin if not exists (select from pg_catalog.pg_roles where rolname = ${quoteLiteral(role)}) then ${statements
    .map((statement) => `${statement};`)
    .join(' ')} end if; end`;
  return `do ${quoteLiteral(body)};`;
}
