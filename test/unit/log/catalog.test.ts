import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ChainLog, readChains } from '../../../scripts/lib/log/catalog.ts';
import { type LogObject, logKey, newChain } from '../../../scripts/lib/log/keys.ts';
import { parseLsn, segmentName } from '../../../scripts/lib/log/lsn.ts';
import { type LogBytes, segmentsFrom } from '../../../scripts/lib/log/segments.ts';
import { historyOf, isInHistory } from '../../../scripts/lib/log/timeline.ts';

const SEGMENT = 2 ** 20;
const T0 = Date.parse('2026-11-27T09:00:00Z');
const CHAIN = newChain(new Date(T0), '744');
const OF = { server: 'db', chain: CHAIN.chain };
const HOW = { compression: 'zstd', encrypted: false } as const;
const minute = (n: number) => new Date(T0 + n * 60_000);

const begun: LogObject = { ...OF, kind: 'begun', cause: 'first', segmentBytes: SEGMENT };
const part = (start: number, end: number, at: number, timeline = 1): LogObject => {
  const segment = segmentName(timeline, BigInt(start), SEGMENT);
  const from = start % SEGMENT;
  const placed = { ...OF, ...HOW, segment, at: minute(at) };
  return end - start === SEGMENT
    ? { ...placed, kind: 'segment' }
    : { ...placed, kind: 'part', start: from, end: from + end - start };
};
const heartbeat = (lsn: number, at: number): LogObject => ({
  ...OF,
  kind: 'heartbeat',
  segment: segmentName(1, BigInt(lsn), SEGMENT),
  start: lsn % SEGMENT,
  at: minute(at),
});

async function chainOf(objects: readonly LogObject[]): Promise<ChainLog> {
  const listing = objects.map((object) => ({ key: logKey('', object), sizeBytes: 10 }));
  const [chain, ...others] = await readChains(listing, '', minute(2_000));
  assert.ok(chain && others.length === 0);
  return chain;
}

test('parts, segments and heartbeats make one run, whose coverage is what the last of them tells', async () => {
  const chain = await chainOf([
    begun,
    part(0, 100, 1),
    part(100, SEGMENT, 2),
    part(SEGMENT, 2 * SEGMENT, 3),
    part(2 * SEGMENT, 2 * SEGMENT + 7, 4),
    heartbeat(2 * SEGMENT + 7, 9),
  ]);
  assert.deepEqual(chain.runs, [
    { timeline: 1, start: 0n, end: BigInt(2 * SEGMENT + 7), firstAt: minute(1), at: minute(9) },
  ]);
  assert.equal(chain.cause, 'first');
  assert.equal(chain.objects, 6);
  assert.equal(chain.storedBytes, 60);
});

test('what was sent twice, and what was put again as a whole, is no gap', async () => {
  const chain = await chainOf([begun, part(0, 100, 1), part(50, 300, 2), part(0, SEGMENT, 5), part(300, SEGMENT, 4)]);
  assert.equal(chain.runs.length, 1);
  assert.equal(chain.runs[0]?.end, BigInt(SEGMENT));
});

test('an object that is missing in the middle is a gap, also between segments', async () => {
  const within = await chainOf([begun, part(0, 100, 1), part(200, SEGMENT, 3)]);
  assert.deepEqual(
    within.runs.map(({ start, end, at }) => [start, end, at]),
    [
      [0n, 100n, minute(1)],
      [200n, BigInt(SEGMENT), minute(3)],
    ],
  );
  const between = await chainOf([begun, part(0, SEGMENT, 1), part(2 * SEGMENT, 3 * SEGMENT, 3)]);
  assert.equal(between.runs.length, 2);
});

test('a heartbeat in the middle of the log says nothing of its end', async () => {
  const chain = await chainOf([begun, part(0, 100, 1), heartbeat(50, 8), part(100, 200, 2)]);
  assert.equal(chain.runs[0]?.at.getTime(), minute(2).getTime());
});

test('another timeline is a run of its own', async () => {
  const chain = await chainOf([begun, part(0, 700, 1), { ...OF, kind: 'history', timeline: 2 }, part(0, 900, 2, 2)]);
  assert.deepEqual(
    chain.runs.map(({ timeline, end }) => [timeline, end]),
    [
      [1, 700n],
      [2, 900n],
    ],
  );
  assert.deepEqual(chain.histories, [2]);
});

