import { type Connection, quoteIdentifier, quoteLiteral } from '../server/connection.ts';
import { databaseStatements, settingAssignment } from './database-settings.ts';
import { FIRST_SUPERUSER, type Membership, neededRoles, type Role } from './needed-roles.ts';

interface RoleRow extends Role {
  readonly attributes: string[];
  readonly connlimit: number;
  readonly validuntil: string | null;
  readonly canlogin: boolean;
  readonly settings: string[] | null;
  readonly comment: string | null;
  readonly labels: { provider: string; label: string }[];
  /** Parameters of the server that it may set, from PostgreSQL 15 on. */
  readonly parameters: { name: string; privilege: string; grantable: boolean }[];
}

// VALID UNTIL in a form that no session's date style has a part in
const ROLES = `
  select r.oid::text as oid, r.rolname as name, r.rolconnlimit as connlimit, r.rolcanlogin as canlogin,
    case when isfinite(r.rolvaliduntil) then to_char(r.rolvaliduntil at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'
      else r.rolvaliduntil::text end as validuntil,
    array_remove(array[
      case when r.rolsuper then 'SUPERUSER' end, case when r.rolinherit then 'INHERIT' else 'NOINHERIT' end,
      case when r.rolcreaterole then 'CREATEROLE' end, case when r.rolcreatedb then 'CREATEDB' end,
      case when r.rolreplication then 'REPLICATION' end, case when r.rolbypassrls then 'BYPASSRLS' end], null) as attributes,
    (select s.setconfig from pg_db_role_setting s where s.setrole = r.oid and s.setdatabase = 0) as settings,
    shobj_description(r.oid, 'pg_authid') as comment,
    coalesce((select json_agg(json_build_object('provider', l.provider, 'label', l.label) order by l.provider)
      from pg_shseclabel l where l.objoid = r.oid and l.classoid = 'pg_authid'::regclass), '[]') as labels,
    exists (select from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
      where s.setrole = r.oid and d.datname = $1) as "hasSettings",
    %PARAMETERS% as parameters
  from pg_roles r order by r.rolname`;

const PARAMETERS = `coalesce((select json_agg(json_build_object('name', p.parname, 'privilege', a.privilege_type, 'grantable', a.is_grantable)
      order by p.parname, a.privilege_type) from pg_parameter_acl p cross join lateral aclexplode(p.paracl) a where a.grantee = r.oid), '[]')`;

// a row as JSON has the columns that this version has: who inherits and who may become the role came with PostgreSQL 16
const MEMBERSHIPS = `
  select m.roleid::text as role, m.member::text as member, m.grantor::text as grantor, to_jsonb(m) as options
  from pg_auth_members m order by m.roleid, m.member, m.grantor`;

/** Stands in globals whose roles cannot log in as they are. */
export const HASHES_UNREAD =
  '-- Password hashes could not be read: the roles are made NOLOGIN. ALTER ROLE … LOGIN PASSWORD … is yours to do.';

/**
 * What the database needs of its server and pg_dump leaves out, as SQL for psql, connected to the database: roles that
 * are missing, with their memberships; then owner, grants, settings, comment and flags of the database itself. Roles that are
 * there are left as they are. psql variables leave parts out: `roles_only`, `without_members` (roles that only belong to one
 * that the database needs, or have settings in it), `database_only` (all roles), `without_last` and `last_only` (limits and flags).
 *
 * Without the right to read password hashes, roles are made NOLOGIN.
 *
 * @param connection where the names of roles, which all databases share, are read as they were written
 */
export async function readGlobals(connection: Connection, database: string, roles: readonly string[]): Promise<string> {
  const [may] = await connection.query<{ may: boolean }>("select has_table_privilege('pg_authid', 'select') as may");
  const isHashKnown = may?.may === true;
  const hashes = isHashKnown
    ? await connection.query<{ oid: string; hash: string }>(
        'select oid::text as oid, rolpassword as hash from pg_authid where rolpassword is not null',
      )
    : [];
  const hashOf = new Map(hashes.map(({ oid, hash }) => [oid, hash]));
  const hasParameters = connection.serverVersionNum >= 150_000;
  const rows = await connection.query<RoleRow & Record<string, unknown>>(
    ROLES.replace('%PARAMETERS%', hasParameters ? PARAMETERS : "'[]'::json"),
    [database],
  );
  const memberships = await connection.query<Membership & Record<string, unknown>>(MEMBERSHIPS);
  const { needed, further, given } = neededRoles(rows, memberships, new Set(roles));
  const statements = await databaseStatements(connection, database, ':"DBNAME"');
  const [last, first] = [statements.filter(({ isLast }) => isLast), statements.filter(({ isLast }) => !isLast)];
  // by their names, which a server that they are made on again has too
  const variables = new Map([...needed, ...further].map(({ oid }, i) => [oid, `made_${i + 1}`]));
  const create = (role: RoleRow) =>
    createRole(role, { made: variables.get(role.oid) ?? '', isHashKnown, hash: hashOf.get(role.oid) });
  const names = new Map(rows.map(({ oid, name }) => [oid, name]));
  return [
    '-- What the database needs of its server. Made for psql, connected to the database.',
    ...(isHashKnown ? [] : [HASHES_UNREAD]),
    ...unless('database_only', [
      ...[...variables.values()].map((variable) => `\\set ${variable} false`),
      ...needed.flatMap(create),
      ...unless('without_members', further.flatMap(create)),
      ...given.flatMap((membership) => grantMembership(membership, names, variables)),
    ]),
    ...unless('roles_only', [
      ...unless('last_only', first.flatMap(asLines)),
      ...unless('without_last', last.flatMap(asLines)),
    ]),
    '',
  ].join('\n');
}

