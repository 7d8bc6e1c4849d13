import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { withoutRows } from '../../../../scripts/lib/engines/mariadb/restore/client-words.ts';

function kept(lines: readonly string[]): string[] {
  const onLine = withoutRows();
  return lines.flatMap((line) => {
    const said = onLine(line);
    return said === true ? [] : [said === false ? line : said];
  });
}

describe('of what the client says of a statement that failed', () => {
  test('no row is kept: its first words are, and the error', () => {
    assert.deepEqual(
      kept([
        '--------------',
        "INSERT INTO `people` VALUES (1,'Jane Doe, IBAN DE02')",
        ",(2,'another line of it')",
        '--------------',
        '',
        'ERROR 4025 (23000) at line 42: CONSTRAINT `people.extra` failed for `shop`.`people`',
      ]),
      [
        'INSERT INTO `people` …',
        '',
        'ERROR 4025 (23000) at line 42: CONSTRAINT `people.extra` failed for `shop`.`people`',
      ],
    );
  });

  for (const [said, shown] of [
    [
      "ERROR 1062 (23000) at line 9: Duplicate entry 'jane@example.org' for key 'email'",
      "Duplicate entry '…' for key 'email'",
    ],
    [
      "ERROR 1366 (22007) at line 9: Incorrect integer value: 'Jane' for column `a`.`b`.`c` at row 1",
      "Incorrect integer value: '…' for column",
    ],
    ["ERROR 1064 (42000) at line 9: You have an error … near 'Jane Doe' at line 1", "near '…' at line 1"],
  ] as const) {
    test(`values are not: ${shown}`, () => {
      const [line = ''] = kept([said]);
      assert.ok(line.includes(shown), line);
      assert.doesNotMatch(line, /[Jj]ane/);
    });
  }

  test('what is missing keeps its name', () => {
    const line = "ERROR 1146 (42S02) at line 3: Table 'shop.orders' doesn't exist";
    assert.deepEqual(kept([line]), [line]);
  });
});
