import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compareDigests } from '../../../scripts/lib/proof/compare.ts';
import { DigestBuilder } from '../../../scripts/lib/proof/digest.ts';
import { fieldsOf, openEnded } from '../../../scripts/lib/proof/mariadb-names.mjs';
import { MariaDbReader } from '../../../scripts/lib/proof/mariadb-reader.mjs';
import type { ReadingOptions } from '../../../scripts/lib/proof/reading.ts';

function read(dump: string, chunkBytes = 1 << 20, options: Partial<ReadingOptions> = {}): DigestBuilder {
  const digest = new DigestBuilder();
  const reader = new MariaDbReader({ dialect: 'mariadb', ...options }, (line) => {
    digest.take(`PROOF ${JSON.stringify(line)}`);
  });
  const bytes = Buffer.from(dump);
  for (let at = 0; at < bytes.length; at += chunkBytes) reader.feed(bytes.subarray(at, at + chunkBytes));
  reader.end();
  return digest;
}

const TABLE = [
  'DROP TABLE IF EXISTS `t`;',
  'CREATE TABLE `t` (',
  '  `id` int(11) NOT NULL,',
  "  `text` varchar(9) DEFAULT 'a;b',",
  '  PRIMARY KEY (`id`)',
  ') ENGINE=InnoDB;',
  'LOCK TABLES `t` WRITE;',
  '/*!40000 ALTER TABLE `t` DISABLE KEYS */;',
  'INSERT INTO `t` VALUES',
].join('\n');
const END = '\n/*!40000 ALTER TABLE `t` ENABLE KEYS */;\nUNLOCK TABLES;\n';
const VIEW = (database: string) =>
  `/*!50001 CREATE VIEW \`v\` AS select \`${database}\`.\`t\`.\`id\` AS \`id\` from \`t\` */;\n`;
const TRIGGER =
  'DELIMITER ;;\n/*!50003 CREATE TRIGGER `r` BEFORE INSERT ON `t` FOR EACH ROW begin set @a = 1;\nend */;;\nDELIMITER ;\n';

