import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dealOut, loadedLast, type Piece } from '../../../../scripts/lib/engines/postgres/split/pieces.ts';
import type { TableToDump } from '../../../../scripts/lib/engines/postgres/split/tables.ts';

const MIB = 1024 * 1024;

function table(name: string, sizeBytes: number, more: Partial<TableToDump> = {}): TableToDump {
  return {
    oid: name,
    name,
    schema: 'public',
    relation: name,
    columns: ['a'],
    heapBytes: sizeBytes,
    sizeBytes,
    canSplit: true,
    condition: null,
    isChecked: false,
    via: null,
    signature: '',
    ...more,
  };
}

const bytes = (pieces: readonly Piece[]) => pieces.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

test('every page of every table is in exactly one piece, whatever the sizes and jobs', () => {
  const tables = fc.array(
    fc.record({
      mib: fc.integer({ min: 0, max: 3_000 }),
      canSplit: fc.boolean(),
      toast: fc.integer({ min: 1, max: 9 }),
    }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(tables, fc.integer({ min: 1, max: 16 }), (rows, jobs) => {
      const all = rows.map(({ mib, canSplit, toast }, n) =>
        table(`t${n}`, mib * MIB, { canSplit, heapBytes: Math.ceil((mib * MIB) / toast) }),
      );
      const dealt = dealOut(all, jobs);
      assert.ok(dealt.length <= 4 * Math.max(jobs, 2));
      for (const one of all) {
        const pieces = dealt
          .flat()
          .filter((piece) => piece.table === one)
          .sort((a, b) => a.fromPage - b.fromPage);
        assert.equal(pieces[0]?.fromPage, 0);
        assert.equal(pieces.at(-1)?.toPage, undefined);
        for (const [i, piece] of pieces.slice(1).entries()) assert.equal(piece.fromPage, pieces[i]?.toPage);
        for (const { fromPage, toPage } of pieces) assert.ok(toPage === undefined || toPage > fromPage);
        if (!one.canSplit) assert.equal(pieces.length, 1);
      }
    }),
  );
});

test('one table of nine tenths of the bytes is cut, and no stream has much more than its share', () => {
  const dealt = dealOut(
    [table('huge', 900 * MIB), ...Array.from({ length: 10 }, (_, n) => table(`t${n}`, 10 * MIB))],
    2,
  );
  const share = (1_000 * MIB) / dealt.length;
  assert.ok(dealt.length >= 4, `${dealt.length} streams`);
  for (const stream of dealt) assert.ok(bytes(stream) < 1.5 * share, `${bytes(stream) / share} of a share`);
});

test('a small database has no more streams than jobs, an empty one has none', () => {
  const small = Array.from({ length: 100 }, (_, n) => table(`t${n}`, 1_000));
  assert.equal(dealOut(small, 1).length, 1);
  assert.equal(dealOut(small, 4).length, 4);
  assert.deepEqual(dealOut([], 4), []);
});

test('the largest streams are read first', () => {
  const dealt = dealOut([table('a', 10 * MIB), table('b', 300 * MIB, { canSplit: false }), table('c', 50 * MIB)], 3);
  const sizes = dealt.map(bytes);
  assert.deepEqual(
    sizes,
    sizes.toSorted((a, b) => b - a),
  );
});

test('tables of extensions keep their order, and stay in one stream', () => {
  const tables = [
    table('referred', 1, { condition: '' }),
    table('refers', 500 * MIB, { condition: 'where true' }),
    table('users', 500 * MIB),
  ];
  const streams = dealOut(tables, 4).filter((pieces) => pieces.some((piece) => piece.table.condition !== null));
  assert.equal(streams.length, 1);
  assert.deepEqual(
    streams[0]?.filter((piece) => piece.table.condition !== null).map((piece) => piece.table.name),
    ['referred', 'refers'],
  );
});

test('a table whose checks may read others is dealt out to no stream: it comes last, whole, in the order of pg_dump', () => {
  const checked = ['b', 'a', 'B'].map((name) => table(name, 300 * MIB, { isChecked: true }));
  const tables = [...checked, table('c', MIB)];
  assert.deepEqual(
    dealOut(tables, 4).map((pieces) => pieces.map((piece) => piece.table.name)),
    [['c']],
  );
  assert.deepEqual(
    loadedLast(tables).map((piece) => [piece.table.name, piece.fromPage, piece.toPage]),
    [
      ['B', 0, undefined],
      ['a', 0, undefined],
      ['b', 0, undefined],
    ],
  );
});
