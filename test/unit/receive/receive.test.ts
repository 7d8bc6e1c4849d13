import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { configure } from '../../../scripts/lib/config/config.ts';
import {
  findingsOf,
  type ServerFacts,
  waitsForUs,
} from '../../../scripts/lib/engines/postgres/walsender/server-facts.ts';
import { newCoverage } from '../../../scripts/lib/receive/coverage.ts';
import { digest, newCutter, OtherBytes, type Part } from '../../../scripts/lib/receive/cutter.ts';
import { newPace } from '../../../scripts/lib/receive/pace.ts';

const MIB = 2 ** 20;
/** A pattern that begins again after 64 KiB, and in which every place within that can be told from the others. */
const PATTERN = Buffer.from(Array.from({ length: 1 << 16 }, (_, i) => (i * 31 + (i >> 8)) & 255));

const bytesAt = (start: number, length: number) => {
  const at = start % PATTERN.length;
  return length === 0
    ? Buffer.alloc(0)
    : Buffer.alloc(length, Buffer.concat([PATTERN.subarray(at), PATTERN.subarray(0, at)]));
};

test('however the log comes, its parts are its bytes, in order, and none crosses a segment', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ size: fc.integer({ min: 1, max: 700_000 }), cut: fc.boolean(), again: fc.nat(5_000) }), {
        maxLength: 12,
      }),
      (steps) => {
        const cutter = newCutter(MIB, { timeline: 1, stored: 0n });
        const parts: Part[] = [];
        let at = 0;
        for (const { size, cut, again } of steps) {
          const from = Math.max(0, at - again);
          parts.push(...cutter.append(BigInt(from), bytesAt(from, at - from + size)));
          at += size;
          const part = cut ? cutter.cut() : undefined;
          if (part) parts.push(part);
        }
        const rest = cutter.cut();
        if (rest) parts.push(rest);
        let next = 0n;
        for (const part of parts.filter(({ isAgain }) => !isAgain)) {
          assert.equal(part.lsn, next);
          assert.equal(part.endLsn - part.lsn, BigInt(part.raw.length));
          assert.ok(part.end <= MIB && part.start === Number(part.lsn % BigInt(MIB)));
          assert.ok(part.raw.equals(bytesAt(Number(part.lsn), part.raw.length)));
          next = part.endLsn;
        }
        assert.equal(next, BigInt(at));
        for (const whole of parts.filter(({ isAgain }) => isAgain)) assert.equal(whole.raw.length, MIB);
      },
    ),
    { numRuns: 100 },
  );
});

test('a segment of many parts comes once more as a whole', () => {
  const cutter = newCutter(MIB, { timeline: 1, stored: 0n });
  const size = MIB / 16;
  const parts: Part[] = [];
  for (let i = 0; i < 16; i += 1) {
    parts.push(...cutter.append(BigInt(i * size), bytesAt(i * size, size)));
    const part = cutter.cut();
    if (part) parts.push(part);
  }
  const again = parts.filter(({ isAgain }) => isAgain);
  assert.deepEqual(
    again.map(({ start, end }) => [start, end]),
    [[0, MIB]],
  );
  assert.ok(again[0]?.raw.equals(bytesAt(0, MIB)));
});

test('a run goes on behind what is stored, and knows the server by what it stored last', () => {
  const stored = BigInt(MIB + 500);
  const last = { lsn: BigInt(MIB + 400), endLsn: stored, sha256: digest(bytesAt(MIB + 400, 100)) };
  const cutter = newCutter(MIB, { timeline: 1, stored, known: [last] });
  assert.equal(cutter.wanted, BigInt(MIB), 'from the beginning of the segment');
  assert.deepEqual(cutter.append(BigInt(MIB), bytesAt(MIB, 600)), []);
  const part = cutter.cut();
  assert.deepEqual([part?.lsn, part?.endLsn], [stored, BigInt(MIB + 600)]);
  const other = newCutter(MIB, { timeline: 1, stored, known: [last] });
  const changed = bytesAt(MIB, 600);
  changed[450] = (changed[450] ?? 0) ^ 1;
  assert.throws(() => other.append(BigInt(MIB), changed), OtherBytes);
  // and while it runs, after a connection that was lost
  assert.throws(() => cutter.append(BigInt(MIB), changed), OtherBytes);
  // it comes again in pieces, each of which holds only some of what is known
  for (let at = 0; at < 600; at += 50) assert.deepEqual(cutter.append(BigInt(MIB + at), bytesAt(MIB + at, 50)), []);
  assert.throws(() => cutter.append(BigInt(MIB + 400), changed.subarray(400, 500)), OtherBytes);
  assert.throws(() => cutter.append(BigInt(MIB + 700), bytesAt(0, 1)), /left out/);
});

