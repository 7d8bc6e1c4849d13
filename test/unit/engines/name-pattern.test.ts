import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePattern } from '../../../scripts/lib/engines/postgres/dump/name-pattern.ts';

test('patterns of names are read as psql reads them', () => {
  const read = (text: string) => parsePattern(text);
  assert.deepEqual(read('Logs_*'), { name: '^(logs_.*)$' });
  assert.deepEqual(read('audit.log?'), { schema: '^(audit)$', name: '^(log.)$' });
  assert.deepEqual(read('"Odd, *Name"'), { name: '^(Odd, \\*Name)$' });
  assert.deepEqual(read('"a""b".c$d'), { schema: '^(a"b)$', name: '^(c\\$d)$' });
  assert.deepEqual(read('(a|b)[0-9]'), { name: '^((a|b)[0-9])$' });
  for (const wrong of ['"open', 'a.b.c', '.x', 'x.']) assert.throws(() => read(wrong), /pattern/);
});
