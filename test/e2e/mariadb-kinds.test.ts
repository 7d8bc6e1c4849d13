import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { done, type Environment, runVerb } from '../support/verbs.ts';

const { mariadb, missing } = await startMariaDb(['--event-scheduler=OFF']);
/** Another one, as it was installed. */
const { mariadb: bare } = await startMariaDb();

const LONG = 'ä'.repeat(30) + 'n'.repeat(34);

/** What real databases have and examples do not, by kind. */
const KINDS: Readonly<Record<string, string>> = {
  'bits, bytes, spaces and zero dates': `
    set sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
    create table bits (id int auto_increment primary key, b1 bit(1), b64 bit(64), bin binary(5), vb varbinary(20), bl blob, e enum('', 'a,b', 'it''s'), s set('x', 'y'));
    insert into bits values (0, b'1', 0xffffffffffffffff, 0x00ff27220a, 0x5c5c, 0x1a0d0a27, '', 'x,y'), (-5, null, 0, 'a', '', '', 'a,b', '');
    create table dates (id int primary key, d date, t datetime(6), ts timestamp(3) null default '0000-00-00', y year, h time(6));
    insert into dates values (1, '0000-00-00', '2026-00-00', 0, 0, '-838:59:59.999999'), (2, '9999-12-31', '1000-01-01 00:00:00.000001', '1970-01-01 00:00:01.001', 1901, '00:00:00');`,
  'types of newer servers': `
    create table newer (u uuid primary key default uuid(), a inet6, b inet4, j json, g geometry, p point ref_system_id=4326 not null, de decimal(65,30), f float, dd double, spatial index (p));
    insert into newer (u, a, b, j, g, p, de, f, dd) values ('00000000-0000-0000-0000-00000000ffff', '::ffff:1.2.3.4', '1.2.3.4', '{"k": "\\\\u00e9\\\\n"}', st_geomfromtext('geometrycollection(point(1 1),linestring(0 0,1 1))'), st_geomfromtext('point(1 2)', 4326), 0.000000000000000000000000000001, 1.17549435e-38, 2.2250738585072014e-308);`,
  'hidden, generated and period columns': `
    create table made (id int primary key, hidden int invisible default 7, sum int as (id + hidden) virtual, kept varchar(40) as (concat(id, '-', hidden)) persistent, key (sum), unique (kept));
    insert into made (id, hidden) select seq, seq % 3 from seq_1_to_20;
    create table booked (room int, s date, e date, period for stay (s, e), primary key (room, stay without overlaps));
    insert into booked values (1, '2026-01-01', '2026-02-01'), (1, '2026-02-01', '2026-03-01');
    create table priced (id int primary key, cents int without system versioning, name varchar(9)) with system versioning;
    insert into priced values (1, 1, 'a'); update priced set name = 'b';`,
  'sequences at their ends, numbers at their most': `
    create sequence down start with -5 increment by -3 minvalue -11 maxvalue -2 cycle nocache; do nextval(down); do nextval(down);
    create sequence spent start with 1 maxvalue 2 nocycle; do nextval(spent); do nextval(spent);
    create table tiny (id tinyint unsigned auto_increment primary key, v int) auto_increment = 255; insert into tiny values (null, 1);
    create table big (id bigint unsigned auto_increment primary key); insert into big values (18446744073709551614);
    create table numbered (id int primary key default (nextval(down)), v int); insert into numbered (v) values (1);`,
  'names that are words, long, or hold anything': `
    create table \`select\` (\`from\` int primary key, \`a b\` int, \`c\`\`d\` int, \`e.f\` int, \`g'h\` int, \`i"j\` int, \`$k\` int, \`;--\` int, key \`order\` (\`a b\`));
    insert into \`select\` values (1, 2, 3, 4, 5, 6, 7, 8);
    create table \`${LONG}\` (\`${LONG}\` int primary key, constraint \`${LONG}\` check (\`${LONG}\` > 0)); insert into \`${LONG}\` values (1);
    create view \`group\` as select \`from\` as \`where\`, \`c\`\`d\` from \`select\`;
    create trigger \`${LONG.slice(0, 60)}_tr\` before insert on \`${LONG}\` for each row set new.\`${LONG}\` = new.\`${LONG}\`;`,
  'texts that other modes wrote, and in other character sets': `
    create table latin (id int primary key, t varchar(40)) character set latin1; insert into latin values (1, 'café € ÿ'), (2, 0x81);
    create table sjis (t varchar(20)) character set sjis; insert into sjis values (_utf8mb4'表示ソ');
    create table utf16 (t varchar(20)) character set utf16 collate utf16_bin; insert into utf16 values (_utf8mb4'😀');
    create table bytes (t varchar(20)) character set binary; insert into bytes values (0x80ff00);
    set sql_mode = 'NO_BACKSLASH_ESCAPES'; insert into latin values (3, 'a\\\\nb\\\\'); create view slash as select 'a\\\\b' as x;
    create function slash_f() returns varchar(9) deterministic return 'a\\\\b';
    set sql_mode = 'ANSI_QUOTES'; create procedure quoted() select "id" from "latin" where "t" <> 'x"y';
    create trigger latin_t before insert on latin for each row set new."t" = concat(new."t", '"');
    set sql_mode = 'ORACLE';
    delimiter //
    create or replace package pack as function one return int; procedure two(a out int); end//
    create or replace package body pack as v int := 5; function one return int as begin return v; end; procedure two(a out int) as begin a := v; end; end//
    delimiter ;
    set sql_mode = default;`,
  'triggers in their order, and events that end': `
    create table fired (id int primary key, what varchar(99) default '');
    create trigger t1 before insert on fired for each row set new.what = concat(new.what, '1');
    create trigger t2 before insert on fired for each row precedes t1 set new.what = concat(new.what, '2');
    create trigger t3 before insert on fired for each row follows t2 set new.what = concat(new.what, '3');
    create event ends_later on schedule every 2 hour starts '2026-01-01 00:00:00' ends '2037-01-01 00:00:00' on completion preserve comment 'it''s' do insert into fired values (1, '');
    create event once on schedule at '2037-01-01 00:00:00' do delete from fired;
    set time_zone = '+03:00'; create event elsewhere on schedule every 1 day starts '2026-06-01 03:00:00' disable do select 1; set time_zone = default;`,
  'dates that no calendar has, views of sequences, and line breaks in names': `
    set sql_mode = 'ALLOW_INVALID_DATES'; create table undated (id int primary key, d date default '2021-02-31', t datetime); insert into undated values (1, '2021-02-31', '2021-04-31 01:02:03'), (2, default, '2020-00-00 00:00:00'); set sql_mode = default;
    create sequence numbers; create view numbering as select nextval(numbers) as n, lastval(numbers) as l;
    create table broken (\`a\nb\` int primary key); create view \`v\nw\` as select \`a\nb\` as \`c\n d\`, 'x  y' as t from broken;`,
  'engines, partitions and options of tables': `
    create table aria (id int primary key, t text, fulltext (t)) engine = Aria transactional = 1; insert into aria values (1, 'hello world');
    create table isam (id int auto_increment, k int, primary key (k, id)) engine = MyISAM; insert into isam (k) values (1), (1), (2);
    create table mem (id int primary key) engine = MEMORY; insert into mem values (1), (2);
    create table csv (id int not null, t varchar(20) not null) engine = CSV; insert into csv values (1, 'a,"b'), (2, 'x\\ny');
    create table m1 (id int) engine = MyISAM; create table m2 (id int) engine = MyISAM; insert into m1 values (1); create table m (id int) engine = MERGE union = (m1, m2) insert_method = last;
    create table listed (id int, k varchar(9)) partition by list columns (k) (partition a values in ('x', 'y'), partition rest default); insert into listed values (1, 'x'), (2, 'z');
    create table ranged (id int, at datetime) partition by range (to_days(at)) subpartition by hash (id) subpartitions 2 (partition p0 values less than (to_days('2026-01-01')), partition p1 values less than maxvalue); insert into ranged values (1, '2025-01-01'), (2, '2026-06-01');
    create table packed (id int primary key, t text compressed, v varchar(300), key (v desc), key off (v) ignored) row_format = compressed comment 'it''s; a "comment"'; insert into packed values (1, repeat('x', 5000), 'y');`,
};