test('a position covers the newest moment of which the server said that its log had been flushed no farther', () => {
  const at = (ms: number) => new Date(1_800_000_000_000 + ms);
  const coverage = newCoverage(at(0));
  // a backlog: the server is far ahead of what comes
  coverage.observe(1_000n, at(5_000));
  assert.equal(coverage.reached(500n).getTime(), at(0).getTime(), 'nothing newer is known to be below it');
  coverage.observe(1_000n, at(9_000));
  coverage.observe(2_000n, at(20_000));
  assert.equal(coverage.reached(999n).getTime(), at(0).getTime());
  // less what a commit takes to be flushed
  assert.equal(coverage.reached(1_000n).getTime(), at(8_800).getTime());
  assert.equal(coverage.reached(1_999n).getTime(), at(8_800).getTime());
  assert.equal(coverage.reached(2_000n).getTime(), at(19_800).getTime());
  // idle: the same position, later
  coverage.observe(2_000n, at(60_000));
  assert.equal(coverage.reached(2_000n).getTime(), at(59_800).getTime());
});

test('an idle server waits a second, a busy one the interval, and no day has more parts than intervals and a dozen', () => {
  const pace = newPace(5_000, 0);
  assert.equal(pace.delayMs(0), 1_000);
  let now = 0;
  let parts = 0;
  while (now < 86_400_000) {
    now += pace.delayMs(now);
    pace.cut(now);
    parts += 1;
  }
  assert.ok(parts <= 86_400 / 5 + 12, `${parts}`);
  assert.ok(parts > 86_400 / 5 - 12, `${parts}`);
  assert.equal(newPace(60_000, 0).delayMs(3_600_000), 1_000);
});

test('who is a synchronous standby by its name is known', () => {
  for (const names of ['*', 'compose-db-backup', 'FIRST 1 (a, "compose-db-backup")', 'ANY 2 (a,b,*)', '2 (*)']) {
    assert.equal(waitsForUs(names), true, names);
  }
  for (const names of ['', 'replica1', 'FIRST 1 (a, b)', '"compose-db-backup-2"'])
    assert.equal(waitsForUs(names), false, names);
});

test('what a server lacks is said with the line that mends it, all at once', () => {
  const [server] = configure({ PITR: 'true', POSTGRES_USER: 'backup' }).servers;
  assert.ok(server);
  const good: ServerFacts = {
    versionNum: 180_001,
    walLevel: 'replica',
    segmentBytes: 16 * MIB,
    maxWalSenders: 10,
    maxReplicationSlots: 10,
    usedSlots: 0,
    walSenderTimeoutMs: 60_000,
    slotKeepBytes: 2 ** 30,
    synchronousStandbyNames: '',
    mayReplicate: true,
    mayMark: true,
    isStandby: false,
    leftSlots: [],
  };
  const said = (changed: Partial<ServerFacts>, isSynchronous = false) =>
    findingsOf({ ...good, ...changed }, server.source, isSynchronous).map(
      ({ kind, what, how }) => `${kind}: ${what} → ${how}`,
    );
  assert.deepEqual(said({}), []);
  const all = said({
    versionNum: 140_000,
    walLevel: 'minimal',
    maxWalSenders: 0,
    maxReplicationSlots: 0,
    mayReplicate: false,
    synchronousStandbyNames: '*',
  });
  assert.equal(all.filter((line) => line.startsWith('lacks')).length, 6);
  assert.match(all.join('\n'), /backup may not take the log → ALTER ROLE "backup" REPLICATION;/);
  assert.match(all.join('\n'), /ALTER SYSTEM SET wal_level = 'replica'/);
  assert.deepEqual(said({ synchronousStandbyNames: '*' }, true), []);
  assert.match(
    said({ leftSlots: [{ name: 'cdb_1a2b3c4d_20261127t092000z', retainedBytes: 2 ** 30 }] }).join(),
    /^warns: nobody streams by the slot cdb_1a2b.*keeps 1\.0 GiB .*SELECT pg_drop_replication_slot\('cdb_1a2b/,
  );
  assert.match(
    said({ slotKeepBytes: undefined }).join(),
    /^warns: max_slot_wal_keep_size is not set.*ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf\(\);/,
  );
  assert.match(
    said({ mayMark: false }).join(),
    /^warns: .*GRANT EXECUTE ON FUNCTION pg_create_restore_point\(text\) TO "backup";/,
  );
});
