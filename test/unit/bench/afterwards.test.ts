import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { describeKilled, describeRestored } from '../../../bench/lib/afterwards.ts';
import { type Candidate, leftOut } from '../../../bench/lib/candidate.ts';
import { describeComparison } from '../../../bench/lib/contents.ts';
import type { TestBed } from '../../../bench/lib/test-bed.ts';
import type { Statement, TableSum } from '../../../scripts/lib/proof/reading.ts';

const table = (name: string, rows: number, sum = 'a') => ({ name, rows, sum, columns: ['id'] });
const difference = (expected: TableSum | null, restored: TableSum | null) => ({
  table: expected?.name ?? restored?.name ?? '',
  expected,
  restored,
});
const statement = (text: string): Statement => ({ about: 'definitions', object: 'TABLE t', hash: text, text });

describe('what a comparison came to', () => {
  test('nothing, where nothing differs', () => {
    assert.equal(describeComparison({ differingTables: [], differingStatements: [] }), undefined);
  });

  for (const [restored, how] of [
    [null, 'missing'],
    [table('t', 2), '2 rows of 5'],
    [table('t', 5, 'b'), 'other rows'],
  ] as const)
    test(`a table: ${how}`, () => {
      const differingTables = [difference(table('t', 5), restored)];
      assert.equal(describeComparison({ differingTables, differingStatements: [] }), `1 table (t: ${how})`);
    });

  test('a table that the source has not', () => {
    const differingTables = [difference(null, table('t', 3))];
    assert.equal(describeComparison({ differingTables, differingStatements: [] }), '1 table (t: 3 rows of none)');
  });

  test('of many, the first of each, in few words', () => {
    const text = describeComparison({
      differingTables: [difference(table('a', 1), null), difference(table('b', 1), null)],
      differingStatements: [
        { about: 'definitions', object: 'TABLE t', missing: [statement(`CREATE ${'x'.repeat(200)}`)], extra: [] },
      ],
    });
    assert.match(text ?? '', /^2 tables \(a: missing\), 1 definition \(TABLE t lacks: CREATE x{10,60}…\)$/);
  });
});

describe('the cells of a rival', () => {
  test('a restore', () => {
    assert.equal(describeRestored({ difference: undefined }), 'equal');
    assert.equal(describeRestored({ difference: '1 table' }), 'differs: 1 table');
    assert.equal(describeRestored({ failed: 'no such file' }), 'restore fails: no such file');
  });

  const broken = { failed: 'unexpected end' };
  const ending = { exitCode: 1 };
  for (const [killed, cell] of [
    [{ ending: undefined, isFile: false, left: undefined }, 'not tried: it was over before it was half done'],
    [{ ending, isFile: false, left: undefined }, 'exit 1, not listed'],
    [{ ending, isFile: true, left: undefined }, 'exit 1, no file'],
    [{ ending, isFile: true, left: broken }, 'exit 1, the file is there, its restore fails'],
    [{ ending, isFile: false, left: broken }, 'exit 1, **listed as good**, its restore fails'],
    [
      { ending, isFile: false, left: { difference: '1 table' } },
      'exit 1, **listed as good**, **its restore ends well** and differs: 1 table',
    ],
    [{ ending: { exitCode: 0 }, isFile: false, left: broken }, '**exit 0, listed as good**, its restore fails'],
    [{ ending: { exitCode: 0 }, isFile: true, left: broken }, '**exit 0, the file is there**, its restore fails'],
    [
      { ending: { exitCode: 0 }, isFile: false, left: { difference: undefined } },
      'exit 0, listed as good, and it is whole',
    ],
    [{ ending: 'hangs', isFile: false, left: undefined }, 'does not end, not listed'],
  ] as const)
    test(`killed: ${cell}`, () => assert.equal(describeKilled(killed), cell));
});

test('a row whose program or checkout is not there is left out, and it is said what it wants', () => {
  const bed = { has: (program: string) => program === 'gzip', s3: undefined } as Partial<TestBed> as TestBed;
  const rows: Candidate[] = [
    { name: 'a', needs: ['gzip'], script: () => '' },
    { name: 'b', needs: ['gzip', 'aws', 'S3'], script: () => '' },
    { name: 'c', needs: ['$BENCH_NO_SUCH_CHECKOUT'], script: () => '' },
  ];
  assert.deepEqual(leftOut(rows, bed), [
    'Left out, for want of aws, a store (no Docker engine here): b.',
    'Left out, for want of a checkout of it named by BENCH_NO_SUCH_CHECKOUT: c.',
  ]);
});
