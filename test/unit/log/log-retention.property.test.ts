import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readChains } from '../../../scripts/lib/log/catalog.ts';
import { type LogObject, logKey, newChain } from '../../../scripts/lib/log/keys.ts';
import { objectsToRemove, planLog } from '../../../scripts/lib/log/log-retention.ts';
import { formatLsn, segmentName } from '../../../scripts/lib/log/lsn.ts';
import { type BaseFacts, reachesOf } from '../../../scripts/lib/log/ranges.ts';

const SEGMENT = 2 ** 20;
const T0 = Date.parse('2026-11-01T00:00:00Z');
const MINUTE = 60_000;
const NOW = new Date(T0 + 10_000 * MINUTE);

/** A history: chains one after the other, each of steps of log that take a minute, with bases here and there. */
const history = fc.array(
  fc.record({
    steps: fc.array(
      fc.record({ bytes: fc.integer({ min: 1, max: SEGMENT }), base: fc.boolean(), isLost: fc.boolean() }),
      {
        minLength: 1,
        maxLength: 14,
      },
    ),
    pause: fc.integer({ min: 1, max: 5 }),
  }),
  { minLength: 1, maxLength: 4 },
);

function worldOf(chains: { steps: { bytes: number; base: boolean; isLost: boolean }[]; pause: number }[]) {
  const objects: { key: string; sizeBytes: number }[] = [];
  const bases: BaseFacts[] = [];
  let minute = 0;
  const put = (object: LogObject) => objects.push({ key: logKey('', object), sizeBytes: 1 });
  for (const { steps, pause } of chains) {
    minute += pause;
    const { chain } = newChain(new Date(T0 + minute * MINUTE), '744');
    const of = { server: 'db', chain };
    put({ ...of, kind: 'begun', cause: 'first', segmentBytes: SEGMENT });
    let lsn = 0;
    for (const { bytes, base, isLost } of steps) {
      minute += 1;
      const at = new Date(T0 + minute * MINUTE);
      for (let end = lsn + bytes; lsn < end; ) {
        const start = lsn % SEGMENT;
        const some = Math.min(end - lsn, SEGMENT - start);
        const segment = segmentName(1, BigInt(lsn), SEGMENT);
        if (!isLost)
          put({ ...of, kind: 'part', segment, start, end: start + some, at, compression: 'zstd', encrypted: false });
        lsn += some;
      }
      if (base) {
        const place = {
          timeline: 1,
          startLsn: formatLsn(BigInt(Math.max(0, lsn - 100))),
          endLsn: formatLsn(BigInt(lsn)),
        };
        // it ends a little before the minute's log covers it
        bases.push({ chain, ...place, endedAt: new Date(at.getTime() - 1_000).toISOString() });
      }
    }
  }
  return { objects, bases };
}

test('every moment of the window that could be restored still can, and what no such moment needs goes', async () => {
  await fc.assert(
    fc.asyncProperty(history, fc.integer({ min: 1, max: 40 }), async (chains, windowMinutes) => {
      const { objects, bases } = worldOf(chains);
      const before = await readChains(objects, '', NOW);
      const reaches = reachesOf(bases, before);
      const plan = planLog(reaches, before, windowMinutes * MINUTE);
      const kept = plan.bases.filter(({ keep }) => keep).map(({ base }) => base);
      const left = new Set(objects.map(({ key }) => key));
      for (const { chain, below } of plan.chains) {
        for (const { key } of objectsToRemove(chain.contents, { below, segmentBytes: SEGMENT, now: NOW }))
          left.delete(key);
      }
      const after = await readChains(
        objects.filter(({ key }) => left.has(key)),
        '',
        NOW,
      );
      const still = reachesOf(kept, after);
      const since = plan.since?.getTime() ?? Number.POSITIVE_INFINITY;
      const covers = (all: typeof reaches, at: number) =>
        all.some(({ from, to }) => from.getTime() <= at && at <= to.getTime());
      for (let at = since; at <= NOW.getTime() && Number.isFinite(at); at += 10_000) {
        if (at > T0 + 200 * MINUTE) break;
        assert.equal(covers(still, at), covers(reaches, at), new Date(at).toISOString());
      }
      // the end of the log itself
      for (const { to } of reaches) if (to.getTime() >= since) assert.ok(covers(still, to.getTime()));
      // a base from before the window is kept only where a moment of the window needs it
      for (const reach of still.filter(({ from }) => from.getTime() <= since)) {
        assert.ok(reach.to.getTime() >= since);
        const twins = still.filter(
          (other) => other !== reach && other.from.getTime() <= since && other.lastRun === reach.lastRun,
        );
        assert.ok(reach.lastRun === undefined || twins.length === 0, 'one of them would do');
      }
      assert.ok(bases.length === 0 || kept.length > 0, 'never the last base');
    }),
    { numRuns: 300 },
  );
});
