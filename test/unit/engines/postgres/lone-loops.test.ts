import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutLoneLoops } from '../../../../scripts/lib/engines/postgres/server/lone-loops.ts';

const HINTS = [
  'pg_dump: hint: You might not be able to restore the dump without using --disable-triggers or temporarily dropping the constraints.',
  'pg_dump: hint: Consider using a full dump instead of a --data-only dump to avoid this problem.',
];

function told(lines: readonly string[]): string[] {
  const isTaken = withoutLoneLoops();
  return lines.filter((line) => !isTaken(line));
}

test('a table that refers to itself is no matter', () => {
  const lines = [
    'pg_dump: warning: there are circular foreign-key constraints on this table:',
    'pg_dump: detail: continuous_agg',
    ...HINTS,
  ];
  assert.deepEqual(told([...lines, 'pg_dump: warning: another']), ['pg_dump: warning: another']);
  const older = [
    'pg_dump: NOTICE: there are circular foreign-key constraints on this table:',
    'pg_dump:   continuous_agg',
    ...HINTS.map((line) => line.replace('hint: ', '')),
  ];
  assert.deepEqual(told(older), []);
});

test('tables that refer to each other are', () => {
  const lines = [
    'pg_dump: warning: there are circular foreign-key constraints among these tables:',
    'pg_dump: detail: a',
    'pg_dump: detail: b',
    ...HINTS,
  ];
  assert.deepEqual(told(lines), lines);
});
