import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Evidence, judge } from '../../../scripts/lib/restore/verdict.ts';

const SUM = { table: 'public.a', kind: 'generated columns', columns: ['g'], rows: 2, sum: '7' } as const;

function verdictOn(serverVersion: string, sum: string) {
  const digest = { tables: new Map(), statements: [], brokenParts: 0 };
  return judge({
    manifest: { serverVersion: '17.2' },
    side: { dialect: 'postgres', serverVersion },
    expected: digest,
    restored: digest,
    comparison: { tables: 0, rows: 0, statements: 0, differingTables: [], differingStatements: [] },
    rows: new Map(),
    derived: [{ expected: SUM, restored: { ...SUM, sum } }],
  } as unknown as Evidence);
}

test('generated columns are compared on a newer version too, where other values are told of and fail nothing', () => {
  const of = ({ checks, notCompared }: ReturnType<typeof judge>) => [
    checks.find(({ name }) => name.startsWith('generated')),
    notCompared.map(({ what, why }) => `${what}: ${why}`).join(),
  ];
  const name = 'generated columns and materialized views';
  const equal = { name, ok: true, detail: 'equal: generated columns of 1 table' };
  assert.deepEqual(of(verdictOn('17.9', '7')), [equal, '']);
  assert.deepEqual(of(verdictOn('18.1', '7')), [equal, '']);
  const [check, told] = of(verdictOn('18.1', '8')) as [{ ok: boolean }, string];
  assert.ok(check.ok);
  assert.match(told, /^TABLE public\.a: what 18\.1 makes of g is not.*what 17\.2 made of it/);
  const [failed] = of(verdictOn('17.9', '8')) as [{ ok: boolean }, string];
  assert.ok(!failed.ok);
});
