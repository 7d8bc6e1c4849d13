import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { SlotSight } from '../../../scripts/lib/engines/postgres/walsender/slot-sight.ts';
import type { WalStream } from '../../../scripts/lib/engines/postgres/walsender/walsender.ts';
import { newChain } from '../../../scripts/lib/log/keys.ts';
import { segmentName } from '../../../scripts/lib/log/lsn.ts';
import type { LogStore } from '../../../scripts/lib/log/store.ts';
import { newCoverage } from '../../../scripts/lib/receive/coverage.ts';
import { newCutter } from '../../../scripts/lib/receive/cutter.ts';
import { newPace } from '../../../scripts/lib/receive/pace.ts';
import { newSender } from '../../../scripts/lib/receive/sender.ts';
import type { SessionSettings } from '../../../scripts/lib/receive/stream.ts';
import { SlotLimitPassed, startTimers } from '../../../scripts/lib/receive/timers.ts';

const MIB = 2 ** 20;
const SEGMENT = 16 * MIB;
const NOW = new Date('2026-11-27T09:20:00Z');

/** A store that answers to nothing, and a receiver that has so much of the log in memory. */
function withStoreAway(waitingSegments: number) {
  const never = () => new Promise<never>(() => {});
  const store = { put: never, heartbeat: never } as unknown as LogStore;
  const { signal } = new AbortController();
  const chain = newChain(NOW, '7446112233445566778');
  const of = { store, server: 'postgres', chain, segmentBytes: SEGMENT, stored: 0n, signal };
  const sender = newSender({ ...of, onStored: () => {} });
  for (let n = 0; n < waitingSegments; n += 1) {
    const lsn = BigInt(n * SEGMENT);
    const place = { timeline: 1, segment: segmentName(1, lsn, SEGMENT), lsn, endLsn: lsn + BigInt(SEGMENT) };
    sender.add({ ...place, start: 0, end: SEGMENT, raw: Buffer.alloc(SEGMENT), isAgain: false }, NOW);
  }
  const sight = { at: NOW, flushed: 0n, retainedBytes: 0 };
  let looks = 0;
  const monitor = {
    look: async () => {
      looks += 1;
      return sight as SlotSight;
    },
    close: async () => {},
  };
  const settings = {
    ...{ server: { name: 'postgres' }, store, monitor, slotLimitBytes: 200 * MIB, walSenderTimeoutMs: 60_000 },
    ...{ isSynchronous: false, signal, onSight: () => {} },
  } as unknown as SessionSettings;
  const cutter = newCutter(SEGMENT, { timeline: 1, stored: 0n });
  const stream = { slot: 'cdb', segmentBytes: SEGMENT, sender, cutter, coverage: newCoverage(NOW) };
  let told = 0;
  const timers = startTimers({ ...stream, pace: newPace(5_000, 0) }, settings, {
    send: () => {
      told += 1;
    },
  } as unknown as WalStream);
  return { timers, sight, looks: () => looks, told: () => told };
}

for (const [what, waiting] of [
  ['no more of the log fits into memory', 5],
  ['nothing waits, and a heartbeat is never answered', 0],
] as const) {
  test(`with the store away, and where ${what}, the slot is looked at all the same and given up at its limit`, async (t) => {
    t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: NOW });
    const { timers, sight, looks } = withStoreAway(waiting);
    const failures: unknown[] = [];
    timers.failed.catch((error: unknown) => {
      failures.push(error);
    });
    // as the session does that streams
    timers.unread(waiting > 0);
    for (let n = 1; n <= 70; n += 1) {
      if (waiting === 0) timers.alive(false);
      t.mock.timers.tick(5_000);
      await turn();
      assert.equal(looks(), n, 'each time that it is due');
    }
    assert.equal(failures.length, 0);
    sight.retainedBytes = 201 * MIB;
    t.mock.timers.tick(5_000);
    await turn();
    assert.ok(failures[0] instanceof SlotLimitPassed);
    timers.stop();
  });
}

test('a server that shuts down is let go while the store is away, and told no more often than it has to be', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'setTimeout', 'Date'], now: NOW });
  const { timers, told } = withStoreAway(1);
  const failures: unknown[] = [];
  timers.failed.catch((error: unknown) => {
    failures.push(error);
  });
  const before = told();
  // it asks again as soon as it is told
  for (let ms = 0; ms < 4_000; ms += 10) {
    timers.alive(true);
    t.mock.timers.tick(10);
  }
  await turn();
  assert.equal(failures.length, 0);
  assert.ok(told() - before <= 25, `${told() - before}`);
  for (let ms = 0; ms < 3_000; ms += 100) {
    timers.alive(true);
    t.mock.timers.tick(100);
  }
  await turn();
  assert.match(String(failures[0]), /postgres is shutting down/);
  timers.stop();
});

test('a server that does not answer any more is given up after a minute, and one that does is not', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: NOW });
  const { timers } = withStoreAway(0);
  const failures: unknown[] = [];
  timers.failed.catch((error: unknown) => {
    failures.push(error);
  });
  const pass = async (seconds: number) => {
    for (let n = 0; n < seconds; n += 1) t.mock.timers.tick(1_000);
    await turn();
  };
  await pass(40);
  timers.alive(false);
  await pass(55);
  assert.equal(failures.length, 0);
  await pass(6);
  assert.match(String(failures[0]), /postgres has not answered for 1m/);
  timers.stop();
});
