import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newChain } from '../../../scripts/lib/log/keys.ts';
import { segmentName } from '../../../scripts/lib/log/lsn.ts';
import { partsBeyond } from '../../../scripts/lib/receive/beyond.ts';
import { newCutter, OtherBytes } from '../../../scripts/lib/receive/cutter.ts';
import { folderOf, logOf } from '../../support/log.ts';

const SEGMENT = 2 ** 20;
const { signal } = new AbortController();

test('what is stored beyond the place that was noted is the server’s when it sends the same again, and else another history', async () => {
  const store = await logOf({ BACKUP_DIR: folderOf('log-store'), POSTGRES_HOST: 'db', PITR: 'true' });
  const { chain } = newChain(new Date('2026-11-27T09:20:00Z'), '7446112233445566778');
  const of = { server: 'db', chain };
  const sent = Buffer.from(Array.from({ length: SEGMENT + 5_000 }, (_, n) => (n * 31 + (n >> 8)) & 255));
  const put = (start: number, end: number) => {
    const segment = segmentName(1, BigInt(start), SEGMENT);
    const [from, to] = [start % SEGMENT, ((end - 1) % SEGMENT) + 1];
    const place = { ...of, segment, start: from, end: to, at: new Date('2026-11-27T09:21:00Z') };
    return store.put(place, sent.subarray(start, end), SEGMENT, signal);
  };
  await put(0, 1_000);
  await put(1_000, 3_000);
  await put(3_000, SEGMENT);
  await put(SEGMENT, SEGMENT + 5_000);

  const beyond = (stored: bigint) => partsBeyond(store, { ...of, timeline: 1, stored, segmentBytes: SEGMENT }, signal);
  assert.deepEqual(await beyond(BigInt(SEGMENT + 5_000)), [], 'all of it was noted');
  const known = await beyond(1_000n);
  assert.deepEqual(
    known.map(({ lsn, endLsn }) => [Number(lsn), Number(endLsn)]),
    [
      [1_000, 3_000],
      [3_000, SEGMENT],
      [SEGMENT, SEGMENT + 5_000],
    ],
  );

  const cutter = () => newCutter(SEGMENT, { timeline: 1, stored: 1_000n, known });
  cutter().append(0n, sent);
  for (const at of [1_500, SEGMENT - 1, SEGMENT + 4_999]) {
    const other = Buffer.from(sent);
    other[at] = (other[at] ?? 0) ^ 0xff;
    assert.throws(() => cutter().append(0n, other), OtherBytes, `another byte at ${at}`);
  }
  // less than the first of them holds: it is to be told before anything of it is stored
  const few = Buffer.from(sent.subarray(0, 1_600));
  cutter().append(0n, few);
  few[1_500] = (few[1_500] ?? 0) ^ 0xff;
  assert.throws(() => cutter().append(0n, few), OtherBytes);
  const bits = cutter();
  for (let at = 0; at < sent.length; at += 7_777) bits.append(BigInt(at), sent.subarray(at, at + 7_777));
  const before = Buffer.from(sent);
  before[500] = (before[500] ?? 0) ^ 0xff;
  cutter().append(0n, before);
});
