import { messageOf } from '../../../errors.ts';
import { log } from '../../../terminal/log.ts';
import { type Account, BEGIN, isOnDatabase, PUBLIC, readAccount } from '../dump/globals.ts';
import { type Connection, errorName, quoteIdentifier } from '../server/connection.ts';
import { grantAsWritten } from '../server/grant.ts';

/** What the globals of a backup say of one account. */
interface Block {
  /** As SQL has it. */
  readonly name: string;
  readonly create: string;
  readonly grants: readonly string[];
}

/** What is still to be done once the restored database is in place, and what could not be given. */
export interface Accounts {
  readonly grants: readonly string[];
  /** A sentence for each. */
  readonly ungiven: readonly string[];
}

function blocksOf(globals: string): Block[] {
  const bare = (line: string) => line.replace(/;$/, '');
  return globals
    .split(`\n${BEGIN}`)
    .slice(1)
    .map((block) => {
      const [name = '', create = '', ...its] = block.trimEnd().split('\n');
      return { name, create: bare(create).replace(' IF NOT EXISTS ', ' '), grants: its.map(bare) };
    });
}

/** An account as SQL has it, taken apart; a role has no host. */
function accountOf(name: string): Account {
  const [user = '', host = ''] = [...name.matchAll(/`((?:[^`]|``)*)`/g)].map(([, part = '']) =>
    part.replaceAll('``', '`'),
  );
  return { user, host };
}

/** Where a backup's accounts are given. */
export interface Place {
  /** The database that was dumped. */
  readonly dumped: string;
  /** It is not on this server: what everybody may do in it is to be granted, too. */
  readonly isNew: boolean;
}

/** Makes the accounts that the server lacks. Those that it has are left as they are, and what they lack is told. */
export async function makeMissingAccounts(
  connection: Connection,
  globals: string,
  { dumped, isNew }: Place,
): Promise<Accounts> {
  const made: string[] = [];
  const unknown: string[] = [];
  const grants: string[] = [];
  const ungiven: string[] = [];
  await connection.query("set session sql_mode = ''");
  for (const { name, create, grants: its } of blocksOf(globals)) {
    if (name === PUBLIC) {
      if (isNew) grants.push(...its);
      continue;
    }
    try {
      await connection.query(create);
      made.push(name);
      grants.push(...its);
    } catch (error) {
      // it is there
      if (errorName(error) === 'ER_CANNOT_USER') {
        if (isNew) await tellOfLacking(connection, name, its, dumped);
        continue;
      }
      const isThere = await exists(connection, accountOf(name));
      if (isThere === undefined) unknown.push(name);
      else if (!isThere) ungiven.push(`the account ${name} is missing (${discreet(messageOf(error))})`);
    }
  }
  if (made.length > 0) log.info(`made accounts that the server lacked: ${made.join(', ')}`);
  if (unknown.length > 0)
    log.warn(
      `accounts of the backup that this user may not make, and cannot see whether they are there: ${unknown.join(', ')}`,
    );
  return { grants, ungiven };
}

