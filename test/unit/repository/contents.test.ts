import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareContents } from '../../../scripts/lib/repository/contents.ts';
import type { Contents } from '../../../scripts/lib/repository/manifest.ts';

const DUMPED: Contents = {
  tables: [
    { table: 'public.a', rows: 3 },
    { table: 'public.b', rows: 0 },
  ],
  sequences: [{ sequence: 'public.s', value: '10', isCalled: true }],
  largeObjects: 2,
};

test('what is equal has no differences', () => assert.deepEqual(compareContents(DUMPED, structuredClone(DUMPED)), []));

for (const [what, change, said] of [
  [
    'a row less',
    { tables: [{ table: 'public.a', rows: 2 }, DUMPED.tables[1]] },
    'table public.a has 2 rows, expected 3',
  ],
  [
    'a row more',
    { tables: [{ table: 'public.a', rows: 4 }, DUMPED.tables[1]] },
    'table public.a has 4 rows, expected 3',
  ],
  ['an empty table that is missing', { tables: [DUMPED.tables[0]] }, 'table public.b is missing (0 rows expected)'],
  ['a sequence that is missing', { sequences: [] }, 'sequence public.s is missing'],
  [
    'a sequence elsewhere',
    { sequences: [{ sequence: 'public.s', value: '9', isCalled: true }] },
    'sequence public.s stands at 9, expected 10',
  ],
  ['a large object less', { largeObjects: 1 }, '1 large objects, expected 2'],
] as const) {
  test(`${what} is a difference`, () => {
    assert.deepEqual(compareContents(DUMPED, { ...DUMPED, ...change } as Contents), [said]);
  });
}

test('large objects that were not counted are not compared', () => {
  const { largeObjects: _, ...uncounted } = DUMPED;
  assert.deepEqual(compareContents(uncounted, { ...DUMPED, largeObjects: 9 }), []);
});

for (const [value, valueAtEnd, restored, isFine] of [
  ['10', '20', '10', true],
  ['10', '20', '15', true],
  ['10', '20', '20', true],
  ['10', '20', '9', false],
  ['10', '20', '21', false],
  ['-10', '-20', '-15', true],
  ['-10', '-20', '-21', false],
  ['9', '10', '10', true],
  ['9223372036854775806', '9223372036854775807', '9223372036854775805', false],
] as const) {
  test(`a sequence from ${value} to ${valueAtEnd} during the dump ${isFine ? 'may' : 'may not'} stand at ${restored}`, () => {
    const of = (at: string, more = {}) => ({
      ...DUMPED,
      sequences: [{ sequence: 's', value: at, isCalled: true, ...more }],
    });
    assert.equal(compareContents(of(value, { valueAtEnd }), of(restored)).length === 0, isFine);
  });
}

test('code that is missing, and code that is too much, is named by its kind; what was not counted is not', () => {
  const dumped = { tables: [], sequences: [], codeObjects: { view: 2, event: 1 } };
  assert.deepEqual(compareContents(dumped, dumped), []);
  assert.deepEqual(compareContents(dumped, { tables: [], sequences: [], codeObjects: { view: 1, trigger: 3 } }), [
    'objects of the kind view: 1, expected 2',
    'objects of the kind event: 0, expected 1',
    'objects of the kind trigger: 3, expected 0',
  ]);
  assert.deepEqual(compareContents({ tables: [], sequences: [] }, dumped), []);
});
