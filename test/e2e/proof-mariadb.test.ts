import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startMariaDb } from '../support/mariadb.ts';
import { backUpAndLoad } from '../support/proof.ts';

const { mariadb, missing } = await startMariaDb();

const MORE = `
  create table proof_rows (id int primary key, text varchar(40) default 'nobody', kind int, key by_kind (kind)) comment 'rows';
  insert into proof_rows select seq, concat('it''s ', seq, ', 😀'), seq % 3 from seq_1_to_300;
  create table proof_long (id int primary key, text longtext);
  insert into proof_long select seq, repeat('long', 600000) from seq_1_to_3;
  create table proof_heap (token varchar(10));
  insert into proof_heap select seq from seq_1_to_20;
  create view proof_marks as select id, '😀' as mark from proof_rows;
  create table proof_made (id int primary key, twice int as (id * 2) stored, hidden int invisible default 7, v int as (id + hidden) virtual);
  insert into proof_made (id, hidden) select seq, seq % 5 from seq_1_to_50;
  create table proof_old (id int primary key, v int) with system versioning;
  insert into proof_old values (1, 1), (2, 2); update proof_old set v = v + 10;
  create trigger proof_first before insert on proof_heap for each row set new.token = concat(new.token, 'a');
  create trigger proof_second before insert on proof_heap for each row set new.token = concat(new.token, 'b');
  create event proof_daily on schedule every 1 day starts '2026-01-01 00:00:00' ends '2037-01-01 00:00:00' do select 1;
  create event proof_off on schedule every 1 day starts '2026-01-01 00:00:00' disable do select 1;
  set sql_mode = 'PIPES_AS_CONCAT'; create function proof_mode() returns int deterministic return 1; set sql_mode = default;
  create table proof_float (id int primary key, f float); insert into proof_float values (1, 123456.789), (2, 0.1);
  create sequence proof_numbers start with 100 increment by 7 nocache;
  select nextval(proof_numbers);`;

/** Something that can go wrong in silence: how it is brought about and taken back, and what the proof says of it. */
const FAULTS: Readonly<Record<string, { change: string; back: string; check?: string; says: RegExp }>> = {
  'one letter of one row': {
    change: `update proof_rows set text = 'it''s 17, 😁' where id = 17`,
    back: `update proof_rows set text = 'it''s 17, 😀' where id = 17`,
    says: /^table proof_rows differs: id=17 differs in text$/,
  },
  'a row that is there twice while another is missing, so that their number is right': {
    change: `update proof_heap set token = '2' where token = '1'`,
    back: `update proof_heap set token = '1' where token = '2' limit 1`,
    says: /^table proof_heap differs: row 1 of the dump is missing or changed$/,
  },
  'a row that was lost': {
    change: 'delete from proof_rows where id = 300',
    back: `insert into proof_rows values (300, 'it''s 300, 😀', 0)`,
    says: /^table proof_rows differs \(299 rows, expected 300\): id=300 is missing or changed$/,
  },
  'every row': {
    change: 'update proof_rows set kind = kind * 100 + 1',
    back: 'update proof_rows set kind = (kind - 1) div 100',
    says: /^table proof_rows differs: id=\d+ differs in kind$/,
  },
  'a letter of a row of megabytes': {
    change: `update proof_long set text = concat(text, '.') where id = 2`,
    back: `update proof_long set text = left(text, length(text) - 1) where id = 2`,
    says: /^table proof_long differs: row 2 of the dump is missing or changed$/,
  },
  'the seventh digit of a FLOAT': {
    change: 'update proof_float set f = 123456.797 where id = 1',
    back: 'update proof_float set f = 123456.789 where id = 1',
    says: /^table proof_float differs: id=1 differs in f$/,
  },
  'where a sequence stands': {
    change: 'select nextval(proof_numbers)',
    back: 'alter sequence proof_numbers restart with 107',
    says: /^sequence proof_numbers: 114, 0, expected 107, 0$/,
  },
  'a row of a table that hides a column': {
    change: 'update proof_made set hidden = 100 where id = 1',
    back: 'update proof_made set hidden = 1 where id = 1',
    says: /^table proof_made differs: id=1 differs in hidden, v$/,
  },
  'a former version of a row that never was': {
    change: `set system_versioning_insert_history = 1; insert into proof_old (id, v, row_start, row_end) values (9, 9, '2000-01-01', '2001-01-01')`,
    back: `delete history from proof_old before system_time '2010-01-01'`,
    says: /^table proof_old differs \(5 rows, expected 4\): id=9 was not dumped$/,
  },
  'the order in which triggers fire': {
    change: `drop trigger proof_first; create trigger proof_first before insert on proof_heap for each row follows proof_second set new.token = concat(new.token, 'a')`,
    back: `drop trigger proof_first; create trigger proof_first before insert on proof_heap for each row precedes proof_second set new.token = concat(new.token, 'a')`,
    check: 'definitions',
    says: /^trigger proof_first: .*number 2.*; trigger proof_second: /,
  },
  'an event that does not run': {
    change: 'alter event proof_daily disable',
    back: 'alter event proof_daily disable on slave',
    check: 'definitions',
    says: /^event proof_daily: /,
  },
  'an event that runs and should not': {
    change: 'alter event proof_off disable on slave',
    back: 'alter event proof_off disable',
    check: 'definitions',
    says: /^event proof_off: /,
  },
  "a routine's sql_mode": {
    change: `set sql_mode = ''; create or replace function proof_mode() returns int deterministic return 1`,
    back: `set sql_mode = 'PIPES_AS_CONCAT'; create or replace function proof_mode() returns int deterministic return 1`,
    check: 'definitions',
    says: /^function proof_mode: -- sql_mode .*, expected -- sql_mode 'PIPES_AS_CONCAT'/,
  },
  "a view's definer": {
    change: `create or replace definer = nobody@nowhere view proof_marks as select id, '😀' as mark from proof_rows`,
    back: `create or replace view proof_marks as select id, '😀' as mark from proof_rows`,
    check: 'definitions',
    says: /^view proof_marks: .*nobody/,
  },
  'a default': {
    change: `alter table proof_rows alter text set default 'somebody'`,
    back: `alter table proof_rows alter text set default 'nobody'`,
    check: 'definitions',
    says: /^table proof_rows: .*'somebody'.*, expected .*'nobody'/,
  },
  "letters of a view's text": {
    change: `create or replace view proof_marks as select id, '????' as mark from proof_rows`,
    back: `create or replace view proof_marks as select id, '😀' as mark from proof_rows`,
    check: 'definitions',
    says: /^view proof_marks: .*\?\?\?\?.*, expected .*😀/,
  },
  'an index': {
    change: 'alter table proof_rows drop key by_kind',
    back: 'alter table proof_rows add key by_kind (kind)',
    check: 'definitions',
    says: /^table proof_rows: /,
  },
};

