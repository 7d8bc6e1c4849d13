#!/usr/bin/env tsx
// log-faults.ts [FAULTS]: lets faults happen between server, receiver and store while much is written: the receiver killed or
// frozen (now and then for two minutes), the network cut, silent or gone without a word, the server restarted or killed, the store
// answering 500, 503 or 403, hanging, cutting connections, losing answers. After each one the slot must come back to the server's
// end, the chain be the same, and have no gap. In the end the server is recovered from what is stored. Results: docs/reliability.md.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { print } from '../../scripts/lib/terminal/log.ts';
import { startCluster } from '../support/cluster.ts';
import { startLink } from '../support/link.ts';
import { chainsOf } from '../support/log.ts';
import { bundledVerbs, recoverToEnd } from '../support/long-run.ts';
import type { Fault } from '../support/s3-double-requests.ts';
import { until } from '../support/sessions.ts';
import { startStore } from '../support/stores.ts';

const faults = Number(process.argv[2] ?? 300);
const verbs = await bundledVerbs();
const cluster = await startCluster({
  settings: ['wal_sender_timeout=5s', 'max_wal_size=2GB', 'checkpoint_timeout=30s', 'wal_keep_size=0'],
});
const { double, storeEnv } = await startStore();
mkdirSync(join(verbs.folder, 'notes'));
const link = await startLink(cluster.port);
const env = {
  ...cluster.env('postgres'),
  POSTGRES_PORT: String(link.port),
  ...storeEnv,
  STORAGE_TIMEOUT: '8s',
  PITR: 'true',
  PITR_INTERVAL: '1s',
  BASE_SCHEDULE: 'off',
  DRILL_DIR: join(verbs.folder, 'notes'),
};
await cluster.sql('postgres', 'create table counter (n int primary key, v text)');
let receiver = verbs.start('receive', [], env);
let n = 0;
let isOver = false;
const writing = (async () => {
  let client: pg.Client | undefined;
  while (!isOver) {
    try {
      client ??= await cluster.connect('postgres');
      await client.query("insert into counter values ($1, repeat('x', 4000))", [n + 1]);
      n += 1;
      await sleep(4);
    } catch (error) {
      // whether one that was cut off is in is looked for
      await client?.end().catch(() => {});
      client = undefined;
      await sleep(200);
      if (/duplicate key/.test(String(error))) n += 1;
    }
  }
  await client?.end();
})();
await until(
  'there is a base',
  async () => (await verbs.run('list', ['--pitr', '--json'], env)).includes('base/') || undefined,
);

const store = (fault: Fault) => async () => {
  double.change({ fault: () => fault });
  await sleep(500 + Math.random() * 4_000);
  double.change({ fault: () => undefined });
};
let frozen = 0;
const kinds: Record<string, () => Promise<void>> = {
  'receiver killed': async () => {
    receiver.kill('SIGKILL');
    await sleep(Math.random() * 2_000);
    receiver = verbs.start('receive', [], env);
  },
  'receiver ended': async () => {
    receiver.kill('SIGTERM');
    await new Promise((resolve) => receiver.once('exit', resolve));
    receiver = verbs.start('receive', [], env);
  },
  'receiver frozen': async () => {
    receiver.kill('SIGSTOP');
    frozen += 1;
    // beyond wal_sender_timeout, now and then by far
    await sleep(frozen % 12 === 1 ? 120_000 : Math.random() * 9_000);
    receiver.kill('SIGCONT');
  },
  'network cut': async () => {
    link.cut(true);
    await sleep(Math.random() * 3_000);
    link.cut(false);
  },
  'network silent': async () => {
    link.silence(true);
    await sleep(Math.random() * 9_000);
    link.silence(false);
  },
  // those that are connected are never told; who connects anew gets through
  'network gone': async () => link.silence(true),
  'server restarted': async () => {
    await cluster.stop();
    await cluster.start();
  },
  'server killed': async () => {
    await cluster.kill();
    await cluster.start();
  },
  'store: 500': store({ status: 500, code: 'InternalError' }),
  'store: 503': store({ status: 503, code: 'SlowDown' }),
  'store: 403': store({ status: 403, code: 'AccessDenied' }),
  'store: hang': store('hang'),
  'store: reset': store('reset'),
  'store: lost answer': store('lost'),
};
const names = Object.keys(kinds);
const done: Record<string, { count: number; longestMs: number }> = {};
let gaps = 0;

