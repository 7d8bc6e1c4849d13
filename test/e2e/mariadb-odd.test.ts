import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { backUpAndLoad } from '../support/proof.ts';
import { runVerb } from '../support/verbs.ts';

const { mariadb, missing } = await startMariaDb(['--event-scheduler=OFF']);

/** What a dump, its readers and a swap could trip over; each has a table `t` with a row of the key 1. */
const ODD: Readonly<Record<string, string>> = {
  'letters whose second byte is a backslash or a quote, and bytes that no letter is': `
    create table t (id int primary key, g varchar(20) character set gbk, b varchar(20) character set big5, u varchar(20) character set ucs2, w varchar(20) character set utf32, o varchar(20) character set utf8mb3, c varchar(20) character set cp932, k varchar(20) character set koi8r);
    insert into t values (1, x'b35c', x'a55c', '漢', '😀', '漢', x'955c', 'ж'), (2, _gbk x'd5e45c27', 'x', x'005c0027', 'y', 'é', '\\\\', '''');
    create table invalid (id int primary key, l varchar(20) character set latin1, a varchar(20) character set ascii, s varchar(20) character set binary);
    insert into invalid values (1, x'818d8f9d', x'7f', x'c328a0a1'), (2, x'00', x'00', x'00');
    create table u (id int primary key, k enum('ä', '漢', '''', '\\\\') character set utf8mb4, v set('ü,', 'b') ) collate utf8mb4_bin;`.replace(
    "v set('ü,', 'b')",
    "v set('ü', 'b')",
  ),
  'texts that look like a dump': `
    create table t (id int primary key, v text, w varchar(99) default ';;\\nDELIMITER ;\\nUNLOCK TABLES;\\n') comment 'DELIMITER ;;\\n''(1),';
    insert into t values (1, '\\nUNLOCK TABLES;\\nINSERT INTO \`t\` VALUES\\n(1,''x'');\\n', default), (2, ') VALUES (', '-- Dump completed on 2026-01-01  0:00:00\\n'), (3, '/*!50003 CREATE*/ /*!50003 TRIGGER', '(3,');
    delimiter //
    create procedure p() comment 'CREATE DATABASE x;' begin select '
DELIMITER ;
USE elsewhere;
CREATE DATABASE gone;
LOCK TABLES \`t\` WRITE;
(1,2),
UNLOCK TABLES;
DELIMITER ;;
', ';;' ; /* ;; */ end//
    create trigger tr before insert on t for each row begin set @x = '
DELIMITER ;
'; end//
    create event e on schedule every 1 day starts '2026-01-01' do begin set @x = '
DELIMITER ;
'; end//
    create view v as select 'a
  b  
USE x; /*! */' as said, '*/' as ends from t//
    delimiter ;`,
  'names that hold everything': `
    create table t (id int primary key, \`%s\` int, \`\\\\n\` int, \`'"\` int, \` VALUES (\` int); insert into t values (1, 2, 3, 4, 5);
    create table \`a/b.c%d #mysql50#é\` (id int primary key, \`INSERT INTO\` float); insert into \`a/b.c%d #mysql50#é\` values (1, 123456.789);
    create table \`LOCK TABLES\` (\`(\` int invisible, \`) VALUES (\` int); insert into \`LOCK TABLES\` (\`(\`, \`) VALUES (\`) values (1, 2);
    create sequence \`s 1;\` start with 5 nocache; do nextval(\`s 1;\`);
    create view \`v\`\`w\` as select \`) VALUES (\` as \`from\` from \`LOCK TABLES\`;
    create view \`a first\` as select * from \`z last\`;`.replace(
    'create view `a first` as select * from `z last`;',
    'create view `z last` as select 1 as one; create view `a first` as select * from `z last`; create view b as select * from `a first`;',
  ),
  'keys, partitions and rows that are kept in a way of their own': `
    set foreign_key_checks = 0; create table t (id int primary key, long_text text, unique key (long_text) using hash); insert into t values (1, repeat('ä', 9000)), (2, null), (3, null);
    create table compressed (id int primary key, v text) page_compressed=1; insert into compressed values (1, repeat('x', 20000));
    create table redundant (id int primary key, v text) row_format=redundant; insert into redundant values (1, 'x');
    create table history (id int primary key, v int) with system versioning partition by system_time limit 100 partitions 3;
    insert into history values (1, 1); update history set v = 2; delete from history;
    create table selfish (id int primary key, up int, foreign key (up) references selfish (id) on delete set null, key (up desc)); insert into selfish values (1, 2), (2, 1);
    create table a_child (id int primary key, p int references z_parent (id)); create table z_parent (id int primary key); insert into a_child values (1, 1); insert into z_parent values (1);
    create table listed (k varchar(20) collate utf8mb4_unicode_520_ci primary key) partition by key (k) partitions 3; insert into listed values ('ß'), ('ẞx'), ('it''s');`,
  'code of rarer kinds': `
    create table t (id int primary key, at timestamp(6) not null default current_timestamp(6) on update current_timestamp(6), u uuid default uuid(), c varchar(40) default (concat('a', '\\\\', '''')), d decimal(65,38) check (d <> 0 or d is null));
    insert into t (id, at, d) values (1, '2026-10-25 01:30:00.123456', 0.00000000000000000000000000000000000001), (2, '1970-01-01 00:00:01', null);
    delimiter //
    create aggregate function longest(x int) returns int begin declare n int default 0; declare continue handler for not found return n; loop fetch group next row; set n = greatest(n, x); end loop; end//
    create function f(x json) returns enum('a', 'b') deterministic reads sql data sql security invoker comment 'it''s "f"' begin /*!99999 nothing */ return if(json_valid(x), 'a', 'b'); end//
    create procedure p(inout x decimal(10,2), out y varchar(9) character set latin1 collate latin1_bin) modifies sql data begin declare c cursor for select id from t; select f('{}') into y; end//
    delimiter ;
    create definer = nobody@'%.example.org' procedure q() select 1;
    create algorithm = temptable view v as select longest(id) as n from t; create view w as select id from t where id > 0 with local check option;
    create view old as select json_value('{"a": "\\\\u00e9"}', '$.a') as x, _latin1 x'e9' as l, date '2026-01-01' as d, interval(1, 2) as i, t.id div 2 as h from t where t.c like '%\\\\_%' escape '|';`,
  'code that clients of other letters made': `
    create table t (id int primary key, v varchar(20) character set latin1); insert into t values (1, 'é'), (2, 'ž');
    set names latin1; delimiter //
    create procedure p() select 'Ã©' as x, hex('Ã©') as h//
    create function f(x varchar(9)) returns varchar(40) deterministic return concat(x, 'Ã©')//
    create trigger tr before insert on t for each row set new.v = concat(new.v, 'Ã©', _koi8r'Á', _binary'\\\\xff')//
    create event e on schedule every 1 day starts '2026-01-01' do set @x = 'Ã©'//
    create view v as select 'Ã©' as x, hex('Ã©') as h, id from t where v <> 'Ã©'//
    delimiter ; set names cp1250; create procedure q() select hex('Å¾'), 'Å¾';
    set names utf8mb4;`,
  'numbers at the edge of their type': `
    create table t (id int primary key, a tinyint(3) unsigned zerofill, b bit(1), c decimal(10,0) unsigned zerofill, d double(20,3), e double, f float(10,4), y year, t time(3), dt datetime(6));
    insert into t values (1, 7, b'0', 42, -0.0005, 0.1 + 0.2, 1234.56789, 2155, '-00:00:00.001', '0001-01-01 00:00:00.000001'), (2, 255, b'1', 9999999999, 99999999999999999.999, 1.7976931348623157e308, -0.0001, 0, '838:59:59.999', '9999-12-31 23:59:59.999999'), (3, null, null, null, null, 5e-324, null, null, null, null);
    create table doubles (id int primary key, d double); insert into doubles select seq, (rand(seq) - 0.5) * pow(10, cast(seq as signed) % 600 - 300) from seq_1_to_3000;`,
};

