import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SlotSight } from '../../../scripts/lib/engines/postgres/walsender/slot-sight.ts';
import { onceStored } from '../../../scripts/lib/status/once-stored.ts';

const sight = (flushed: bigint, restartLsn: bigint, isActive = true): SlotSight => ({
  at: new Date('2026-11-27T11:34:00Z'),
  flushed,
  slot: 'cdb_1_2',
  restartLsn,
  walStatus: 'reserved',
  retainedBytes: Number(flushed - restartLsn),
  safeBytes: undefined,
  isActive,
  activeSince: undefined,
  state: 'streaming',
  syncState: 'async',
});
const { signal } = new AbortController();
const quick = { patienceMs: 50, everyMs: 5 };

/** The sights that come, one after the other; the last one stays. */
const coming = (...sights: SlotSight[]) => {
  let at = 0;
  return async () => sights[Math.min(at++, sights.length - 1)] as SlotSight;
};

test('a record that was just written, and is stored a moment later, is not taken for a log that lags', async () => {
  const first = sight(1000n, 640n);
  const patient = { ...quick, patienceMs: 60_000 };
  const seen = await onceStored(first, coming(first, sight(5000n, 1000n)), signal, patient);
  assert.deepEqual(
    { lag: seen.flushed - (seen.restartLsn ?? 0n), retained: seen.retainedBytes, at: seen.at },
    { lag: 0n, retained: 0, at: first.at },
    'all until it was asked is stored; what was written later is not promised',
  );
});

test('what stays unstored is told as it was seen', async () => {
  const first = sight(1000n, 640n);
  assert.deepEqual(await onceStored(first, coming(first, sight(2000n, 900n)), signal, quick), first);
});

test('nobody waits for a receiver that is not there, or that has gone', async () => {
  const never = async () => assert.fail('looked again');
  const alone = sight(1000n, 640n, false);
  assert.deepEqual(await onceStored(alone, never, signal, quick), alone);
  const first = sight(1000n, 640n);
  assert.deepEqual(
    await onceStored(first, coming(sight(1000n, 640n, false)), signal, { ...quick, patienceMs: 60_000 }),
    first,
  );
});
