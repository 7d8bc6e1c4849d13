import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { done, runVerb } from '../support/verbs.ts';

/** A server whose sessions are given what nobody who restores would choose. */
const { mariadb, missing } = await startMariaDb([
  '--skip-character-set-client-handshake',
  '--character-set-server=utf8mb3',
  '--innodb-force-primary-key=ON',
]);

/** And one whose own letters are few, and that gives every client these. */
const { mariadb: latin } = await startMariaDb([
  '--skip-character-set-client-handshake',
  '--character-set-server=latin1',
]);

const DATA = `set names utf8mb4;
create table \`Größe\` (id int primary key, note varchar(200), key (note)) charset utf8mb4;
insert into \`Größe\` select seq, concat('é🎉 ', md5(seq), repeat('x', 60)) from seq_1_to_50000;
create view v as select id, 'é🎉' as letters from \`Größe\`;
create procedure p() select 'ü🎉';
create table was_let_in (id int primary key, extra json, at timestamp not null, zero timestamp not null default 0);
set check_constraint_checks = 0; insert into was_let_in values (1, 'no json', now(), 0);
set innodb_strict_mode = 0;
create table wide (id int primary key, ${Array.from({ length: 200 }, (_, i) => `c${i} varchar(60)`).join(', ')}) row_format = compact charset utf8mb4;
insert into wide (id, c1) values (1, 'x');`;

const HOSTILE = `set global max_statement_time = 0.05, global wait_timeout = 2, global interactive_timeout = 2,
  global idle_transaction_timeout = 2, global autocommit = 0, global tx_read_only = 1, global sql_safe_updates = 1,
  global time_zone = '+09:00', global completion_type = 'RELEASE', global foreign_key_checks = 0,
  global explicit_defaults_for_timestamp = 0, global sql_quote_show_create = 0, global old_mode = '',
  global sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES,TRADITIONAL', global lock_wait_timeout = 1, global net_read_timeout = 2`;