describe('the proof of content of a MariaDB restore', { skip: missing }, () => {
  test('finds nothing in what is equal, and names what is not', async (t) => {
    const database = mariadb.freshName();
    await mariadb.create(database);
    await mariadb.script(database, MORE);
    const loaded = await backUpAndLoad(mariadb.env(database));
    const { checks, tables } = await loaded.prove();
    assert.ok(tables > 3);
    assert.match(checks[0]?.detail ?? '', /^equal: \d+ tables, [\d,]+ rows$/);
    assert.deepEqual(
      checks.filter(({ ok }) => !ok),
      [],
    );
    for (const [what, fault] of Object.entries(FAULTS)) {
      await t.test(what, async () => {
        await mariadb.script(loaded.staging, fault.change);
        const { [fault.check ?? 'content']: detail = 'nothing', ...others } = await loaded.failures();
        await mariadb.script(loaded.staging, fault.back);
        assert.match(detail, fault.says);
        assert.deepEqual(others, {});
      });
    }
    await loaded.close();
  });

  test('of rows that come without their history, when they began is no difference, and what they hold is', async () => {
    const database = mariadb.freshName();
    await mariadb.create(database, 'empty');
    // a history by transaction is what no mariadb-dump writes, and then it writes none of the others
    await mariadb.script(
      database,
      `create table by_transaction (id int primary key, s bigint unsigned generated always as row start, v int, e bigint unsigned generated always as row end, period for system_time (s, e)) with system versioning;
       create table by_time (id int primary key, v int, s timestamp(6) generated always as row start invisible, e timestamp(6) generated always as row end, period for system_time (s, e)) with system versioning;
       insert into by_transaction (id, v) values (1, 1), (2, 2); update by_transaction set v = v + 1; insert into by_time (id, v) values (1, 1), (2, 2);`,
    );
    const loaded = await backUpAndLoad(mariadb.env(database));
    assert.deepEqual(await loaded.failures(), {});
    await mariadb.script(
      loaded.staging,
      'update by_transaction set v = 7 where id = 2; update by_time set v = 7 where id = 1',
    );
    const { content = '' } = await loaded.failures();
    assert.match(content, /table by_transaction differs: .*in v(;|$)/);
    assert.match(content, /table by_time differs/);
    await loaded.close();
  });

  test('what an ENUM did not take, and a SET without members, is not the member that is empty', async () => {
    const database = mariadb.freshName();
    await mariadb.create(database, 'empty');
    await mariadb.script(
      database,
      `create table chosen (id int primary key, e enum('', 'y') default 'y', plain enum('a', 'it''s'), s set('', 'q'));
       set sql_mode = ''; insert into chosen values (1, 'wrong', 'wrong', ''), (2, '', 'a', 'q'), (3, null, null, null), (4, 'y', 'it''s', 1);`,
    );
    const rows = (of: string) => mariadb.sql('select id, e + 0 as e, plain + 0 as p, s + 0 as s from chosen', [], of);
    const loaded = await backUpAndLoad(mariadb.env(database));
    assert.deepEqual(await rows(loaded.staging), await rows(database));
    assert.deepEqual(await loaded.failures(), {});
    await mariadb.script(loaded.staging, "update chosen set e = '' where id = 1");
    assert.match((await loaded.failures()).content ?? '', /^table chosen differs/);
    await mariadb.script(
      loaded.staging,
      "set sql_mode = ''; update chosen set e = 0 where id = 1; update chosen set s = 0 where id = 4",
    );
    assert.match((await loaded.failures()).content ?? '', /^table chosen differs/);
    await loaded.close();
  });
});
