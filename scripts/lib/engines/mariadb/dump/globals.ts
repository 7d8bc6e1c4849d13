import { log } from '../../../terminal/log.ts';
import { type Connection, errorName, quoteIdentifier } from '../server/connection.ts';
import { readDefiners } from '../server/facts.ts';

/** Begins what is about one account. */
export const BEGIN = '-- account ';

/** Everybody: a role that nobody makes. As an account's name. */
export const PUBLIC = '`PUBLIC`';

/** What the server calls an account that it does not have, depending on the statement. */
const NO_SUCH_ACCOUNT = ['ER_PASSWORD_NO_MATCH', 'ER_NONEXISTING_GRANT', 'ER_CANNOT_USER', 'ER_INVALID_ROLE'];

export interface Account {
  readonly user: string;
  readonly host: string;
}

const asSql = ({ user, host }: Account) =>
  host === '' ? quoteIdentifier(user) : `${quoteIdentifier(user)}@${quoteIdentifier(host)}`;

/** Every account that is granted something on the database, itself or through a role, or that its code runs as, and the roles of those. */
async function concerned(connection: Connection, database: string): Promise<Account[]> {
  const rows = await connection.query<Account>(
    `select user, host from mysql.db where ? like db
     union select user, host from mysql.tables_priv where db = ?
     union select user, host from mysql.columns_priv where db = ?
     union select user, host from mysql.procs_priv where db = ?`,
    [database, database, database, database],
  );
  const definers = (await readDefiners(connection, database)).map((definer) => {
    const at = definer.lastIndexOf('@');
    return at < 0 ? { user: definer, host: '' } : { user: definer.slice(0, at), host: definer.slice(at + 1) };
  });
  const members = await membersOf(
    connection,
    rows.filter(({ host }) => host === ''),
  );
  const all = new Map([...rows, ...members, ...definers].map((account) => [asSql(account), account]));
  for (const account of all.values()) {
    const roles = await connection.query<{ role: string }>(
      'select role from mysql.roles_mapping where user = ? and host = ?',
      [account.user, account.host],
    );
    // a map's iteration takes in what is added to it meanwhile: roles of roles
    for (const { role } of roles) all.set(quoteIdentifier(role), { user: role, host: '' });
  }
  // anonymous ones came with the server
  return [...all.values()].filter(({ user }) => user !== '');
}

const isPublic = ({ user, host }: Account) => user === 'PUBLIC' && host === '';

/** What PUBLIC, which every server has from MariaDB 10.11 on, may do in the database, and nothing that it may do elsewhere. */
async function readPublic(connection: Connection, database: string): Promise<string[] | undefined> {
  const grants = (await connection.query<Record<string, string>>('show grants for public'))
    .map((row) => Object.values(row)[0] ?? '')
    .filter((grant) => isOnDatabase(grant, database));
  return grants.length === 0 ? undefined : [`${BEGIN}${PUBLIC}`, 'DO 0;', ...grants.map((grant) => `${grant};`)];
}

/** Whether a grant, as the server writes it, is on something of the database, whose name may be a pattern there. */
export function isOnDatabase(grant: string, database: string): boolean {
  const on = /^GRANT .*? ON (?:(?:PROCEDURE|FUNCTION|PACKAGE BODY|PACKAGE) )?`((?:[^`]|``)*)`\.(\*)?/.exec(grant);
  if (!on) return false;
  const name = (on[1] ?? '').replaceAll('``', '`');
  if (on[2] === undefined || name === database) return name === database;
  const pattern = name.replaceAll(/\\(.)|%|_|[^\\%_]+/gs, (part, escaped: string | undefined) => {
    if (escaped === undefined && part === '%') return '.*';
    if (escaped === undefined && part === '_') return '.';
    return (escaped ?? part).replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${pattern}$`, 's').test(database);
}

/** Who has what is granted on the database through a role, or through a role of a role. */
async function membersOf(connection: Connection, roles: readonly Account[]): Promise<Account[]> {
  const found = new Map<string, Account>();
  const asked = [...roles];
  for (const { user: role } of asked) {
    const rows = await connection.query<Account>('select user, host from mysql.roles_mapping where role = ?', [role]);
    for (const member of rows) {
      if (found.has(asSql(member))) continue;
      found.set(asSql(member), member);
      if (member.host === '') asked.push(member);
    }
  }
  return [...found.values()];
}

/**
 * What the database needs of its server and mariadb-dump leaves out, as SQL for the mariadb client: the accounts and
 * roles that it concerns, with their passwords' hashes and their grants. Accounts that are not there (any more) are
 * left out.
 *
 * @returns undefined when this user may not read them
 */
export async function readGlobals(connection: Connection, database: string): Promise<string | undefined> {
  try {
    await connection.query("set session sql_mode = ''");
    const blocks: { isRole: boolean; lines: string[] }[] = [];
    for (const account of await concerned(connection, database)) {
      const read = isPublic(account) ? readPublic(connection, database) : readAccount(connection, account);
      const block = await read.catch((error: unknown) => {
        if (NO_SUCH_ACCOUNT.includes(errorName(error) ?? '')) return undefined;
        throw error;
      });
      if (block) blocks.push({ isRole: account.host === '', lines: block });
    }
    const ordered = [...blocks.filter(({ isRole }) => isRole), ...blocks.filter(({ isRole }) => !isRole)];
    return [
      '-- What the database needs of its server. Made for the mariadb client.',
      ...ordered.flatMap((b) => b.lines),
      '',
    ].join('\n');
  } catch (error) {
    if (!/ACCESS_?DENIED/.test(errorName(error) ?? '')) throw error;
    log.info(`accounts and grants are not kept beside the dump: this user may not read them (GRANT SELECT ON mysql.*)`);
    return undefined;
  }
}

export async function readAccount(connection: Connection, account: Account): Promise<string[]> {
  const name = asSql(account);
  const made =
    account.host === ''
      ? `CREATE ROLE ${name}`
      : Object.values((await connection.query<Record<string, string>>(`show create user ${name}`))[0] ?? {})[0];
  const grants = (await connection.query<Record<string, string>>(`show grants for ${name}`))
    .map((row) => Object.values(row)[0] ?? '')
    // that comes with CREATE USER
    .map((grant) => grant.replace(/ IDENTIFIED (?:BY PASSWORD|VIA) .*?(?= REQUIRE| WITH |$)/, ''))
    .filter(
      (grant) => /^(GRANT (?!PROXY )|SET DEFAULT ROLE )/.test(grant) && !/^GRANT USAGE ON \*\.\* TO \S+$/.test(grant),
    );
  return [
    `${BEGIN}${name}`,
    ...[made ?? '', ...grants].map((text) => `${text.replace(/^CREATE (USER|ROLE) /, 'CREATE $1 IF NOT EXISTS ')};`),
  ];
}