describe('odd databases of MariaDB', { skip: missing, concurrency: 2 }, () => {
  for (const [what, sql] of Object.entries(ODD)) {
    test(`${what}: equal by the server's own checksums, and a change is found`, async () => {
      const database = mariadb.freshName();
      await mariadb.create(database, 'empty');
      await mariadb.script(database, sql);
      const sums = async () => {
        const tables = await mariadb.sql(
          "select table_name as name from information_schema.tables where table_schema = ? and table_type in ('BASE TABLE', 'SYSTEM VERSIONED') order by 1",
          [database],
        );
        return Promise.all(
          tables.map(async ({ name }) => {
            const table = `\`${name.replaceAll('`', '``')}\``;
            const [row] = await mariadb.sql(`checksum table ${table} extended`, [], database);
            const [made] = await mariadb.sql(`show create table ${table}`, [], database);
            return [name, row.Checksum, made['Create Table']];
          }),
        );
      };
      const code = async () =>
        (await mariadb.dump(database)).replaceAll(/(trigger .* on )"(\w+)"(?= for each row)/gi, '$1$2');
      const before = [await sums(), await code()];
      const env = { ...mariadb.env(database), BACKUP_DIR: temporaryFolder() };

      const loaded = await backUpAndLoad(mariadb.env(database));
      assert.deepEqual(await loaded.failures(), {});
      await mariadb.sql('delete from t where id = 1', [], loaded.staging);
      assert.match((await loaded.failures()).content ?? '', /^table t differs/);
      await loaded.close();

      for (const [verb, ...words] of [['backup'], ['restore', 'latest']] as const) {
        const { code: exit, stderr } = await runVerb(verb, words, env);
        assert.equal(exit, 0, stderr);
      }
      assert.deepEqual([await sums(), await code()], before);
    });
  }
});