/** An account that was there may have been made before anybody thought of its rights, or without them for good reason. */
async function tellOfLacking(connection: Connection, name: string, grants: readonly string[], dumped: string) {
  const rows = await connection.query<Record<string, string>>(`show grants for ${name}`).catch(() => undefined);
  if (rows === undefined) return;
  const now = rows.map((row) => Object.values(row)[0] ?? '');
  if (now.some((grant) => /^GRANT ALL PRIVILEGES ON \*\.\* /.test(grant))) return;
  const hasAll = now.some((grant) => /^GRANT ALL PRIVILEGES ON [^ ]+\.\* /.test(grant) && isOnDatabase(grant, dumped));
  // a role by itself, in which the right may lie
  const isAbout = (grant: string) => /^GRANT `/.test(grant) || (isOnDatabase(grant, dumped) && !hasAll);
  const lacking = grants.filter((grant) => isAbout(grant) && !now.includes(grant));
  if (lacking.length > 0)
    log.warn(
      `the account ${name} was there, and is left as it is; when this backup was made it had been given: ${lacking.join('; ')}`,
    );
}

async function exists(connection: Connection, { user, host }: Account): Promise<boolean | undefined> {
  return connection.query('select 1 from mysql.user where user = ? and host = ?', [user, host]).then(
    (rows) => rows.length > 0,
    () => undefined,
  );
}

const OBJECT_GRANT = /^GRANT .*? ON (?:PROCEDURE |FUNCTION |PACKAGE BODY |PACKAGE )?(`(?:[^`]|``)*`)\.`/;

/** Whether a grant is on a table or routine of another database: an account may be that one's too, which may not be there. */
function isOfAnother(grant: string, database: string): boolean {
  const of = OBJECT_GRANT.exec(grant)?.[1];
  return of !== undefined && of !== quoteIdentifier(database);
}

/**
 * @param database whose grants they are
 * @returns a sentence for each that could not be granted
 */
export async function giveGrants(
  connection: Connection,
  grants: readonly string[],
  database: string,
): Promise<string[]> {
  const ungiven: string[] = [];
  for (const grant of grants) {
    await grantAsWritten(connection, grant).catch((error: unknown) => {
      const sentence = `not granted: ${discreet(grant)} (${discreet(messageOf(error))})`;
      if (isOfAnother(grant, database)) log.info(`${sentence}: it is of another database`);
      else ungiven.push(sentence);
    });
  }
  return ungiven;
}

/** A statement, or what a server says of it, without hashes of passwords. */
const discreet = (text: string) => text.replaceAll(/(\b(?:PASSWORD|USING|AS)\s+)'[^']*'/gi, "$1'…'");

/**
 * On a server that nobody else uses: makes every account and role as it was, with its grants on the staging database in
 * place of the dumped one, and reads them again.
 *
 * @param definers those that the code of the database runs as: here they may then do everything again
 * @returns a sentence for each that could not be given, or is other than it was
 */
export async function rehearseAccounts(
  connection: Connection,
  globals: string,
  { dumped, staging, definers }: { dumped: string; staging: string; definers: readonly string[] },
): Promise<string[]> {
  const wrong: string[] = [];
  await connection.query("set session sql_mode = ''");
  const [self] = await connection.query<{ name: string }>('select current_user() as name');
  const here = (text: string) =>
    text.replace(
      /^(GRANT .*? ON (?:PROCEDURE |FUNCTION |PACKAGE BODY |PACKAGE )?)(`(?:[^`]|``)*`)\.(?=[`*])/,
      (all, start, of) => (of === quoteIdentifier(dumped) ? `${start}${quoteIdentifier(staging)}.` : all),
    );
  const blocks = blocksOf(globals).filter(({ name }) => name !== asSql(self?.name ?? ''));
  const made: Block[] = [];
  for (const block of blocks) {
    if (block.name === PUBLIC) {
      wrong.push(...(await giveGrants(connection, block.grants.map(here), staging)));
      continue;
    }
    try {
      await connection.query(block.create.replace(/^CREATE /, 'CREATE OR REPLACE '));
      made.push(block);
    } catch (error) {
      // an authentication that is a plugin of the source's is not rehearsed
      if (/PLUGIN/.test(errorName(error) ?? '')) log.info(`${block.name} is not rehearsed: ${messageOf(error)}`);
      else wrong.push(`the account ${block.name} cannot be made (${discreet(messageOf(error))})`);
    }
  }
  // what an account has of other databases is no part of this one
  const ownOf = ({ grants }: Block) => grants.filter((grant) => !isOfAnother(grant, dumped)).map(here);
  for (const block of made) wrong.push(...(await giveGrants(connection, ownOf(block), staging)));
  for (const block of made) {
    const { name, create } = block;
    const found = await readAccount(connection, accountOf(name));
    const [, nowMade = '', ...now] = found.map((line) => line.replace(/;$/, '').replace(' IF NOT EXISTS ', ' '));
    if (nowMade !== create) wrong.push(`the account ${name} is other than it was: ${discreet(nowMade)}`);
    const expected = ownOf(block);
    wrong.push(
      ...expected.filter((grant) => !now.includes(grant)).map((grant) => `${name} lacks: ${discreet(grant)}`),
      ...now.filter((grant) => !expected.includes(grant)).map((grant) => `${name} has besides: ${discreet(grant)}`),
    );
  }
  for (const name of definers.map(asSql)) {
    if (made.some((block) => block.name === name)) await connection.query(`grant all on *.* to ${name}`);
  }
  return wrong;
}

/** `user@host` as SQL: the host has no @, the user may. A role has no host. */
function asSql(account: string): string {
  const at = account.lastIndexOf('@');
  const [user, host] = at < 0 ? [account, ''] : [account.slice(0, at), account.slice(at + 1)];
  return host === '' ? quoteIdentifier(user) : `${quoteIdentifier(user)}@${quoteIdentifier(host)}`;
}
