import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { findPrograms } from '../../scripts/lib/engines/postgres/server/programs.ts';
import { backUp } from '../support/backups.ts';
import { temporaryFolder } from '../support/folders.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { done, runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();
const { postgres: another } = await startPostgres();

/** What PostgreSQL's own tools write of a cluster's roles, and of the database as a whole. */
async function belongings(server: Postgres, database: string, roles: RegExp): Promise<string[]> {
  const [dumpall, dump] = await Promise.all(['pg_dumpall', 'pg_dump'].map((name) => findPrograms(name)));
  const env = { ...process.env, PGHOST: server.host, PGPORT: String(server.port), PGUSER: server.user };
  const run = (path: string | undefined, args: string[]) => execFileSync(path ?? '', args, { env, encoding: 'utf8' });
  const cluster = run(dumpall?.[0]?.path, ['--globals-only']).split(/;\n/);
  const whole = run(dump?.[0]?.path, ['--create', '--section=pre-data', database]).split(/;\n/);
  return [...cluster, ...whole]
    .map((statement) => statement.replaceAll(/^(--.*|\\.*|SET .*)?\n/gm, '').trim())
    .filter((statement) => roles.test(statement) || / DATABASE /.test(statement))
    .filter((statement) => / (ROLE|DATABASE|PARAMETER) |^GRANT \w+ TO /.test(statement))
    .sort();
}

function envOf(database: string, folder: string, server = postgres) {
  return { ...server.env(database), BACKUP_DIR: folder };
}

describe('what belongs to a database as a whole', { skip: missing, concurrency: 3 }, () => {
  test('comes back on a new server as pg_dumpall and pg_dump --create write it: roles, memberships, grants by others, settings, flags', async () => {
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    await postgres.sql(
      'postgres',
      `create role all_owner; create role all_readers; create role all_staff noinherit connection limit 3; create role "all_Mälzer" login;
       create role all_alice login password 'a' valid until '2031-06-05 00:00:00+00'; create role all_batch login; create role all_deputy;
       create role all_chief; create role all_nobody;
       grant all_readers to all_alice; grant all_staff to all_readers with admin option; grant pg_monitor to all_staff;
       comment on role all_owner is 'owns it, and nothing else';
       alter role all_alice set work_mem = '8MB'; alter role all_batch in database ${database} set work_mem = '64MB';
       alter database ${database} owner to all_owner;
       alter database ${database} set timezone = 'Asia/Tokyo'; alter database ${database} set datestyle = 'SQL, DMY';
       alter database ${database} set "all.note" = 'it''s "so", a:b \\c';
       comment on database ${database} is E'mine\\nand :nobody''s';
       revoke all on database ${database} from public;
       grant connect on database ${database} to "all_Mälzer";
       grant connect, temporary on database ${database} to all_deputy with grant option;
       set role all_deputy; grant connect on database ${database} to all_chief with grant option; reset role;
       set role all_chief; grant connect on database ${database} to all_readers; reset role;
       revoke create on database ${database} from all_owner;
       alter database ${database} connection limit 17; alter database ${database} is_template true`,
    );
    if (Number.parseInt(postgres.version, 10) >= 15)
      await postgres.sql(
        'postgres',
        'grant set, alter system on parameter log_statement to all_owner with grant option',
      );
    await postgres.sql(database, 'create table t (id int primary key); grant select on t to all_readers');
    const before = await belongings(postgres, database, /all_(?!nobody)/);
    assert.ok(before.length > 25, before.join('\n'));

    const folder = temporaryFolder();
    const { key } = await backUp(envOf(database, folder));
    await done('drill', [], envOf(database, folder));
    await done('restore', [key], envOf(database, folder, another));
    assert.deepEqual(await belongings(another, database, /all_/), before);

    // and the live one hands on what it has
    await postgres.sql(
      'postgres',
      `grant temporary on database ${database} to all_chief; alter database ${database} reset timezone`,
    );
    const live = await belongings(postgres, database, /all_(?!nobody)/);
    await done('restore', [key], envOf(database, folder));
    assert.deepEqual(await belongings(postgres, database, /all_(?!nobody)/), live);
  });

  test('a user who may not give the owner says so with exit code 1, and nobody else can get in', async () => {
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    await postgres.sql(
      'postgres',
      `create role own_boss; create role own_app; alter database ${database} owner to own_boss;
       revoke connect on database ${database} from public; grant connect on database ${database} to own_app;`,
    );
    const folder = temporaryFolder();
    const { key } = await backUp(envOf(database, folder));
    await another.sql(
      'postgres',
      'create role own_boss; create role own_app; create role own_restorer login createdb; grant own_app to own_restorer',
    );
    const env = { ...envOf(database, folder, another), POSTGRES_USER: 'own_restorer' };
    const restore = await runVerb('restore', [key, '--json'], env);
    assert.equal(restore.code, 1, restore.stderr);
    assert.match(
      restore.stderr,
      new RegExp(`not as it was, give it yourself: alter database "${database}" owner to "own_boss"`),
    );
    assert.match(restore.json.ungiven.join(), /owner to "own_boss"/);
    const [row] = await another.sql(
      'postgres',
      `select has_database_privilege('own_app', $1, 'connect') as app, has_database_privilege('public', $1, 'connect') as public`,
      [database],
    );
    assert.deepEqual(row, { app: true, public: false });
  });

  test('one who only belongs to a role is made where the database is lost, and not beside a live one', async () => {
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    await postgres.sql(
      'postgres',
      'create role gone_readers; create role gone_alice login; grant gone_readers to gone_alice',
    );
    await postgres.sql(database, 'create table t (id int primary key); grant select on t to gone_readers');
    const folder = temporaryFolder();
    const { key } = await backUp(envOf(database, folder));
    const alice = async () =>
      (await postgres.sql('postgres', "select from pg_roles where rolname = 'gone_alice'")).length;

    await postgres.sql('postgres', 'drop role gone_alice');
    await done('restore', [key], envOf(database, folder));
    assert.equal(await alice(), 0);
    await postgres.sql('postgres', `drop database ${database} with (force)`);
    await done('restore', [key], envOf(database, folder));
    assert.equal(await alice(), 1);
  });

  test('names of roles in a database that is not UTF8 are those that the server knows', async () => {
    const database = postgres.freshName();
    await postgres.sql('postgres', 'create role "names_jürgen"');
    await postgres.sql(
      'postgres',
      `create database ${database} template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' owner "names_jürgen"`,
    );
    await postgres.sql('postgres', `comment on database ${database} is 'Bücher'`);
    // which shows the letters of a UTF8 database as its own
    await postgres.sql(database, 'create table t (id int primary key); alter table t owner to "names_jÃ¼rgen"');
    const folder = temporaryFolder();
    const { key } = await backUp(envOf(database, folder));
    await done('restore', [key], envOf(database, folder, another));
    const rows = await another.sql(
      'postgres',
      "select pg_get_userbyid(datdba) as owner, shobj_description(oid, 'pg_database') as comment from pg_database where datname = $1",
      [database],
    );
    assert.deepEqual(rows, [{ owner: 'names_jürgen', comment: 'Bücher' }]);
  });
});
