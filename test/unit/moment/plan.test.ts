import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BaseManifest } from '../../../scripts/lib/log/base-manifest.ts';
import type { ChainLog } from '../../../scripts/lib/log/catalog.ts';
import { newChain } from '../../../scripts/lib/log/keys.ts';
import type { StoredBase } from '../../../scripts/lib/log/store.ts';
import { baseAlone } from '../../../scripts/lib/moment/path.ts';
import { planEnd, planMoment, recoverableRanges, type ServerLog } from '../../../scripts/lib/moment/plan.ts';

const [OURS, ANOTHER] = ['7446112233445566778', '7446112233445599999'];
const at = (minute: number) => new Date(Date.UTC(2026, 10, 27, 9, minute));

/** A chain that was taken from one minute to another, with a base at its beginning. */
function taken(system: string, from: number, to: number, marks: readonly string[] = []) {
  const id = newChain(at(from), system);
  const mark = (name: string) => ({ name, lsn: 0x1000000n, at: at(to) });
  const chain = { server: 'db', id, cause: 'first', segmentBytes: 2 ** 24, runs: [], lastAt: at(to) };
  const stored = { stem: id.chain, server: 'db', createdAt: at(from), hasManifest: true, archives: [], sizeBytes: 1 };
  const manifest = {
    ...{ chain: id.chain, systemIdentifier: system, timeline: 1, startLsn: '0/1000000', endLsn: '0/1000000' },
    ...{ startedAt: at(from).toISOString(), endedAt: at(from).toISOString(), walSegmentBytes: 2 ** 24 },
  } as unknown as BaseManifest;
  const path = { ...baseAlone(manifest), end: 0x2000000n, coverage: at(to) };
  return {
    chain: { ...chain, marks: marks.map(mark) } as unknown as ChainLog,
    base: stored as StoredBase,
    manifest,
    path,
  };
}
type Taken = ReturnType<typeof taken>;

function logOf(all: readonly Taken[], live?: Taken): ServerLog {
  const newestFirst = all.toSorted((a, b) => b.base.createdAt.getTime() - a.base.createdAt.getTime());
  return {
    server: 'db',
    chains: all.map(({ chain }) => chain),
    bases: newestFirst.map(({ base }) => base),
    live: live && { systemIdentifier: live.chain.id.systemIdentifier, chain: live.chain },
    reach: async (base) => {
      const found = all.find((each) => each.base.stem === base.stem) as Taken;
      return { ...found, histories: new Map(), storedLogBytes: 0 };
    },
  };
}

const baseOf = async (log: ServerLog, minute: number) => {
  const found = await planMoment(log, { kind: 'time', time: '', at: at(minute) });
  return 'manifest' in found ? found.base.stem : found.kind;
};

test('of two servers that store their logs under one name, the one that runs is restored from its own', async () => {
  const ours = taken(OURS, 0, 50);
  const another = taken(ANOTHER, 10, 50);
  const log = logOf([ours, another], ours);
  assert.equal(await baseOf(log, 40), ours.base.stem, 'although the other has the newer base');
  assert.equal(await baseOf(logOf([ours, another], another), 40), another.base.stem);
  assert.equal(await baseOf(logOf([ours, another], another), 5), 'of another', 'it was not there then');
  // the last seconds of our own are not stored yet
  const late = taken(OURS, 0, 39);
  assert.equal(await baseOf(logOf([late, another], late), 40), 'after the end');
  assert.equal((await planEnd(log))?.base.stem, ours.base.stem);
  assert.deepEqual(await recoverableRanges(log), [{ from: at(0), to: at(50) }]);
});

test('a server that was recreated is restored from the log of the one before it', async () => {
  const before = taken(OURS, 0, 20);
  const now = taken(ANOTHER, 21, 50);
  const log = logOf([before, now], now);
  assert.equal(await baseOf(log, 10), before.base.stem);
  assert.equal(await baseOf(log, 40), now.base.stem);
});

test('a copy of a server is restored from its own log, and from that of before it was copied', async () => {
  const original = taken(OURS, 0, 50);
  const copy = taken(OURS, 20, 50);
  assert.equal(await baseOf(logOf([original, copy], original), 40), original.base.stem);
  assert.equal(await baseOf(logOf([original, copy], copy), 40), copy.base.stem);
  assert.equal(await baseOf(logOf([original, copy], copy), 10), original.base.stem);
  const late = taken(OURS, 20, 39);
  assert.equal(await baseOf(logOf([original, late], late), 40), 'after the end');
});

test('of two marks of one name the server’s own counts', async () => {
  const ours = taken(OURS, 0, 49, ['before-migration']);
  const another = taken(ANOTHER, 10, 50, ['before-migration']);
  const found = await planMoment(logOf([ours, another], ours), { kind: 'mark', name: 'before-migration' });
  assert.equal('manifest' in found && found.base.stem, ours.base.stem);
});

test('with the server gone, the newest base is taken, as with one server alone', async () => {
  const log = logOf([taken(OURS, 0, 50), taken(ANOTHER, 10, 50)]);
  assert.equal(await baseOf(log, 40), log.bases[0]?.stem);
});

test('a transaction that was under way when the base ended is looked for after it', async () => {
  const only = taken(OURS, 0, 30);
  Object.assign(only.manifest, { nextXid: '750', oldestXid: '741' });
  const of = async (xid: string) => {
    const found = await planMoment(logOf([only]), { kind: 'xid', xid });
    return 'manifest' in found ? found.stopsAt : found.kind;
  };
  assert.deepEqual(await of('745'), { kind: 'xid', xid: '745' });
  assert.deepEqual(await of('751'), { kind: 'xid', xid: '751' });
  assert.equal(await of('740'), 'before the first base');
});
