import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changesBetween, type Known } from '../../../scripts/lib/diff/changes.ts';
import { parseManifest } from '../../../scripts/lib/repository/manifest.ts';
import { outlineLine, readOutlineLine } from '../../../scripts/lib/repository/outline.ts';

const TABLES = 10_000;

function manifestText(changed: number): Buffer {
  const names = Array.from({ length: TABLES }, (_, i) => `public.table_${i}`);
  const parts = {
    columns: '1a2b3c4d',
    constraints: '5e6f7a8b',
    indexes: '9c0d1e2f',
    rules: '3a4b5c6d',
    rights: '7e8f9a0b',
  };
  const now = '2026-11-27T12:00:00.000Z';
  return Buffer.from(
    JSON.stringify({
      version: 1,
      ...{
        source: 'x',
        engine: 'postgres',
        database: 'x',
        kind: 'backup',
        createdAt: now,
        startedAt: now,
        finishedAt: now,
      },
      ...{ serverVersion: '18.1', clientVersion: '18.1', format: 'sql', compression: 'gzip', encryption: null },
      objects: [{ name: 'x.sql.gz', sizeBytes: 1, sha256: 'a'.repeat(64) }],
      rawBytes: 1,
      tables: names.map((table, i) => ({ table, rows: i < changed ? i + 1 : i })),
      sequences: [],
      outline: Object.fromEntries(names.map((table, i) => [`table ${table}`, outlineLine({ bytes: i * 8192, parts })])),
    }),
  );
}

test('two manifests of ten thousand tables are read and compared within a second of the processor', () => {
  const texts = [manifestText(0), manifestText(2_500)];
  const began = process.cpuUsage();
  const [from, to] = texts.map((text, i): Known => parseManifest(`m${i}.json`, text));
  assert.ok(from && to);
  const changes = changesBetween(from, to);
  const { user, system } = process.cpuUsage(began);
  assert.equal(changes.length, 2_500);
  assert.ok(user + system < 1_000_000, `${(user + system) / 1_000} ms`);
});

test('a line of an outline is read as it was written, also without a size', () => {
  for (const outlined of [
    { bytes: 0, parts: {} },
    { bytes: 8192, parts: { columns: 'aa', rights: 'bb' } },
    { parts: { body: 'cc' } },
  ])
    assert.deepEqual(readOutlineLine(outlineLine(outlined)), outlined);
});

test('names with spaces, and kinds of two words, are told apart', () => {
  const from = {
    tables: [],
    outline: { 'materialized view public."a b"': '10 rules=aa', 'table public."view x"': '- columns=aa' },
  };
  const to = {
    tables: [],
    outline: { 'materialized view public."a b"': '10 rules=bb', 'table public."view x"': '- columns=cc' },
  };
  assert.deepEqual(
    changesBetween(from, to).map(({ kind, name }) => [kind, name]),
    [
      ['materialized view', 'public."a b"'],
      ['table', 'public."view x"'],
    ],
  );
});

test('what has no outline on one side is compared by its rows, and views that only the other knows are not "added"', () => {
  const from = { tables: [{ table: 'public.a', rows: 1 }] };
  const to = {
    tables: [{ table: 'public.a', rows: 1 }],
    outline: { 'table public.a': '10 columns=aa', 'view public.v': '- rules=aa' },
  };
  assert.deepEqual(changesBetween(from, to), []);
});

test('rows that are left out on purpose are no change, whichever side leaves them out', () => {
  const line = outlineLine({ bytes: 8192, parts: { columns: '1a2b3c4d' } });
  const outline = Object.fromEntries(['a', 'b', 'c.t', 'd'].map((name) => [`table ${name}`, line]));
  const whole: Known = { tables: ['a', 'b', 'c.t', 'd'].map((table) => ({ table, rows: 10 })), outline };
  const part: Known = {
    tables: [
      { table: 'a', rows: 0 },
      { table: 'd', rows: 9 },
    ],
    outline,
    leftOut: { tables: ['b'], data: ['a'], schemas: ['c'] },
  };
  for (const [from, to] of [
    [whole, part],
    [part, whole],
  ] as const)
    assert.deepEqual(
      changesBetween(from, to).map(({ name }) => name),
      ['d'],
    );
});
