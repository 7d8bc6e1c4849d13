import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { keepTablespacesInside } from '../../../../scripts/lib/engines/postgres/recovery/made-tablespaces.ts';
import { OperatorError } from '../../../../scripts/lib/errors.ts';
import { temporaryFolder } from '../../../support/folders.ts';

const SEGMENT = 2 ** 20;
const PAGE = 8192;
const START = 0x3000000n;

function crc32c(...pieces: readonly Uint8Array[]): number {
  let crc = 0xffff_ffff;
  for (const piece of pieces)
    for (const byte of piece) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
    }
  return (crc ^ 0xffff_ffff) >>> 0;
}

/** As the server writes CREATE TABLESPACE. */
function record(oid: number, path: string): Buffer {
  const data = Buffer.alloc(4 + Buffer.byteLength(path) + 1);
  data.writeUInt32LE(oid);
  data.write(path, 4);
  const body = Buffer.concat([Buffer.from([255, data.length]), data]);
  const header = Buffer.alloc(24);
  header.writeUInt32LE(header.length + body.length, 0);
  header.writeUInt32LE(777, 4);
  header.writeBigUInt64LE(START - 64n, 8);
  header[17] = 5;
  header.writeUInt32LE(crc32c(body, header.subarray(0, 20)), 20);
  return Buffer.concat([header, body]);
}

/** A segment with these bytes from a place on, past the headers of pages; what does not fit is returned. */
function segmentWith(bytes: Buffer, at: number): { segment: Buffer; rest: Buffer } {
  const segment = Buffer.alloc(SEGMENT);
  for (let page = 0; page < SEGMENT; page += PAGE) segment.writeBigUInt64LE(START + BigInt(page), page + 8);
  let place = at;
  for (const [i, byte] of bytes.entries()) {
    if (place % PAGE === 0) place += place === 0 ? 40 : 24;
    if (place >= SEGMENT) return { segment, rest: bytes.subarray(i) };
    segment[place] = byte;
    place += 1;
  }
  return { segment, rest: Buffer.alloc(0) };
}

function written(segment: Buffer): string {
  const path = join(temporaryFolder(), 'segment');
  writeFileSync(path, segment);
  return path;
}

const LOCATION = '/srv/fast disk';
// each place where a page may cut it, and the middle of one
for (const before of [8, 16, 24, 32, 40, 48, 4_000]) {
  test(`a tablespace that is made ${before} bytes before the end of a page is made inside`, async () => {
    const made = record(16_999, LOCATION);
    const at = 3 * PAGE - before;
    const path = written(segmentWith(made, at).segment);
    assert.deepEqual(await keepTablespacesInside(path), [{ oid: '16999', location: LOCATION }]);
    const changed = readFileSync(path);
    assert.ok(!changed.includes('/srv'), 'its path is gone');
    // the same record without one, whose checksum is right
    const without = Buffer.from(made);
    without.fill(0, 24 + 2 + 4);
    without.writeUInt32LE(crc32c(without.subarray(24), without.subarray(0, 20)), 20);
    assert.ok(changed.equals(segmentWith(without, at).segment));
    // and there is nothing more to do
    assert.deepEqual(await keepTablespacesInside(path), []);
  });
}

test('what only looks like one is left alone', async () => {
  const broken = record(16_999, LOCATION);
  broken[30] = 1;
  const { segment } = segmentWith(broken, 5 * PAGE + 104);
  const path = written(segment);
  assert.deepEqual(await keepTablespacesInside(path), []);
  assert.ok(readFileSync(path).equals(segment));
});

for (const before of [8, 16, 24, 32]) {
  test(`one that is made ${before} bytes before the end of a segment is refused, in one of the two`, async () => {
    const { segment, rest } = segmentWith(record(16_999, LOCATION), SEGMENT - before);
    const next = segmentWith(rest, 40).segment;
    next.writeUInt16LE(1, 2);
    next.writeUInt32LE(rest.length, 16);
    const refused = await Promise.allSettled([segment, next].map((each) => keepTablespacesInside(written(each))));
    const reasons = refused.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
    assert.ok(reasons.length > 0);
    for (const reason of reasons)
      assert.ok(reason instanceof OperatorError && reason.code === 'RESTORE_REFUSED', `${reason}`);
  });
}