function unless(variable: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`\\if :{?${variable}}`, '\\else', ...lines, '\\endif'];
}

function asLines({ sql, asRole }: { sql: string; asRole?: string }): string[] {
  // GRANTED BY takes nobody but the current user
  return asRole === undefined ? [`${sql};`] : [`set role ${quoteIdentifier(asRole)};`, `${sql};`, 'reset role;'];
}

/** @param made the psql variable that is true once the role had to be made */
function createRole(
  role: RoleRow,
  { made, isHashKnown, hash }: { made: string; isHashKnown: boolean; hash: string | undefined },
): string[] {
  const name = quoteIdentifier(role.name);
  const attributes = [
    ...role.attributes,
    role.canlogin && isHashKnown ? 'LOGIN' : 'NOLOGIN',
    ...(role.connlimit === -1 ? [] : [`CONNECTION LIMIT ${role.connlimit}`]),
    ...(role.validuntil === null ? [] : [`VALID UNTIL ${quoteLiteral(role.validuntil)}`]),
    ...(hash === undefined ? [] : [`PASSWORD ${quoteLiteral(hash)}`]),
  ];
  return [
    `select not exists (select from pg_catalog.pg_roles where rolname = ${quoteLiteral(role.name)}) as ${made} \\gset`,
    `\\if :${made}`,
    `create role ${name} with ${attributes.join(' ')};`,
    '\\if :ERROR',
    '\\else',
    ...(role.settings ?? []).map((setting) => `alter role ${name} set ${settingAssignment(setting)};`),
    ...(role.comment === null ? [] : [`comment on role ${name} is ${quoteLiteral(role.comment)};`]),
    ...role.labels.map(
      ({ provider, label }) =>
        `security label for ${quoteIdentifier(provider)} on role ${name} is ${quoteLiteral(label)};`,
    ),
    ...role.parameters.map(
      ({ name: parameter, privilege, grantable }) =>
        `grant ${privilege} on parameter ${parameter.split('.').map(quoteIdentifier).join('.')} to ${name}${grantable ? ' with grant option' : ''};`,
    ),
    '\\endif',
    '\\endif',
  ];
}

/**
 * A membership, where one of the two roles had to be made. From PostgreSQL 16 on with its options and its grantor, as
 * pg_dumpall writes it: without them it would come back wider than it was. Nobody but the first superuser may be left out
 * as a grantor: the restoring role takes its place.
 */
function grantMembership(
  membership: Membership,
  names: ReadonlyMap<string, string>,
  variables: ReadonlyMap<string, string>,
): string[] {
  const { role, member, grantor, options } = membership;
  const [roleName = '', memberName = '', grantorName = ''] = [role, member, grantor].map((oid) => names.get(oid));
  const made = (oid: string, name: string) => (name.startsWith('pg_') ? 'false' : `:'${variables.get(oid)}'::bool`);
  const grant = `grant ${quoteIdentifier(roleName)} to ${quoteIdentifier(memberName)}`;
  const isOld = options.inherit_option === undefined || options.set_option === undefined;
  return [
    `select ${made(member, memberName)} or ${made(role, roleName)} and exists (select from pg_catalog.pg_roles where rolname = ${quoteLiteral(memberName)}) as given \\gset`,
    '\\if :given',
    ...(isOld
      ? [`${grant}${options.admin_option ? ' with admin option' : ''};`]
      : grantedBy(
          `${grant} with admin ${options.admin_option}, inherit ${options.inherit_option}, set ${options.set_option}`,
          grantor === FIRST_SUPERUSER ? undefined : grantorName,
        )),
    '\\endif',
  ];
}

/** In the grantor's name, where this session may speak for him. */
function grantedBy(grant: string, grantor: string | undefined): string[] {
  if (grantor === undefined) return [`${grant};`];
  return [
    `select coalesce((select pg_catalog.pg_has_role(current_user, oid, 'USAGE') from pg_catalog.pg_roles where rolname = ${quoteLiteral(grantor)}), false) as may \\gset`,
    '\\if :may',
    `${grant} granted by ${quoteIdentifier(grantor)};`,
    '\\else',
    `${grant};`,
    '\\endif',
  ];
}
