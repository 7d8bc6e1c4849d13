import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readChains } from '../../../scripts/lib/log/catalog.ts';
import { type LogObject, logKey, newChain } from '../../../scripts/lib/log/keys.ts';
import { formatLsn, segmentName } from '../../../scripts/lib/log/lsn.ts';
import { gapsOf, rangesOf, reachesOf } from '../../../scripts/lib/log/ranges.ts';

const SEGMENT = 2 ** 20;
const T0 = Date.parse('2026-11-27T09:00:00Z');
const { chain } = newChain(new Date(T0), '744');
const OF = { server: 'db', chain };
const minute = (n: number) => new Date(T0 + n * 60_000);
const begun: LogObject = { ...OF, kind: 'begun', cause: 'first', segmentBytes: SEGMENT };
const part = (start: number, end: number, at: number, timeline = 1): LogObject => ({
  ...{ ...OF, kind: 'part', compression: 'zstd', encrypted: false, at: minute(at) },
  segment: segmentName(timeline, BigInt(start), SEGMENT),
  start: start % SEGMENT,
  end: (start % SEGMENT) + end - start,
});
const base = (lsn: number, at: number, timeline = 1) => {
  const position = formatLsn(BigInt(lsn));
  return { chain, timeline, startLsn: position, endLsn: position, endedAt: minute(at).toISOString() };
};

async function told(objects: readonly LogObject[], bases: ReturnType<typeof base>[]) {
  const chains = await readChains(
    objects.map((object) => ({ key: logKey('', object), sizeBytes: 1 })),
    '',
    minute(100),
  );
  const reaches = reachesOf(bases, chains, { withHistories: true });
  const ranges = rangesOf(reaches);
  const inMinutes = (at: Date) => (at.getTime() - T0) / 60_000;
  return {
    ranges: ranges.map(({ from, to }) => [inMinutes(from), inMinutes(to)]),
    gaps: gapsOf(ranges, chains, reaches).map(({ from, to, isOpen }) => [inMinutes(from), inMinutes(to), isOpen]),
  };
}

test('a hole after the newest base is a gap that nothing comes after, also where log is stored beyond it', async () => {
  const objects = [
    begun,
    part(0, 100, 1),
    part(100, 200, 3),
    part(SEGMENT, SEGMENT + 100, 7),
    part(SEGMENT + 100, SEGMENT + 200, 9),
  ];
  assert.deepEqual(await told(objects, [base(50, 0)]), { ranges: [[0, 3]], gaps: [[3, 9, true]] });
  // another base behind it restores what comes then
  const both = await told(objects, [base(50, 0), base(SEGMENT + 50, 6)]);
  assert.deepEqual(both, {
    ranges: [
      [0, 3],
      [6, 9],
    ],
    gaps: [[3, 6, false]],
  });
  // what a base's own log begins with is missing
  assert.deepEqual(await told(objects, [base(250, 4)]), { ranges: [[4, 4]], gaps: [[4, 9, true]] });
});

test('a timeline whose history is missing restores nothing', async () => {
  const history: LogObject = { ...OF, kind: 'history', timeline: 2 };
  const objects = [begun, part(0, 100, 1), part(0, 300, 5, 2)];
  assert.deepEqual(await told([...objects, history], [base(50, 0)]), { ranges: [[0, 5]], gaps: [] });
  assert.deepEqual(await told(objects, [base(50, 0)]), { ranges: [[0, 1]], gaps: [[1, 5, true]] });
});

test('a segment without its beginning is read by no server', async () => {
  assert.deepEqual(await told([begun, part(40, 300, 5)], [base(50, 0)]), { ranges: [[0, 0]], gaps: [[0, 5, true]] });
});
