#!/usr/bin/env tsx
// targets.ts [TARGETS] [MINUTES]: writes for that many minutes by several sessions at once, takes the log and bases meanwhile, with a
// gap, and then recovers the server to random moments, transactions, positions and marks. What is there must be exactly what the
// server's own log says was committed by then; what is not covered must be refused. Results: docs/reliability.md.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { configure } from '../../scripts/lib/config/config.ts';
import { formatLsn, parseLsn } from '../../scripts/lib/log/lsn.ts';
import { openLog } from '../../scripts/lib/log/store.ts';
import { openServerLog, planMoment } from '../../scripts/lib/moment/plan.ts';
import { recoverPlan } from '../../scripts/lib/moment/recover.ts';
import { targetOf } from '../../scripts/lib/moment/target.ts';
import { openRepository } from '../../scripts/lib/repository/repository.ts';
import { print } from '../../scripts/lib/terminal/log.ts';
import { startCluster } from '../support/cluster.ts';
import { bundledVerbs } from '../support/long-run.ts';
import { until } from '../support/sessions.ts';

const [targets = 200, minutes = 20] = process.argv.slice(2).map(Number);
const verbs = await bundledVerbs();
const cluster = await startCluster({
  settings: ['wal_keep_size=20GB', 'checkpoint_timeout=1min', 'max_wal_size=10GB'],
});
for (const name of ['notes', 'store']) mkdirSync(join(verbs.folder, name));
const env = {
  ...cluster.env('postgres'),
  BACKUP_DIR: join(verbs.folder, 'store'),
  DRILL_DIR: join(verbs.folder, 'notes'),
  PITR: 'true',
  PITR_INTERVAL: '1s',
};
await cluster.sql('postgres', 'create table ledger (xid bigint, n int, v text)');
const random = (from: number, to: number) => from + Math.random() * (to - from);
const streams = () =>
  until('the receiver streams', async () => {
    const rows = await cluster.sql(
      'postgres',
      "select from pg_replication_slots where slot_name like 'cdb%' and active",
    );
    return rows.length > 0 ? true : undefined;
  });
const ended = (child: ChildProcess) => new Promise((resolve) => child.once('exit', resolve));

let isOver = false;
async function write(): Promise<void> {
  const client = await cluster.connect('postgres');
  while (!isOver) {
    await client.query('begin');
    const rows = Math.ceil(random(0, 5));
    const insert =
      'insert into ledger select txid_current(), n, repeat(md5(n::text), 30) from generate_series(1, $1::int) n';
    await client.query(insert, [rows]);
    if (Math.random() < 0.2) {
      await client.query('savepoint s');
      await client.query(insert, [rows]);
      if (Math.random() < 0.5) await client.query('rollback to s');
    }
    if (Math.random() < 0.1) await sleep(random(0, 3_000));
    await client.query(Math.random() < 0.1 ? 'rollback' : 'commit');
    await sleep(random(0, 120));
  }
  await client.end();
}

let receiver = verbs.start('receive', [], env);
const startedAt = new Date();
await streams();
await until(
  'there is a base',
  async () => (await verbs.run('list', ['--pitr', '--json'], env)).includes('base/') || undefined,
);
const writers = [write(), write(), write(), write()];
const third = (minutes * 60_000) / 4;
const marks: { name: string; lsn: string }[] = [];
const mark = async (name: string) => {
  marks.push(JSON.parse(await verbs.run('mark', [name, '--json'], env)));
};
await sleep(third);
await mark('first');
await verbs.run('base', [], env);
await sleep(third);
await mark('second');
// a gap: the receiver away, and its slot dropped
receiver.kill('SIGTERM');
await ended(receiver);
const gapFrom = new Date();
await verbs.run('pitr', ['off'], env);
await sleep(Math.min(20_000, third));
receiver = verbs.start('receive', [], env);
await streams();
await until('the new chain has a base', async () => {
  const { servers } = JSON.parse(await verbs.run('list', ['--pitr', '--json'], env));
  return (servers ?? [])[0]?.recoverable?.length > 1 ? true : undefined;
});
const gapTo = new Date();
await sleep(third);
await mark('third');
await verbs.run('base', [], env);
await sleep(third);
isOver = true;
await Promise.all(writers);
const endedAt = new Date();
await sleep(1_500);
receiver.kill('SIGTERM');
await ended(receiver);

// the order of the log, by the server's own reader
const first = '000000010000000000000001';
const [{ last }] = await cluster.sql('postgres', 'select pg_walfile_name(pg_current_wal_insert_lsn()) as last');
const dumped = await cluster
  .program('pg_waldump', ['--rmgr=Transaction', '--path', join(cluster.data, 'pg_wal'), first, last])
  .catch((error: { stdout?: string }) => error.stdout ?? '');
const zone = (await cluster.sql('postgres', 'show timezone'))[0].TimeZone;
/** Where each commit's record begins, and the next one. */
const order: { xid: string; at: string; lsn: bigint; next: bigint }[] = [];
for (const line of dumped.split('\n')) {
  const match =
    /tx: +(\d+), lsn: ([0-9A-F/]+), .*desc: COMMIT (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}) (\S+?);?( |$)/.exec(line);
  const previous = order.at(-1);
  const lsn = parseLsn(/lsn: ([0-9A-F/]+)/.exec(line)?.[1] ?? '');
  if (previous && previous.next === 0n && lsn !== undefined) previous.next = lsn;
  if (match) order.push({ xid: match[1] ?? '', at: `${match[3]?.replace(' ', 'T')}Z`, lsn: lsn ?? 0n, next: 0n });
}
assert.ok(order.length > 100, `the log has commits (${order.length}; time zone ${zone})`);
const ledger = new Set(
  (await cluster.sql('postgres', 'select distinct xid::text as xid from ledger')).map(({ xid }) => xid as string),
);
await cluster.stop();
print(
  `${order.length} commits in ${minutes} minutes, ${ledger.size} of the ledger; a gap from ${gapFrom.toISOString()} to ${gapTo.toISOString()}`,
);

