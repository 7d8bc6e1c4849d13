import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { baseArchiveKey, baseManifestKey, baseStem, parseBaseKey } from '../../../scripts/lib/log/base-keys.ts';
import {
  CAUSES,
  type ChainCause,
  chainOfSlot,
  type LogObject,
  logKey,
  newChain,
  parseChain,
  parseLogKey,
  slotFamily,
  slotName,
} from '../../../scripts/lib/log/keys.ts';
import { formatLsn, parseLsn, parseSegmentName, segmentName, segmentStart } from '../../../scripts/lib/log/lsn.ts';
import { parseKey } from '../../../scripts/lib/repository/object-key.ts';

const CHAIN = newChain(new Date('2026-11-27T09:20:00.900Z'), '7446112233445566778');
const AT = new Date('2026-11-27T10:11:12.000Z');
const OF = { server: 'db', chain: CHAIN.chain };
const MIB = 2 ** 20;

test('the keys of the log are those that the documentation names', () => {
  const at = { ...OF, segment: '000000010000000000000007', at: AT };
  const how = { compression: 'zstd', encrypted: false } as const;
  const keys: [LogObject, string][] = [
    [{ ...at, ...how, kind: 'segment' }, '000000010000000000000007_20261127T101112Z.zst'],
    [{ ...at, ...how, kind: 'segment', encrypted: true }, '000000010000000000000007_20261127T101112Z.zst.age'],
    [
      { ...at, ...how, kind: 'part', start: 0, end: 0x1f00, compression: 'gzip' },
      '000000010000000000000007/00000000-00001F00_20261127T101112Z.gz',
    ],
    [
      { ...at, ...how, kind: 'part', start: 0, end: 16 * MIB, twin: '0a1b' },
      '000000010000000000000007/00000000-01000000_20261127T101112Z-0a1b.zst',
    ],
    [{ ...at, kind: 'heartbeat', start: 0x1f00 }, '000000010000000000000007/00001F00-00001F00_20261127T101112Z'],
    [{ ...OF, kind: 'history', timeline: 17 }, '00000011.history'],
    [{ ...OF, kind: 'begun', cause: 'slot-lost', segmentBytes: 16 * MIB }, 'begun-slot-lost_16M'],
  ];
  for (const [object, name] of keys) {
    const key = logKey('prod', object);
    assert.equal(key, `prod/wal/db/20261127T092000Z-7446112233445566778/${name}`);
    assert.deepEqual(parseLogKey('prod', key), object);
  }
});

const stamp = fc.date({ min: new Date('2000-01-01'), max: new Date('2200-01-01'), noInvalidDate: true }).map((date) => {
  date.setMilliseconds(0);
  return date;
});
const name = fc
  .string({ minLength: 1, maxLength: 20, unit: 'grapheme' })
  .filter((text) => Buffer.from(text).toString() === text);
const chain = fc.tuple(stamp, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })).map(([at, id]) => newChain(at, String(id)));
const placed = fc.record({
  server: name,
  chain: chain.map(({ chain: text }) => text),
  segment: fc.nat(0xff).map((n) => segmentName(3, BigInt(n) * BigInt(16 * MIB), 16 * MIB)),
  at: stamp,
});
const how = fc.record({ compression: fc.constantFrom('zstd', 'gzip', 'none'), encrypted: fc.boolean() } as const);
const object: fc.Arbitrary<LogObject> = fc.oneof(
  fc.tuple(placed, how).map(([of, stored]) => ({ ...of, ...stored, kind: 'segment' as const })),
  fc
    .tuple(placed, how, fc.nat(2 ** 24), fc.integer({ min: 1, max: 2 ** 24 }), fc.option(fc.nat(0xffff)))
    .map(([of, stored, start, length, twin]) => ({
      ...of,
      ...stored,
      kind: 'part' as const,
      start,
      end: start + length,
      ...(twin === null ? {} : { twin: twin.toString(16).padStart(4, '0') }),
    })),
  fc.tuple(placed, fc.nat(2 ** 30)).map(([of, start]) => ({ ...of, kind: 'heartbeat' as const, start })),
  fc
    .tuple(placed, fc.integer({ min: 1, max: 0xffff_ffff }))
    .map(([{ server, chain: id }, timeline]) => ({ server, chain: id, kind: 'history' as const, timeline })),
  fc.tuple(placed, name, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })).map(([{ server, chain: id, at }, mark, lsn]) => ({
    server,
    chain: id,
    kind: 'mark' as const,
    name: mark,
    lsn,
    at,
  })),
  fc
    .tuple(placed, fc.constantFrom(...(Object.keys(CAUSES) as ChainCause[])), fc.nat(10))
    .map(([{ server, chain: id }, cause, power]) => ({
      server,
      chain: id,
      kind: 'begun' as const,
      cause,
      segmentBytes: MIB * 2 ** power,
    })),
);