test('however a log is cut, and whatever of it is stored twice, it is one run and each segment is put together whole', async () => {
  const total = 3 * SEGMENT + 1_000;
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: total - 1 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(cuts, fc.array(fc.nat(11)), async (places, again) => {
      const borders = [...new Set([...places, 0, SEGMENT, 2 * SEGMENT, 3 * SEGMENT, total])].sort((a, b) => a - b);
      const parts = borders.slice(1).map((end, i) => part(borders[i] as number, end, i));
      // sent again after a crash of the server: from a place before, to another end
      const twice = again.flatMap((i) => {
        const [start, end] = [borders[i], borders[i + 1]];
        if (start === undefined || end === undefined || end - start < 2 || end - start === SEGMENT) return [];
        return [part(start, end - 1, i)];
      });
      const objects = [begun, ...parts, ...twice];
      const chain = await chainOf(objects);
      assert.equal(chain.runs.length, 1);
      assert.equal(chain.runs[0]?.end, BigInt(total));
      const bytes = objects.flatMap((object) =>
        object.kind === 'part' || object.kind === 'segment' ? [{ key: logKey('', object), object } as LogBytes] : [],
      );
      const segments = segmentsFrom(bytes, SEGMENT);
      assert.deepEqual(
        segments.map((each) => [each.start, each.bytes]),
        [0, 1, 2, 3].map((n) => [BigInt(n * SEGMENT), n === 3 ? 1_000 : SEGMENT]),
      );
    }),
    { numRuns: 200 },
  );
});

test('a segment with a hole ends at the hole, one without a beginning is left out', () => {
  const bytes = [part(10, 20, 1), part(SEGMENT, SEGMENT + 5, 1), part(SEGMENT + 6, SEGMENT + 9, 1)].map(
    (object) => ({ key: logKey('', object), object }) as LogBytes,
  );
  assert.deepEqual(
    segmentsFrom(bytes, SEGMENT).map((each) => [each.start, each.bytes]),
    [[BigInt(SEGMENT), 5]],
  );
});

test('the history of a timeline is where each was left', () => {
  const text = '1\t0/3000110\tno recovery target specified\n\n2\t0/5000000\tbefore 2026-11-27 09:00:00+00\n';
  const history = historyOf(3, text);
  assert.deepEqual(history, [
    { timeline: 1, start: 0n, end: parseLsn('0/3000110') },
    { timeline: 2, start: parseLsn('0/3000110'), end: parseLsn('0/5000000') },
    { timeline: 3, start: parseLsn('0/5000000'), end: undefined },
  ]);
  assert.equal(isInHistory(history, 1, 0x3000110n), true);
  assert.equal(isInHistory(history, 1, 0x3000111n), false);
  assert.equal(isInHistory(history, 4, 0n), false);
  assert.deepEqual(historyOf(1, undefined), [{ timeline: 1, start: 0n, end: undefined }]);
  assert.throws(() => historyOf(2, 'nonsense'), /a line that is none: "nonsense"/);
});

test('the objects of a chain come out of it with the keys and sizes that they were listed with', async () => {
  const second = segmentName(2, BigInt(SEGMENT), SEGMENT);
  const listed: LogObject[] = [
    begun,
    { ...OF, kind: 'history', timeline: 2 },
    { ...OF, kind: 'mark', name: 'before it', lsn: 0x1234n, at: minute(1) },
    part(0, 100, 1),
    { ...part(100, 200, 1), twin: '0000' } as LogObject,
    { ...part(100, 200, 1), twin: 'ffff', compression: 'none' } as LogObject,
    part(0, SEGMENT, 2),
    { ...OF, kind: 'part', segment: second, start: 0, end: 5, at: minute(4), compression: 'gzip', encrypted: true },
    { ...OF, kind: 'segment', segment: second, at: minute(5), compression: 'none', encrypted: true },
    heartbeat(7, 6),
  ];
  const objects = listed.map((object, i) => ({ key: logKey('prod', object), sizeBytes: 2 ** 30 + i }));
  const [chain] = await readChains(objects.toReversed(), 'prod', minute(2_000));
  const found = [...(chain?.contents ?? [])].map(({ key, sizeBytes }) => ({ key, sizeBytes }));
  const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
  assert.deepEqual(found.sort(byKey), objects.sort(byKey));
});