const config = configure({ PATH: process.env.PATH ?? '', ...env });
const repository = await openRepository(config.repository);
const store = openLog(repository);
const { signal } = new AbortController();
const serverLog = await openServerLog(store, '127.0.0.1', signal);
const micros = (from: Date, to: Date) => {
  const at = new Date(random(from.getTime(), to.getTime()));
  return at.toISOString().replace('Z', `${String(Math.floor(random(0, 1_000))).padStart(3, '0')}Z`);
};
const counts = { exact: 0, refused: 0, wrong: 0 };
const kinds: Record<string, number> = {};
for (let i = 1; i <= targets; i += 1) {
  const pick = order[Math.floor(random(0, order.length))];
  const dice = Math.random();
  let words: { at?: string; xid?: string; lsn?: string; mark?: string };
  if (dice < 0.5) words = { at: micros(startedAt, endedAt) };
  // between two commits of the same second, and exactly at one
  else if (dice < 0.65) words = { at: pick?.at ?? '' };
  else if (dice < 0.75) words = { xid: pick?.xid ?? '' };
  else if (dice < 0.85) words = { lsn: formatLsn(pick?.next || 0n) };
  else if (dice < 0.9) words = { mark: marks[Math.floor(random(0, marks.length))]?.name ?? '' };
  else if (dice < 0.93) words = { at: micros(new Date(startedAt.getTime() - 600_000), startedAt) };
  else if (dice < 0.96) words = { at: micros(gapFrom, gapTo) };
  else words = { at: micros(new Date(endedAt.getTime() + 60_000), new Date(endedAt.getTime() + 6_000_000)) };
  const target = targetOf(words);
  assert.ok(target);
  const plan = await planMoment(serverLog, target);
  kinds[target.kind] = (kinds[target.kind] ?? 0) + 1;
  const marked = marks.find(({ name }) => name === words.mark);
  const upTo = words.at ?? '';
  const stop = order.findIndex(({ at, lsn }, place) => {
    if (words.at !== undefined) return at > upTo;
    if (words.xid !== undefined) return place > 0 && order[place - 1]?.xid === words.xid;
    const before = parseLsn(words.lsn ?? marked?.lsn ?? '') ?? 0n;
    return lsn >= before;
  });
  const name = JSON.stringify(words);
  if (!('manifest' in plan)) {
    const at = words.at === undefined ? new Date(order[Math.max(0, stop - 1)]?.at ?? 0) : new Date(upTo);
    const isCovered = serverLog.bases.length > 0 && (await coveredBy(at));
    counts[isCovered ? 'wrong' : 'refused'] += 1;
    if (isCovered) print(`WRONG: ${name} was refused: ${plan.kind}`);
    continue;
  }
  try {
    const recovered = await recoverPlan({ config, repository, store, plan, signal });
    const client = new pg.Client({
      host: recovered.host,
      port: recovered.port,
      user: recovered.user,
      database: 'postgres',
    });
    await client.connect();
    const found = new Set(
      (await client.query<{ xid: string }>('select distinct xid::text as xid from ledger')).rows.map(({ xid }) => xid),
    );
    await client.end();
    await recovered.stop();
    const expected = new Set(
      (stop < 0 ? order : order.slice(0, stop)).map(({ xid }) => xid).filter((xid) => ledger.has(xid)),
    );
    const isExact = found.size === expected.size && [...expected].every((xid) => found.has(xid));
    counts[isExact ? 'exact' : 'wrong'] += 1;
    if (!isExact)
      print(`WRONG: ${name}: ${found.size} transactions are there, ${expected.size} were committed by then`);
  } catch (error) {
    // of a transaction that is in no stored log the log itself tells
    const isGap = words.xid !== undefined && /is not in the log/.test(String(error));
    const at = order.find(({ xid }) => xid === words.xid)?.at;
    const isCovered = at !== undefined && (await coveredBy(new Date(at)));
    counts[isGap && !isCovered ? 'refused' : 'wrong'] += 1;
    if (!isGap || isCovered) print(`WRONG: ${name}: ${error}`);
  }
  if (i % 20 === 0) print(`${i} targets: ${JSON.stringify(counts)}`);
}
print(
  `${targets} targets (${JSON.stringify(kinds)}): ${counts.exact} exact, ${counts.refused} refused, ${counts.wrong} wrong`,
);
assert.equal(counts.wrong, 0);
repository.close();
verbs.remove();
process.exit(0);

/** Whether a base had ended by then and the log goes on from it beyond: told from when what was running, not from a listing. */
async function coveredBy(at: Date): Promise<boolean> {
  for (const base of serverLog.bases) {
    const { manifest } = await serverLog.reach(base);
    const from = new Date(manifest.endedAt);
    const isBeforeGap = from < gapFrom;
    // what was written in the last moments before the receiver's end is not told from what came after
    const to = new Date((isBeforeGap ? gapFrom : endedAt).getTime() - 6_000);
    if (at >= from && at <= to) return true;
  }
  return false;
}