test('what is written is read back, whatever the names and places', () => {
  fc.assert(
    fc.property(object, fc.constantFrom('', 'prod', 'a/b'), (each, prefix) => {
      const key = logKey(prefix, each);
      assert.deepEqual(parseLogKey(prefix, key), each);
      assert.equal(parseKey(prefix, key), undefined, 'no backup');
      assert.equal(parseBaseKey(prefix, key), undefined, 'no base');
    }),
  );
});

test('what nobody of ours has written is foreign', () => {
  const folder = 'wal/db/20261127T092000Z-744/';
  for (const key of [
    'wal/db/x',
    `${folder}readme.txt`,
    `${folder}000000010000000000000007`,
    `${folder}000000010000000000000007_20261127T101112Z.bz2`,
    `${folder}000000010000000000000007_20261327T101112Z.zst`,
    `${folder}000000010000000000000007/00001F00-00000000_20261127T101112Z.zst`,
    `${folder}000000010000000000000007/00001F00-00001F00_20261127T101112Z.zst`,
    `${folder}begun-whatever_16M`,
    `${folder}begun-first_17M`,
    `wal/db/20261327T092000Z-744/00000002.history`,
    `wal/d b/20261127T092000Z-744/00000002.history`,
    `other/${folder}00000002.history`,
  ]) {
    assert.equal(parseLogKey('', key), undefined, key);
  }
});

test('a base has the keys of a backup, under base/, with its archives in a folder when there are several', () => {
  const stem = baseStem('prod', 'db', AT);
  assert.equal(stem, 'prod/base/2026/11/27/db_101112');
  const archive = { compression: 'zstd', encrypted: true } as const;
  const keys = [
    baseArchiveKey(stem, archive),
    baseArchiveKey(stem, { ...archive, tablespace: '16385' }),
    baseManifestKey(stem),
  ];
  assert.deepEqual(keys, [`${stem}.tar.zst.age`, `${stem}/16385.tar.zst.age`, `${stem}.json`]);
  const [one, other, manifest] = keys.map((key) => parseBaseKey('prod', key));
  const of = { stem, server: 'db', createdAt: AT };
  assert.deepEqual(one, { ...of, role: 'archive', ...archive });
  assert.deepEqual(other, { ...of, role: 'archive', ...archive, tablespace: '16385' });
  assert.deepEqual(manifest, { ...of, role: 'manifest' });
  for (const key of ['base/2026/11/27/db_101112.sql.gz', 'base/2026/02/30/db_101112.json', `${stem}.json`]) {
    assert.equal(parseBaseKey('', key), undefined, key);
  }
});

test('a slot tells its chain, and belongs to one repository and one server', () => {
  const family = slotFamily('prod', 'db');
  const slot = slotName('prod', 'db', CHAIN);
  assert.match(slot, /^cdb_[0-9a-f]{8}_20261127t092000z$/);
  assert.deepEqual(chainOfSlot(slot, family, CHAIN.systemIdentifier), CHAIN);
  assert.equal(chainOfSlot(slot, slotFamily('', 'db'), CHAIN.systemIdentifier), undefined);
  assert.equal(chainOfSlot(`${family}other`, family, CHAIN.systemIdentifier), undefined);
  assert.equal(parseChain('20261127T092000Z-'), undefined);
});

test('positions and names of segments are as PostgreSQL writes them', () => {
  assert.equal(parseLsn('0/8D0007D0'), 0x8d0007d0n);
  assert.equal(formatLsn(0x8d0007d0n), '0/8D0007D0');
  assert.equal(parseLsn('8D0007D0'), undefined);
  assert.equal(segmentName(1, 0x8d0007d0n, 16 * MIB), '00000001000000000000008D');
  assert.equal(segmentName(2, 0x1_8d0007d0n, 2 ** 30), '000000020000000100000002');
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 2n ** 63n }),
      fc.nat(10).map((power) => MIB * 2 ** power),
      fc.integer({ min: 1, max: 0xffff_ffff }),
      (lsn, segmentBytes, timeline) => {
        assert.equal(parseLsn(formatLsn(lsn)), lsn);
        const start = segmentStart(lsn, segmentBytes);
        assert.deepEqual(parseSegmentName(segmentName(timeline, lsn, segmentBytes), segmentBytes), { timeline, start });
      },
    ),
  );
});