async function made(sql: string, more = '') {
  const database = mariadb.freshName();
  await mariadb.create(database, 'empty');
  await mariadb.script(database, sql);
  const folder = temporaryFolder();
  chmodSync(folder, 0o755);
  const env: Environment = { ...mariadb.env(database, more), BACKUP_DIR: folder, DRILL_DIR: folder };
  const does = async (verb: Parameters<typeof runVerb>[0], ...args: string[]) => {
    const { stderr } = await done(verb, args, env);
    return stderr;
  };
  return { database, env, does };
}

describe('what real MariaDB databases have', { skip: missing, concurrency: 2 }, () => {
  for (const [kind, sql] of Object.entries(KINDS)) {
    test(`${kind}: rehearsed, restored, made on nothing, undone`, async () => {
      const { database, does } = await made(sql);
      // a trigger's head is written anew, with the quotes of its mode
      const dumped = async () =>
        (await mariadb.dump(database)).replaceAll(/(trigger .* on )"(\w+)"(?= for each row)/gi, '$1$2');
      const before = await dumped();
      await does('backup');
      await does('drill');
      await mariadb.sql(`create table since (x int)`, undefined, database);
      const later = await dumped();
      await does('restore', 'latest', '--compare');
      assert.equal(await dumped(), before);
      await does('restore', '--undo');
      assert.equal(await dumped(), later);
      await mariadb.sql(`drop database ${database}`);
      await does('restore', 'latest');
      assert.equal(await dumped(), before);
    });
  }

  test('code made under another collation than the database has now keeps it, also over a database whose own was changed', async () => {
    const { database, does } = await made(
      'create function before_it(x varchar(9)) returns int deterministic return x = "a"; create table t (id int primary key)',
    );
    await mariadb.sql(
      `alter database ${database} comment 'the shop''s' collate utf8mb4_bin; create function ${database}.after_it(x varchar(9)) returns int deterministic return x = 'a';
       create trigger ${database}.tr before insert on ${database}.t for each row set new.id = new.id;
       alter database ${database} character set latin1 collate latin1_german1_ci`,
    );
    const collations = () =>
      mariadb.sql(
        `select routine_name as name, database_collation as own from information_schema.routines where routine_schema = ?
         union select trigger_name, database_collation from information_schema.triggers where trigger_schema = ? order by 1`,
        [database, database],
      );
    const database_ = async () =>
      (await mariadb.sql(`show create database ${database}`))[0]['Create Database'] as string;
    const [before, own] = [await collations(), await database_()];
    assert.equal(new Set(before.map((row) => row.own)).size, 2);
    await does('backup');
    await does('drill');
    await mariadb.sql(`alter database ${database} character set utf8mb4 collate utf8mb4_general_ci`);
    await does('restore', 'latest');
    assert.deepEqual(await collations(), before);
    assert.match(await database_(), /utf8mb4_general_ci.*COMMENT 'the shop''s'/);
    await mariadb.sql(`drop database ${database}`);
    await does('restore', 'latest');
    assert.deepEqual(await collations(), before);
    assert.equal(await database_(), own);
  });

  test('accounts of many kinds are rehearsed, and one that a server will not take fails the drill and the restore', async () => {
    const { database, env, does } = await made(
      'create table t (id int primary key, secret int); create procedure p() select 1; create procedure q() select 2',
    );
    const name = (which: string) => `${which}_${database}`;
    const [plain, tls, role, other] = [name('a'), name('b'), name('r'), name('s')];
    await mariadb.sql(
      `create role ${role}; create role ${other} with admin ${role}; create user ${plain}@'10.%' identified by 'x' with max_user_connections 3 account lock password expire;
       create user ${tls}@localhost identified via unix_socket or mysql_native_password using password('y') require x509;
       grant select (id), insert (id) on ${database}.t to ${plain}@'10.%' with grant option; grant ${role} to ${tls}@localhost with admin option;
       set default role ${role} for ${tls}@localhost; grant all on ${database}.* to ${role};
       grant execute on procedure ${database}.p to ${plain}@'10.%' with grant option; grant execute, alter routine on procedure ${database}.q to ${role}; grant create temporary tables on ${database}.* to ${tls}@localhost`,
    );
    const all = async () =>
      Promise.all(
        [`${plain}@'10.%'`, `${tls}@localhost`, role].map(async (account) =>
          (await mariadb.sql(`show grants for ${account}`)).map((row) => Object.values(row)[0]),
        ),
      );
    const before = await all();
    await does('backup');
    const drill = await done('drill', ['--json'], env);
    assert.match(drill.stdout, /owner, grants and settings",\s*"ok": true/);
    // over the live one, they stay
    await does('restore', 'latest');
    assert.deepEqual(await all(), before);
    await does('restore', '--undo');
    assert.deepEqual(await all(), before);
    await mariadb.sql(`drop user ${plain}@'10.%', ${tls}@localhost; drop role ${other}; drop role ${role}`);
    await mariadb.sql(`drop database ${database}`);
    await does('restore', 'latest');
    assert.deepEqual(await all(), before);
  });

  test('a FLOAT comes back to its last bit, with and without a key, and with its history', async () => {
    const numbers = `select ceil(seq / 2), (rand(seq) - 0.5) * pow(10, cast(seq as signed) % 76 - 37) from seq_1_to_2000
      union all values (0, 123456.789), (0, 0.1), (0, -0e0), (0, 1e-45), (0, 3.4028234e38), (0, 16777217), (0, null)`;
    const { database, does } = await made(
      `create table keyed (n int auto_increment primary key, id int, f float not null default 0.1, d double, fixed float(7,2), made float as (f / 7) virtual, kept float as (f / 3) persistent, key (f));
       insert into keyed (id, f, d, fixed) select a, coalesce(b, 0), b, round(rand(a) * 99999, 2) from (select 1 a, 1e0 b union all ${numbers}) x;
       create table loose (id int, \`a \`\`b FROM x\` float, z float unsigned zerofill); insert into loose (id, \`a \`\`b FROM x\`, z) select *, 1234567 from (${numbers}) x;
       create table old (id int primary key, f float) with system versioning; insert into old values (1, 123456.789); update old set f = 123456.797;
       create view seen as select f from keyed`,
    );
    const values = async () => [
      await mariadb.sql(
        `select id, cast(f as double) as f, d, fixed, cast(made as double) as made, cast(kept as double) as kept from ${database}.keyed order by n`,
      ),
      await mariadb.sql(
        `select id, cast(\`a \`\`b FROM x\` as double) as f, cast(z as double) as z from ${database}.loose order by id, f`,
      ),
      await mariadb.sql(`select cast(f as double) as f from ${database}.old for system_time all order by f`),
    ];
    const before = await values();
    assert.deepEqual(before[2], [{ f: 123456.7890625 }, { f: 123456.796875 }]);
    assert.doesNotMatch(await does('backup'), /FLOAT/);
    await does('drill');
    await does('restore', 'latest', '--compare');
    assert.deepEqual(await values(), before);
  });

  test('a text whose bytes are no letters of Unicode, or those of another one too, comes back byte for byte', async () => {
    const { database, does } = await made(
      `create table texts (id int primary key, t varchar(20) character set cp1251, j text character set cp932, c char(5) character set greek, s varchar(9) character set sjis, ok varchar(9) character set koi8r);
       insert into texts values (1, x'd098d099', x'879a81e6', x'd2', x'f040', 'ж'), (2, '', null, 'ab', '', ''), (3, 'Ж''\\\\', 'ソ', 'α', '表', null);
       create table plain (id int primary key, t varchar(20) character set cp1251); insert into plain values (1, 'ж');
       create table old (t varchar(9) character set cp1250) with system versioning; insert into old values (x'c381'); update old set t = 'x';`,
    );
    const bytes = async () => [
      await mariadb.sql(`select id, hex(t), hex(j), hex(c), hex(s), hex(ok) from ${database}.texts order by id`),
      await mariadb.sql(`select hex(t) as t from ${database}.old for system_time all order by 1`),
    ];
    const before = await bytes();
    assert.deepEqual(before[1], [{ t: '78' }, { t: 'C381' }]);
    await does('backup');
    await does('drill');
    await does('restore', 'latest', '--compare');
    assert.deepEqual(await bytes(), before);
  });

  test('events and columns that go by time zones of a name are rehearsed, and refused by a server that knows none', async () => {
    const zone = ['/usr/share/zoneinfo/Europe/Berlin', 'Europe/Berlin'];
    await mariadb.script('mysql', execFileSync('mariadb-tzinfo-to-sql', zone, { encoding: 'utf8' }));
    const { database, env, does } = await made(
      `set time_zone = 'Europe/Berlin'; create event nightly on schedule every 1 day starts '2026-07-01 02:30:00' disable do select 1; set time_zone = default;
       create table t (id int primary key, at datetime, there datetime as (convert_tz(at, '+00:00', 'Europe/Berlin')) persistent); insert into t (id, at) values (1, '2026-07-01 00:00:00')`,
    );
    await does('backup');
    assert.match(await does('drill'), /equal: 1 table, 1 row/);
    const refused = await runVerb('restore', ['latest'], { ...env, ...bare.env(database) });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /knows no time zones by name.*Europe\/Berlin[\s\S]*mariadb-tzinfo-to-sql/);
  });

  test('a trigger of a column that is gone, and rows that no constraint would let in, keep nobody from the data tonight', async () => {
    const { database, env, does } = await made(
      `create table parents (id int primary key); create table t (id int primary key, gone int, extra json, parent int, n int, constraint mine foreign key (parent) references parents (id), constraint positive check (n > 0));
       create trigger good after insert on t for each row set @a = 1; create trigger other before insert on t for each row set @b = 1;
       create function f() returns int deterministic return 1; create view v as select f() as one; create event e on schedule every 1 day starts '2026-01-01' do select 1;
       set foreign_key_checks = 0, check_constraint_checks = 0; insert into parents values (1);
       insert into t (id, extra, parent, n) values (1, '{}', 1, 1), (2, 'no json', 99, -5), (3, null, null, -6);
       create trigger broken before insert on t for each row precedes other set new.gone = 1; alter table t drop column gone`,
    );
    const rows = () => mariadb.sql(`select id, cast(extra as char) as extra, parent, n from ${database}.t order by id`);
    const before = await rows();
    await does('backup');
    const refused = await runVerb('restore', ['latest'], { ...env, ...bare.env(database) });
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /gone.*next: [^\n]*--without-broken/s);
    await mariadb.sql(`drop trigger ${database}.broken; delete from ${database}.t`);
    const restored = await runVerb('restore', ['latest', '--without-broken', '--compare', '--json'], env);
    assert.equal(restored.code, 0, restored.stderr);
    assert.deepEqual(await rows(), before);
    const told = restored.json.missing.join('\n');
    assert.match(told, /^the trigger broken is left out: Unknown column/m);
    assert.match(told, /^the CHECK extra of table t holds for rows from now on alone: 1 row does not hold to it/m);
    assert.match(told, /^the CHECK positive of table t [^\n]*2 rows/m);
    assert.match(told, /^the foreign key mine of table t [^\n]*1 row/m);
    assert.equal(restored.json.missing.length, 4, told);
    const code = await mariadb.sql(
      'select trigger_name as name from information_schema.triggers where trigger_schema = ? union select routine_name from information_schema.routines where routine_schema = ? union select event_name from information_schema.events where event_schema = ? union select table_name from information_schema.views where table_schema = ? order by 1',
      [database, database, database, database],
    );
    assert.deepEqual(
      code.map(({ name }) => name),
      ['e', 'f', 'good', 'other', 'v'],
    );
  });
});
