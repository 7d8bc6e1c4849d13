import assert from 'node:assert/strict';
import { test } from 'node:test';
import { another } from '../../../../scripts/lib/engines/postgres/dump/another.ts';
import { OperatorError } from '../../../../scripts/lib/errors.ts';
import type { DatabaseSource } from '../../../../scripts/lib/source.ts';

const source = { engine: 'postgres', format: 'sql', jobs: 4, jobsBySize: true } as DatabaseSource;
const noRoom = new OperatorError('PROCESS_FAILED', 'pg_dump: error: out of shared memory');

test('a dump that finds no room for its locks takes fewer, and in the end none for long', () => {
  const one = another({ ...source, format: 'folder' }, noRoom)?.source;
  assert.deepEqual([one?.format, one?.jobs, one?.holdsNoTables], ['sql', 1, undefined]);
  const parts = one && another(one, noRoom)?.source;
  assert.deepEqual([parts?.format, parts?.jobs, parts?.holdsNoTables], ['folder', 1, true]);
  assert.equal(parts && another(parts, noRoom), undefined);
  assert.equal(another({ ...source, format: 'custom' }, noRoom)?.source.holdsNoTables, true);
});

test('what was dropped meanwhile is not there the next time, and other failures stay failures', () => {
  const dropped = new OperatorError('PROCESS_FAILED', 'pg_dump: error: relation "t" does not exist');
  assert.equal(another(source, dropped)?.source, source);
  const parts: DatabaseSource = { ...source, format: 'folder', holdsNoTables: true };
  assert.equal(another(parts, dropped)?.source, parts);
  assert.equal(another(source, new OperatorError('PROCESS_FAILED', 'disk full')), undefined);
});
