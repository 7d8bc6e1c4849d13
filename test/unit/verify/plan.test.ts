import assert from 'node:assert/strict';
import { test } from 'node:test';
import { catalogOf } from '../../../scripts/lib/repository/catalog.ts';
import type { StoredBackup } from '../../../scripts/lib/repository/inventory.ts';
import type { VerifyRecord } from '../../../scripts/lib/repository/verify-record.ts';
import { damagedIn, planVerify } from '../../../scripts/lib/verify/plan.ts';

const DAY_MS = 86_400_000;
const BEGIN = Date.parse('2026-01-01T00:00:00Z');

function backups(count: number, source = 'a'): StoredBackup[] {
  const objects = Array.from({ length: count }, (_, n) => {
    const at = new Date(BEGIN + n * DAY_MS).toISOString();
    return { key: `${at.slice(0, 10).replaceAll('-', '/')}/${source}_000000.sql.gz`, sizeBytes: 1_000 };
  });
  return catalogOf(objects, '').map((backup) => ({ name: backup.key, backup, objects: [backup.key] }));
}

function record(at: number, keys: readonly string[], damaged: readonly string[] = []): VerifyRecord {
  return {
    ...{ version: 1, store: 'primary', ok: damaged.length === 0, protection: null, newestLock: null },
    ...{ rewritten: [], sameAs: null },
    startedAt: new Date(at).toISOString(),
    finishedAt: new Date(at).toISOString(),
    backups: keys.map((key) => ({ key, ok: !damaged.includes(key), sizeBytes: 1_000 })),
  };
}

for (const everyDays of [1, 7, 14, 30]) {
  test(`reads everything within 30 days and the newest each time, run every ${everyDays} days`, () => {
    const all = [...backups(100), ...backups(3, 'b')];
    const newest = [all[0]?.name, all[100]?.name];
    let records: VerifyRecord[] = [];
    const lastRead = new Map<string, number>();
    let largest = 0;
    for (let now = BEGIN + 200 * DAY_MS; now < BEGIN + 400 * DAY_MS; now += everyDays * DAY_MS) {
      const chosen = planVerify(all, records, everyDays * DAY_MS).map(({ name }) => name);
      for (const name of newest) assert.ok(chosen.includes(name ?? ''));
      for (const name of chosen) lastRead.set(name, now);
      largest = Math.max(largest, chosen.length);
      records = [record(now, chosen), ...records].filter(({ startedAt }) => now - Date.parse(startedAt) <= 30 * DAY_MS);
      if (now < BEGIN + 230 * DAY_MS) continue;
      for (const { name } of all) assert.ok(now - (lastRead.get(name) ?? 0) <= 30 * DAY_MS, name);
    }
    // no run reads much more than its share
    assert.ok(largest <= Math.ceil((103 * 1.25 * everyDays) / 30) + 3, `${largest}`);
  });
}

test('reads what was damaged each time, and forgets it once it was read whole', () => {
  const all = backups(50);
  const [bad = ''] = all.slice(20).map(({ name }) => name);
  const found = record(BEGIN, [bad], [bad]);
  assert.ok(planVerify(all, [found], DAY_MS).some(({ name }) => name === bad));
  assert.deepEqual([...damagedIn([found])], [bad]);
  assert.deepEqual([...damagedIn([record(BEGIN + DAY_MS, [bad]), found])], []);
});