const USUAL = HOSTILE.replaceAll(/global (\w+) = ('[^']*'|[\d.]+)/g, 'global $1 = default');

async function shop() {
  const database = mariadb.freshName();
  await mariadb.create(database, 'empty');
  await mariadb.script(database, DATA);
  const folder = temporaryFolder();
  chmodSync(folder, 0o755);
  return { database, env: { ...mariadb.env(database), BACKUP_DIR: folder, DRILL_DIR: folder } };
}

describe('whatever a server gives to every session', { skip: missing }, () => {
  test('a backup, a drill, a restore and an undo are what they are elsewhere', async () => {
    const { database, env } = await shop();
    const before = await mariadb.dump(database);
    // it does not heed whose character set the client has, and so this session says it
    await mariadb.sql(HOSTILE);
    try {
      await done('backup', [], env);
      await done('drill', [], env);
      await done('restore', ['latest'], env);
      await mariadb.sql(USUAL);
      assert.equal(await mariadb.dump(database), before);
      await mariadb.sql(HOSTILE);
      await done('restore', ['--undo'], env);
    } finally {
      await mariadb.sql(USUAL);
    }
    assert.equal(await mariadb.dump(database), before);
  });

  for (const [variable, value] of [
    ['sql_select_limit', '100'],
    ['system_versioning_asof', "'2020-01-01 00:00:00'"],
  ] as const) {
    test(`a backup is whole all the same, though ${variable} leaves rows out for everybody else`, async () => {
      const { database, env } = await shop();
      await mariadb.script(
        database,
        'create table old (id int primary key, v int) with system versioning; insert into old values (1, 1); update old set v = 2',
      );
      const before = await mariadb.dump(database);
      await mariadb.sql(`set global ${variable} = ${value}`);
      try {
        for (const [verb, ...words] of [['backup'], ['drill'], ['restore', 'latest']] as const) {
          const { code, stderr } = await runVerb(verb, words, env);
          assert.equal(code, 0, stderr);
        }
      } finally {
        await mariadb.sql(`set global ${variable} = default`);
      }
      assert.equal(await mariadb.dump(database), before);
    });
  }

  for (const [variable, value] of [
    ['innodb_compression_default', '1'],
    ['enforce_storage_engine', 'MyISAM'],
  ] as const) {
    test(`tables come back as they were, though ${variable} makes everybody else's otherwise`, async () => {
      const { database, env } = await shop();
      await mariadb.script(
        database,
        'create table parent (id int primary key) engine = InnoDB; create table child (id int primary key, parent int references parent (id)) engine = InnoDB; create table apart (id int primary key) engine = Aria',
      );
      const before = await mariadb.dump(database);
      await done('backup', [], env);
      await mariadb.sql(`set global ${variable} = ${value}`);
      try {
        await done('drill', [], env);
        await done('restore', ['latest'], env);
      } finally {
        await mariadb.sql(`set global ${variable} = default`);
      }
      assert.equal(await mariadb.dump(database), before);
    });
  }

  test('a user who may not say otherwise is told what a server enforces, and is given no InnoDB table in another engine', async () => {
    const { database, env } = await shop();
    await mariadb.script(
      database,
      'drop procedure p; create table loose (id int primary key) engine = MyISAM; insert into loose values (1)',
    );
    const user = `app_${database}`;
    await mariadb.script(
      database,
      `create user ${user}@'%' identified by 'x'; grant all on *.* to ${user}@'%'; revoke super on *.* from ${user}@'%'`,
    );
    const url = (mariadb.env(database).BACKUP_SOURCE_SHOP ?? '').replace(/\/\/[^@]+@/, `//${user}@`);
    const as = { ...env, BACKUP_SOURCE_SHOP: url, BACKUP_SOURCE_SHOP_PASSWORD: 'x' };
    await done('backup', [], env);
    try {
      await mariadb.sql('set global enforce_storage_engine = InnoDB');
      const told = await runVerb('restore', ['latest', '--to', `${database}_told`], as);
      assert.equal(told.code, 0, told.stderr);
      assert.match(told.stderr, /every table of this user in InnoDB \(enforce_storage_engine\).*: loose \(MyISAM\)/);
      await mariadb.sql('set global enforce_storage_engine = Aria');
      const refused = await runVerb('restore', ['latest'], as);
      assert.equal(refused.code, 1, refused.stderr);
      assert.match(refused.stderr, /enforce_storage_engine made tables of InnoDB in Aria, .*: .*was_let_in/);
    } finally {
      await mariadb.sql('set global enforce_storage_engine = default');
    }
  });

  test('a row that is longer in a dump than the server takes comes back, and the limit is what it was', async () => {
    const { database, env } = await shop();
    await mariadb.sql(
      "create table files (id int primary key, body longblob); insert into files values (1, repeat(unhex('00ff5c0a'), 2500000))",
      undefined,
      database,
    );
    await done('backup', [], env);
    const limit = async () => (await mariadb.sql('select @@global.max_allowed_packet as n'))[0].n;
    const before = await limit();
    await done('restore', ['latest'], env);
    assert.deepEqual(await mariadb.sql('select length(body) as n from files', undefined, database), [
      { n: 10_000_000 },
    ]);
    assert.equal(await limit(), before);
  });

  test('names and letters beyond what the server gives every client come back', async () => {
    const database = latin.freshName();
    await latin.sql(`create database ${database} character set utf8mb4`);
    await latin.script(
      database,
      "set names utf8mb4; create table `漢字 Größe` (`naïve` text, id int primary key) charset utf8mb4; insert into `漢字 Größe` values ('🎉 é', 1); create view `ž` as select '🎉' as x; create procedure `ł`() select 'ü🎉'",
    );
    const found = async () => {
      const connection = await latin.connect(database);
      await connection.query('set names utf8mb4');
      const tables = await connection.query('show tables');
      const rows = await connection.query(
        'select hex(`naïve`) as letters, (select hex(x) from `ž`) as x from `漢字 Größe`',
      );
      const code = await connection.query(
        'select hex(routine_definition) as body, routine_name from information_schema.routines where routine_schema = database()',
      );
      await connection.end();
      return [tables, rows, code];
    };
    const before = await found();
    const folder = temporaryFolder();
    chmodSync(folder, 0o755);
    const env = { ...latin.env(database), BACKUP_DIR: folder, DRILL_DIR: folder };
    for (const [verb, ...words] of [['backup'], ['drill'], ['restore', 'latest', '--compare']] as const) {
      const { code, stderr } = await runVerb(verb, words, env);
      assert.equal(code, 0, stderr);
    }
    assert.deepEqual(await found(), before);
  });
});