describe('the reader of dumps of MariaDB', () => {
  const dump = `${TABLE}\n(1,'a,\\'b'),\n(2,NULL);${END}${VIEW('shop')}${TRIGGER}`;

  test('tells rows from definitions, wherever a chunk ends', () => {
    const whole = read(dump);
    assert.deepEqual(
      whole.statements.map(({ object }) => object),
      ['table t', 'view v', 'trigger r'],
    );
    const table = whole.tables.get('t');
    assert.deepEqual([table?.rows, table?.columns, whole.keys.get('t')], [2, ['id', 'text'], ['id']]);
    for (const chunkBytes of [1, 3, 50]) {
      assert.deepEqual(compareDigests(whole, read(dump, chunkBytes)).differingTables, [], `${chunkBytes} bytes`);
      assert.deepEqual(read(dump, chunkBytes).statements, whole.statements, `${chunkBytes} bytes`);
    }
  });

  test('the last row is the same row when others follow it', () => {
    const [a, b] = [`${TABLE}\n(1,'a'),\n(2,'b');${END}`, `${TABLE}\n(2,'b'),\n(1,'a');${END}`];
    assert.deepEqual(compareDigests(read(a), read(b)).differingTables, []);
    const long = 'x'.repeat(3_000_000);
    const [c, d] = [`${TABLE}\n(1,'${long}'),\n(2,'b');${END}`, `${TABLE}\n(2,'b'),\n(1,'${long}');${END}`];
    assert.deepEqual(compareDigests(read(c, 65_536), read(d)).differingTables, []);
  });

  test('the staging database’s name stands for the source’s', () => {
    const staged = read(dump.replaceAll('`shop`', '`shop_restoring`'), 1 << 20, {
      renamed: { shop_restoring: 'shop' },
    });
    assert.deepEqual(compareDigests(read(dump), staged).differingStatements, []);
  });

  test('where a statement names its columns, the row behind them is the first', () => {
    const named = TABLE.replace(/INSERT .*$/, 'INSERT INTO `t` (`id`, `text`, row_start, row_end) VALUES ');
    const text = `${named}(1,'a','2026','2038'),\n(2,'(','2026','2038');${END}`;
    for (const chunkBytes of [1 << 20, 7]) {
      const table = read(text, chunkBytes).tables.get('t');
      assert.deepEqual([table?.rows, table?.columns], [2, ['id', 'text', 'row_start', 'row_end']]);
    }
    const other = read(text.replace("(1,'a'", "(1,'b'"));
    assert.equal(compareDigests(read(text), other).differingTables.length, 1);
  });

  test('a row that has not ended is the same where the last moment is another, and one of the past is not', () => {
    const [old, now] = ['2038-01-19 03:14:07.999999', '2106-02-07 06:28:15.999999'];
    const before = '/*M!101100 SET @old_system_versioning_insert_history=@@session.x */;\n';
    const hidden = (end: string) =>
      `${before}${TABLE.replace(/INSERT .*$/, 'INSERT INTO `t` (`id`, `text`, row_start, row_end) VALUES ')}(1,'${old}','2026','${end}'),\n(2,'x','2026','2026');${END}`;
    const own = (end: string) =>
      `${before}${TABLE.replace("`text` varchar(9) DEFAULT 'a;b'", '`e` timestamp(6) GENERATED ALWAYS AS ROW END,\n  `text` text')}\n(1,'${end}','a,\\'${old}'),\n(2,'2026','x');${END}`;
    for (const dump of [hidden, own]) {
      const differing = (restored: string, openEnd: string) =>
        compareDigests(read(dump(old)), read(dump(restored), 1 << 20, { openEnd })).differingTables.length;
      assert.deepEqual([differing(now, now), differing(old, old)], [0, 0]);
      assert.deepEqual([differing(old, now), differing('2026', now)], [1, 1]);
    }
  });

  test('when rows began and end is compared where they come with their history, and nowhere else', () => {
    const table = TABLE.replace(
      "`text` varchar(9) DEFAULT 'a;b'",
      '`s` bigint(20) unsigned GENERATED ALWAYS AS ROW START,\n  `text` text,\n  `e` bigint(20) unsigned GENERATED ALWAYS AS ROW END',
    );
    const rows = (text: string, start: number, end: string) =>
      `${table}\n(1,${start},'${text}, (',${end}),\n(2,7,NULL,8);${END}`;
    const before = '/*M!101100 SET @old_system_versioning_insert_history=@@session.x */;\n';
    const differing = (a: string, b: string) => compareDigests(read(a), read(b, 3)).differingTables.length;
    assert.equal(differing(rows('x', 9, '11'), rows('x', 21, '1844')), 0);
    assert.equal(differing(rows('x', 9, '11'), rows('y', 9, '11')), 1);
    assert.equal(differing(before + rows('x', 9, '11'), before + rows('x', 21, '11')), 1);
  });

  test('the order of triggers, and whether an event runs, belong to their definitions', () => {
    const trigger = (name: string) =>
      `DELIMITER ;;\n/*!50003 CREATE*/ /*!50003 TRIGGER \`${name}\` BEFORE INSERT ON \`t\` FOR EACH ROW set @a = '${name}' */;;\nDELIMITER ;\n`;
    const event = (status: string) =>
      `DELIMITER ;;\n/*!50106 CREATE*/ /*!50106 EVENT \`e\` ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 00:00:00' ON COMPLETION NOT PRESERVE ${status} DO select 1 */ ;;\nDELIMITER ;\n`;
    const differing = (a: string, b: string) =>
      compareDigests(read(a), read(b)).differingStatements.map(({ object }) => object);
    assert.deepEqual(differing(trigger('a') + trigger('b'), trigger('b') + trigger('a')), ['trigger a', 'trigger b']);
    assert.deepEqual(differing(event('ENABLE'), event('DISABLE ON SLAVE')), []);
    assert.deepEqual(differing(event('ENABLE'), event('DISABLE')), ['event e']);
  });

  test('a view whose columns stand with their database is the one whose columns do not, where that is its own', () => {
    const view = (select: string) =>
      `/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50001 VIEW \`v\` AS select ${select} from \`t\` */;\n`;
    const differing = (a: string, b: string) =>
      compareDigests(
        read(view(a), 1 << 20, { renamed: { staged: 'shop' } }),
        read(view(b), 1 << 20, { renamed: { staged: 'shop' } }),
      ).differingStatements.length;
    assert.equal(differing('`shop`.`t`.`id`', '`t`.`id`'), 0);
    assert.equal(differing('`shop`.`t`.`id`', '`staged`.`t`.`id`'), 0);
    assert.equal(differing('`crm`.`t`.`id`', '`t`.`id`'), 1);
    assert.equal(differing("'`shop`.`t`'", "'`t`'"), 1);
  });

  test('a row that is looked for comes with its values', () => {
    const key = [{ at: 0, value: '1' }];
    const [row] = read(dump, 1 << 20, { find: { table: 't', buckets: [], key } }).rows;
    assert.deepEqual(row?.fields, ['1', "'a,\\'b'"]);
  });

  test('values are told apart in a row of any length', () => {
    const long = `'${"a,\\'b''".repeat(2_500_000)}'`;
    const row = (end: string) => Buffer.from(`(${long},'${end}',NULL,1)`);
    const fields = fieldsOf(row('2026'));
    assert.deepEqual([fields[0]?.slice(0, 6), ...fields.slice(1)], ["'a,\\'b", "'2026'", 'NULL', '1']);
    assert.deepEqual(fieldsOf(Buffer.from('()')), []);
    const opened = openEnded(['text', 'row_end', 'a', 'b'], 'row_end', undefined)?.(row('2038-01-19 03:14:07.999999'));
    assert.equal(opened?.subarray(-15).toString(), ",'open',NULL,1)");
    const past = row('2026-01-19 03:14:07.999999');
    assert.ok(openEnded(['text', 'row_end', 'a', 'b'], 'row_end', undefined)?.(past).equals(past));
  });
});
