import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asObjects, csvLine, distinctNames } from '../../../scripts/lib/look/answer.ts';

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

test('a document with a number that JSON would not keep stays the text that it is', async () => {
  const read = async (text: string) => {
    const rows = (async function* () {
      yield [text];
    })();
    const [row] = await asObjects({ columns: [{ name: 'j', kind: 'json' }], rows });
    return row?.j;
  };
  for (const text of [
    '{"a": 12345678901234567890}',
    '[9007199254740993]',
    '{"a": 0.1234567890123456789}',
    '[1e400]',
    '[1e-400]',
    '{"a": "\\"1", "b": -12345678901234567890}',
  ])
    assert.equal(await read(text), text);
  assert.deepEqual(
    await read('{"a": "12345678901234567890", "b": [1.50, -7, 0.1, 1e3, 0.0, 9007199254740991], "c": null}'),
    {
      a: '12345678901234567890',
      b: [1.5, -7, 0.1, 1000, 0, 9007199254740991],
      c: null,
    },
  );
});
