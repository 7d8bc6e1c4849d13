import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csvLine, distinctNames } from '../../../scripts/lib/look/answer.ts';

test('comma-separated values are quoted where they have to be, and NULL is not an empty text', () => {
  assert.equal(csvLine(['a', null, '', 'b c']), 'a,,"",b c');
  assert.equal(csvLine(['say "no"', 'a,b', 'x\ny', 'x\ry']), '"say ""no""","a,b","x\ny","x\ry"');
  assert.equal(csvLine(['\\.']), '"\\."');
  assert.equal(csvLine(['\\.', '1']), '\\.,1');
});

test('columns of one name become keys of their own, and none takes the name of another', () => {
  const names = (...columns: string[]) => distinctNames(columns.map((name) => ({ name })));
  assert.deepEqual(names('a', 'b', 'a', 'a'), ['a', 'b', 'a_2', 'a_3']);
  assert.deepEqual(names('a', 'a', 'a_2'), ['a', 'a_3', 'a_2']);
});
