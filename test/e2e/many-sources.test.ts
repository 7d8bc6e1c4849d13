import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { filesIn, place, temporaryFolder } from '../support/folders.ts';
import { type MariaDb, startMariaDb } from '../support/mariadb.ts';
import { PASSWORD_ROLE, type Postgres, startPostgres } from '../support/postgres.ts';
import { lookInto, makeTree, textOf } from '../support/trees.ts';
import { runVerb, type Verb } from '../support/verbs.ts';

const servers = {
  one: await startPostgres(),
  two: await startPostgres(),
  maria: await startMariaDb(),
};
const missing = servers.one.missing || servers.two.missing || servers.maria.missing;

const SECRET = 'of the$ shop';
const OPERATOR = 'backup_operator';

/** Everything lies here but the servers: what is deleted in a disaster, and what is not. */
const storage = temporaryFolder();
const keep = temporaryFolder();
const drills = temporaryFolder();
chmodSync(drills, 0o755);
/** The machine's own disk, with a folder of uploads and a key file. */
const machine = temporaryFolder();
const uploads = join(machine, 'data/uploads');
const key = join(machine, 'keys/master.key');

/** `.env` as it is for these servers; in a disaster, host and port are what changes. */
function dotenv(one: Postgres, two: Postgres, maria: MariaDb, recipient: string): string {
  return [
    `BACKUP_SOURCE_SHOP='postgres://${OPERATOR}@${one.host}:${one.port}/shop'`,
    `BACKUP_SOURCE_CRM='postgres://${OPERATOR}@${one.host}:${one.port}/crm'`,
    `BACKUP_SOURCE_LEDGER='postgres://${OPERATOR}@${two.host}:${two.port}/ledger'`,
    `BACKUP_SOURCE_BLOG='mariadb://${OPERATOR}@${maria.host}:${maria.port}/blog'`,
    `BACKUP_SOURCE_UPLOADS='file://${uploads}'`,
    `BACKUP_SOURCE_MASTER_KEY='file://${key}'`,
    ...['SHOP', 'CRM', 'LEDGER', 'BLOG'].map((name) => `BACKUP_SOURCE_${name}_PASSWORD='${SECRET}'`),
    `BACKUP_DIR='${storage}'`,
    `BACKUP_AGE_RECIPIENTS='${recipient}'`,
    `DRILL_DIR='${drills}'`,
    'BACKUP_PARALLEL_SOURCES=2',
  ].join('\n');
}

/** What a new server needs before anything can be restored on it: the account that .env names. */
async function admit(one: Postgres, two: Postgres, maria: MariaDb): Promise<void> {
  for (const server of [one, two])
    await server.sql(
      'postgres',
      `create role ${OPERATOR} superuser login in role ${PASSWORD_ROLE} password '${SECRET}'`,
    );
  await maria.sql(
    `create user ${OPERATOR}@'%' identified by '${SECRET}'; grant all on *.* to ${OPERATOR}@'%' with grant option`,
  );
}

async function fill(one: Postgres, two: Postgres, maria: MariaDb): Promise<void> {
  for (const [server, database] of [
    [one, 'shop'],
    [one, 'crm'],
    [two, 'ledger'],
  ] as const) {
    await server.create(database);
    await server.sql(
      database,
      `create role ${database}_staff noinherit; create role ${database}_clerk login password 'clerk of ${database}' in role ${database}_staff connection limit 7;
       create table mine (id int primary key, name text); insert into mine values (1, '${database}');
       alter table mine owner to ${database}_staff; grant select on mine to ${database}_clerk;
       alter database ${database} owner to ${database}_staff; alter database ${database} set statement_timeout = '5min'`,
    );
  }
  await maria.create('blog');
  await maria.sql(
    `create role readers; create user writer@'%' identified by 'of the blog'; grant readers to writer@'%';
     grant select on blog.* to readers; grant insert, update on blog.orders to writer@'%';
     create definer = writer@'%' view blog.theirs as select 1 as one`,
  );
  mkdirSync(uploads, { recursive: true });
  makeTree(uploads);
  chmodSync(place(machine, 'keys/master.key', 'the key to everything\n'), 0o400);
}

/** All of it: rows, definitions, roles with their passwords, accounts with theirs, files with owners and modes. */
async function digest(one: Postgres, two: Postgres, maria: MariaDb) {
  const roles = async (server: Postgres) =>
    server.sql(
      'postgres',
      `select rolname, rolpassword, rolcanlogin, rolinherit, rolsuper, rolconnlimit,
         array(select g.rolname::text from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = a.oid) as groups
       from pg_authid a where rolname !~ '^pg_' and rolname not in ('postgres', $1) order by 1`,
      [OPERATOR],
    );
  const database = async (server: Postgres, name: string) => ({
    contents: await server.contents(name),
    schema: await server.dump(name),
    settings: await server.sql(
      name,
      `select pg_get_userbyid(datdba) as owner, array(select unnest(setconfig) from pg_db_role_setting where setdatabase = d.oid) as settings
       from pg_database d where datname = current_database()`,
    ),
  });
  return {
    shop: await database(one, 'shop'),
    crm: await database(one, 'crm'),
    ledger: await database(two, 'ledger'),
    blog: await maria.dump('blog'),
    uploads: lookInto(uploads),
    key: [
      textOf(key),
      lookInto(join(machine, 'keys'))
        .split('\n')
        .find((line) => line.startsWith('master.key|')),
    ],
    roles: [await roles(one), await roles(two)],
    accounts: await Promise.all(
      ["writer@'%'", 'readers'].map((name) =>
        maria.sql(`show grants for ${name}`).then((rows) => rows.map((row) => Object.values(row)[0])),
      ),
    ),
  };
}