/** So long none takes on a machine that has nothing else to do; what there is to see is told then, and waited on. */
const ODD_MS = 60_000;
const NEVER_MS = 600_000;
async function slotBack(name: string, lsn: string): Promise<void> {
  let isTold = false;
  for (const since = Date.now(); ; await sleep(25)) {
    if (receiver.exitCode !== null) throw new Error(`${name}: the receiver has ended with ${receiver.exitCode}`);
    const [row] = await cluster.sql(
      'postgres',
      `select restart_lsn >= '${lsn}' as stored from pg_replication_slots where slot_name like 'cdb%' and not temporary`,
    );
    if (row?.stored) return;
    const waitedMs = Date.now() - since;
    if (waitedMs > NEVER_MS) throw new Error(`${name}: the slot does not come back to ${lsn}`);
    if (isTold || waitedMs < ODD_MS) continue;
    isTold = true;
    const slots = await cluster.sql('postgres', 'select * from pg_replication_slots');
    const senders = await cluster.sql('postgres', 'select * from pg_stat_replication');
    const said = readFileSync(join(verbs.folder, 'said.log'), 'utf8').trimEnd().split('\n').slice(-12);
    print(`${name}: the slot is not back at ${lsn} after ${ODD_MS} ms, at a load of ${loadavg()[0]?.toFixed(1)}`);
    for (const each of [...slots, ...senders]) print(`  ${JSON.stringify(each)}`);
    for (const line of said) print(`  ${line}`);
  }
}

for (let i = 0; i < faults; i += 1) {
  const name = names[i % names.length] ?? '';
  await kinds[name]?.();
  const healedAt = Date.now();
  const [{ lsn }] = await cluster.sql('postgres', 'select pg_current_wal_flush_lsn()::text as lsn');
  await slotBack(name, lsn);
  const seen = done[name] ?? { count: 0, longestMs: 0 };
  done[name] = { count: seen.count + 1, longestMs: Math.max(seen.longestMs, Date.now() - healedAt) };
  // parts are put side by side: a later one may be there some moments before an earlier one
  let chains = await chainsOf(env);
  for (let tries = 0; tries < 20 && chains.length === 1 && chains[0]?.runs.length !== 1; tries += 1) {
    await sleep(1_000);
    chains = await chainsOf(env);
  }
  if (chains.length !== 1 || chains[0]?.runs.length !== 1) {
    gaps += 1;
    print(
      `${name}: ${chains.length} chains, ${chains.map(({ cause, runs }) => `${cause}: ${runs.length} runs`).join(', ')}`,
    );
  }
  if (i % 25 === 24) print(`${i + 1} faults, ${gaps} with a gap or another chain`);
}
isOver = true;
await writing;
receiver.kill('SIGTERM');
await new Promise((resolve) => receiver.once('exit', resolve));
const recovered = await recoverToEnd(env);
const client = new pg.Client({
  host: recovered.host,
  port: recovered.port,
  user: recovered.user,
  database: 'postgres',
});
await client.connect();
const [{ most, all }] = (await client.query('select max(n) as most, count(*)::int as all from counter')).rows;
await client.end();
await recovered.stop();
for (const [name, { count, longestMs }] of Object.entries(done))
  print(`${name.padEnd(20)} ${String(count).padStart(4)}  slot back within ${(longestMs / 1_000).toFixed(1)} s`);
print(`${faults} faults: ${gaps} gaps; ${all} of ${n} commits recovered from the store`);
assert.equal(gaps, 0);
assert.equal(most, n);
assert.equal(all, n);
await cluster.stop();
link.close();
verbs.remove();
process.exit(0);
