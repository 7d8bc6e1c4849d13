import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { catalogOf } from '../../scripts/lib/repository/catalog.ts';
import { storedOrder } from '../../scripts/lib/repository/keys-of.ts';
import { temporaryFolder } from '../support/folders.ts';
import type { DoubleRequest, Fault } from '../support/s3-double-requests.ts';
import { placeAll, storedBackup } from '../support/stored.ts';
import { startStore } from '../support/stores.ts';
import { done, runVerb, startVerb, until } from '../support/verbs.ts';

const BACKUPS = [1, 2, 3].map((day) => storedBackup('a', `2026-01-0${day}T12:00:00Z`, day === 2 ? { parts: 3 } : {}));
const ALL = new Map(BACKUPS.flatMap(({ objects }) => [...objects]));
const WRITES = ALL.size;

/** Three backups to copy into a store that fails as it is told. */
async function stack(fault: () => ((request: DoubleRequest) => Fault | undefined) | undefined) {
  const primary = temporaryFolder();
  placeAll(primary, ...BACKUPS);
  const { double, storeEnv } = await startStore({ fault: (request) => fault()?.(request) });
  const env = {
    ...{ BACKUP_DIR: primary, DRILL_DIR: temporaryFolder(), RETENTION_KEEP_LAST: 'unlimited', POSTGRES_DB: 'a' },
    COPY_X: `s3://backups?endpoint=${storeEnv.S3_ENDPOINT}`,
    COPY_X_ACCESS_KEY: storeEnv.S3_ACCESS_KEY ?? '',
    COPY_X_SECRET_KEY: storeEnv.S3_SECRET_KEY ?? '',
  };
  /** Everything that is listed there as a backup is there whole, byte for byte. */
  const assertNothingHalf = () => {
    const there = [...double.objects].map(([key, { sizeBytes }]) => ({ key, sizeBytes }));
    for (const backup of catalogOf(there, '')) {
      const whole = BACKUPS.find(({ key }) => key === backup.key);
      assert.ok(whole, backup.key);
      // without its manifest it is told so, and its bytes are there all the same
      const needed = backup.hasManifest ? [...whole.objects.keys()] : storedOrder(backup);
      for (const key of needed) assert.ok(double.objects.get(key)?.bytes.equals(ALL.get(key) ?? Buffer.alloc(0)), key);
    }
  };
  const assertWhole = () => {
    assert.deepEqual([...double.objects.keys()].sort(), [...ALL.keys()].sort());
    for (const [key, bytes] of ALL) assert.ok(double.objects.get(key)?.bytes.equals(bytes), key);
  };
  return { double, env, assertNothingHalf, assertWhole };
}

describe('a copy that fails in the middle', { concurrency: 2 }, () => {
  for (const [what, fault] of [
    ['refused', { status: 403, code: 'AccessDenied' }],
    ['stored, and its answer lost', 'lost'],
    ['cut off before anything was stored', 'reset'],
    ['answered as if by something else than a store', { body: '<html>' }],
  ] as const) {
    test(`nothing half is listed, and the next run completes it: a write is ${what}, whichever it is`, async () => {
      for (let nth = 1; nth <= WRITES; nth += 2) {
        let isOn = true;
        let seen = 0;
        const { env, assertNothingHalf, assertWhole } = await stack(() => ({ operation }) => {
          if (!isOn || operation !== 'PutObject') return undefined;
          seen += 1;
          return seen === nth ? fault : undefined;
        });
        const { code, stderr } = await runVerb('copy', [], env);
        assert.ok(code === 0 || code === 1, stderr);
        assertNothingHalf();
        isOn = false;
        await done('copy', [], env);
        assertWhole();
      }
    });
  }

  test('nothing half is listed, and the next run completes it: the copy is killed at any write', async () => {
    for (let nth = 1; nth <= WRITES; nth += 2) {
      let isOn = true;
      let seen = 0;
      const { env, assertNothingHalf, assertWhole } = await stack(() => ({ operation }) => {
        if (!isOn || operation !== 'PutObject') return undefined;
        seen += 1;
        return seen >= nth ? 'hang' : undefined;
      });
      const running = startVerb('copy', [], env);
      await until('a write hangs', () => (seen >= nth ? true : undefined));
      running.signalAll('SIGKILL');
      await running.outcome;
      assertNothingHalf();
      isOn = false;
      await done('copy', [], env);
      assertWhole();
    }
  });
});