const SOURCES = ['blog', 'crm', 'ledger', 'master-key', 'shop', 'uploads'];

describe('four databases on three servers, two of PostgreSQL and one of MariaDB, a folder and a key file, all encrypted', {
  skip: missing,
}, () => {
  const text = missing ? '' : execFileSync('age-keygen', { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const identity = place(keep, 'age-identity.txt', text);
  const recipient = /age1\w+/.exec(text)?.[0] ?? '';
  let env = '';
  let before: Awaited<ReturnType<typeof digest>>;
  const run = (verb: Verb, args: readonly string[], given: Record<string, string> = {}) =>
    runVerb(verb, [...args, '--json'], given, { dotenv: env });
  const withIdentity = { BACKUP_AGE_IDENTITY_FILE: identity };

  test('are backed up, listed, kept, rehearsed and found well, each by itself', async () => {
    const { one, two, maria } = { one: servers.one.postgres, two: servers.two.postgres, maria: servers.maria.mariadb };
    await admit(one, two, maria);
    await fill(one, two, maria);
    env = dotenv(one, two, maria, recipient);
    before = await digest(one, two, maria);

    const backup = await run('backup', []);
    assert.equal(backup.code, 0, backup.stderr);
    assert.deepEqual(
      backup.json.results.map(({ source, ok }: { source: string; ok: boolean }) => [source, ok]),
      SOURCES.map((source) => [source, true]),
    );
    const list = await run('list', []);
    assert.deepEqual(
      list.json.map(({ source, encrypted }: { source: string; encrypted: boolean }) => [source, encrypted]).sort(),
      SOURCES.map((source) => [source, true]),
    );
    const cleanup = await run('cleanup', ['--dry-run']);
    assert.deepEqual([cleanup.code, cleanup.json.keep.length, cleanup.json.remove.length], [0, SOURCES.length, 0]);
    const drill = await run('drill', [], withIdentity);
    assert.equal(drill.code, 0, drill.stderr);
    assert.deepEqual(
      drill.json.results.map(({ source, ok }: { source: string; ok: boolean }) => [source, ok]),
      SOURCES.map((source) => [source, true]),
    );
    const status = await run('status', []);
    assert.equal(status.code, 0, status.stdout);
    assert.equal(status.json.sources.length, SOURCES.length);
    // nobody can read a dump without the identity
    for (const file of filesIn(storage).filter((name) => !name.endsWith('.json'))) assert.match(file, /\.age$/);
  });

  test('go on being backed up when one server is stopped: exit 1, and the message names it', async () => {
    await servers.two.postgres.stop();
    const backup = await run('backup', []);
    assert.equal(backup.code, 1);
    assert.deepEqual(
      backup.json.results.map(({ source, ok }: { source: string; ok: boolean }) => [source, ok]),
      SOURCES.map((source) => [source, source !== 'ledger']),
    );
    const { port } = servers.two.postgres;
    assert.match(
      backup.json.results[2].error,
      new RegExp(`source ledger: cannot connect to PostgreSQL at \\S+:${port}.*BACKUP_SOURCE_LEDGER`),
    );
  });

  test('come back after a disaster on new servers, roles and accounts included, from storage, .env and identity', async () => {
    await servers.one.postgres.stop();
    await servers.maria.mariadb.stop();
    rmSync(drills, { recursive: true });
    rmSync(machine, { recursive: true });
    mkdirSync(join(machine, 'data'), { recursive: true });
    mkdirSync(join(machine, 'keys'));
    const { postgres: one } = await startPostgres();
    const { postgres: two } = await startPostgres();
    const { mariadb: maria } = await startMariaDb();
    await admit(one, two, maria);
    env = dotenv(one, two, maria, recipient).replace(/^DRILL_DIR.*$/m, '');

    const list = await run('list', []);
    assert.deepEqual([...new Set(list.json.map(({ source }: { source: string }) => source))].sort(), SOURCES);
    const refused = await run('restore', ['latest', '--source', 'shop']);
    assert.equal(refused.code, 2, 'without the identity nothing is restored');
    for (const source of SOURCES) {
      const restore = await run('restore', ['latest', '--source', source], withIdentity);
      assert.equal(restore.code, 0, restore.stderr);
      assert.equal(restore.json.previousDatabase, null);
    }
    assert.deepEqual(await digest(one, two, maria), before);
    // the passwords are the old ones
    await (await one.connect('shop', 'shop_clerk', 'clerk of shop')).end();
    await (await maria.connect('blog', 'writer', 'of the blog')).end();
    const again = await run('backup', []);
    assert.equal(again.code, 0, again.stderr);
  });
});
