import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const FILTER = fileURLToPath(
  new URL('../../../../scripts/lib/engines/mariadb/restore/load-filter.pl', import.meta.url),
);
const folder = mkdtempSync(join(tmpdir(), 'load-filter-test-'));
after(() => rmSync(folder, { recursive: true }));

const [OLD, NEW] = ['2038-01-19 03:14:07.999999', '2106-02-07 06:28:15.999999'];

/** What of a dump reaches the client. */
function passed(dump: string, openEnd: string): string {
  const args = [FILTER, 'shop_restoring_1', 'shop', join(folder, 'later'), 'restores', openEnd, '', 'cat'];
  const { stdout, stderr, status } = spawnSync('perl', args, { input: dump, encoding: 'utf8', maxBuffer: 1e8 });
  assert.equal(status, 0, stderr);
  return stdout;
}

/** A system-versioned table as mariadb-dump writes it with its history. */
const dumped = (columns: string, insert: string, rows: string) => `CREATE TABLE \`t\` (
${columns}
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 WITH SYSTEM VERSIONING;
/*M!101100 SET @old_system_versioning_insert_history=@@session.system_versioning_insert_history, @@session.system_versioning_insert_history=1 */;
LOCK TABLES \`t\` WRITE;
/*!40000 ALTER TABLE \`t\` DISABLE KEYS */;
${insert}${rows};
/*!40000 ALTER TABLE \`t\` ENABLE KEYS */;
UNLOCK TABLES;
/*M!101100 SET system_versioning_insert_history=@old_system_versioning_insert_history */;
`;

describe('the filter before the client that loads', () => {
  const hidden = (end: string) =>
    dumped(
      '  `id` int(11) NOT NULL,\n  `text` varchar(99) DEFAULT NULL',
      'INSERT INTO `t` (`id`, `text`, row_start, row_end) VALUES ',
      [
        `(1,'a','2026-01-01 00:00:00.000000','${end}')`,
        `(2,'(\\'${OLD}\\')','2026-01-01 00:00:00.000000','2026-01-02 00:00:00.000000')`,
        `(3,'${OLD}','2026-01-01 00:00:00.000000','${end}')`,
        `(4,'${'long '.repeat(500_000)}','2026-01-01 00:00:00.000000','${end}')`,
      ].join(',\n'),
    );
  const own = (end: string) =>
    dumped(
      '  `end at` timestamp(6) GENERATED ALWAYS AS ROW END,\n  `text` varchar(99) DEFAULT NULL,\n  `a` timestamp(6) GENERATED ALWAYS AS ROW START',
      'INSERT INTO `t` VALUES\n',
      [`('${end}','${OLD}','2026-01-01 00:00:00.000000')`, `('${end}',NULL,'2026-01-01 00:00:00.000000')`].join(',\n'),
    );

  for (const [what, dump] of Object.entries({ hidden, own })) {
    test(`the end of a row that has not ended is the one of the server that it goes to (${what} columns)`, () => {
      assert.equal(passed(dump(OLD), NEW), dump(NEW));
      assert.equal(passed(dump(NEW), OLD), dump(OLD));
      assert.equal(passed(dump(NEW), NEW), dump(NEW));
    });
  }

  test('a table without history passes as it is', () => {
    const plain = `CREATE TABLE \`t\` (\n  \`row_end\` datetime(6)\n) ENGINE=InnoDB;\nLOCK TABLES \`t\` WRITE;\nINSERT INTO \`t\` VALUES\n('${OLD}');\nUNLOCK TABLES;\n`;
    assert.equal(passed(hidden(OLD) + plain, NEW), hidden(NEW) + plain);
  });
});
