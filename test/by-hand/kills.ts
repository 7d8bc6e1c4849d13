#!/usr/bin/env tsx
// kills.ts [load|idle|synchronous] [ROUNDS]: kills server and receiver (SIGKILL) at a random moment, recovers the server from what
// is stored alone, and says what of the answered commits is not there. Every upload takes 80 ms more. Results: docs/reliability.md.
//   load         pgbench and a counter, until the kill; the balances of pgbench must agree (PITR_INTERVAL=5s)
//   idle         one commit on a server that does nothing else, killed three seconds later
//   synchronous  as load, with synchronous_standby_names='*' and PITR_SYNCHRONOUS=true: nothing answered may be lost
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { print } from '../../scripts/lib/terminal/log.ts';
import { startCluster } from '../support/cluster.ts';
import { bundledVerbs, recoverToEnd } from '../support/long-run.ts';
import { until } from '../support/sessions.ts';
import { startStore } from '../support/stores.ts';

const [mode = 'load', rounds = '50'] = process.argv.slice(2);
const PUT_MS = 80;
const isSynchronous = mode === 'synchronous';

const verbs = await bundledVerbs();
const cluster = await startCluster({ settings: ['max_wal_size=4GB', 'checkpoint_timeout=1min'] });
const { storeEnv } = await startStore({ delayMs: (operation) => (operation === 'PutObject' ? PUT_MS : 0) });
mkdirSync(join(verbs.folder, 'notes'), { recursive: true });
const env = {
  ...cluster.env('postgres'),
  ...storeEnv,
  PITR: 'true',
  DRILL_DIR: join(verbs.folder, 'notes'),
  ...(isSynchronous ? { PITR_SYNCHRONOUS: 'true' } : {}),
};
await cluster.program('pgbench', ['-i', '-q', '-s', '3', 'postgres']);
await cluster.sql('postgres', 'create table counter (n int primary key, at timestamptz default clock_timestamp())');

const lostMs: number[] = [];
let lostCommits = 0;
let answered = 0;
let torn = 0;
let n = 0;
for (let round = 1; round <= Number(rounds); round += 1) {
  const receiver = verbs.start('receive', [], env);
  await until('the receiver streams', async () => {
    const rows = await cluster.sql(
      'postgres',
      "select from pg_replication_slots where slot_name like 'cdb%' and active",
    );
    return rows.length > 0 ? true : undefined;
  });
  if (isSynchronous && round === 1) {
    await cluster.sql('postgres', "alter system set synchronous_standby_names = '*'");
    await cluster.sql('postgres', 'select pg_reload_conf()');
  }
  if (round === 1) {
    // the receiver takes the first one by itself
    await until(
      'there is a base',
      async () => (await verbs.run('list', ['--pitr', '--json'], env)).includes('base/') || undefined,
    );
  } else if (round % 6 === 1) await verbs.run('base', [], env);

  /** Answered numbers, and when. */
  const answers: { n: number; at: number }[] = [];
  const writer = await cluster.connect('postgres');
  let isOver = false;
  const write = async () => {
    while (!isOver) {
      n += 1;
      const mine = n;
      await writer.query('insert into counter (n) values ($1)', [mine]);
      answers.push({ n: mine, at: Date.now() });
      if (mode === 'idle') return;
      await sleep(5);
    }
  };
  const bench =
    mode === 'idle'
      ? undefined
      : spawn(join(cluster.programs, 'pgbench'), ['-n', '-c', '2', '-T', '600', 'postgres'], {
          env: { ...process.env, PGHOST: '127.0.0.1', PGPORT: String(cluster.port), PGUSER: 'postgres' },
          stdio: 'ignore',
        });
  if (mode === 'idle') await sleep(1_000 + Math.random() * 2_000);
  const writing = write().catch(() => {});
  await (mode === 'idle' ? writing.then(() => sleep(3_000)) : sleep(1_500 + Math.random() * 10_500));
  isOver = true;
  receiver.kill('SIGKILL');
  await cluster.kill();
  const killedAt = Date.now();
  bench?.kill('SIGKILL');
  await writing;
  await writer.end().catch(() => {});

  const recovered = await recoverToEnd(env);
  const client = new pg.Client({
    host: recovered.host,
    port: recovered.port,
    user: recovered.user,
    database: 'postgres',
  });
  await client.connect();
  const there = new Set((await client.query<{ n: number }>('select n from counter')).rows.map((row) => row.n));
  const [sums] = (
    await client.query(`select (select sum(abalance) from pgbench_accounts) a, (select sum(tbalance) from pgbench_tellers) t,
      (select sum(bbalance) from pgbench_branches) b, (select coalesce(sum(delta), 0) from pgbench_history) h`)
  ).rows;
  await client.end();
  await recovered.stop();
  const isTorn = new Set(Object.values(sums as Record<string, string>)).size !== 1;
  const missing = answers.filter((each) => !there.has(each.n));
  const last = answers.filter((each) => there.has(each.n)).at(-1);
  // a hole among what is there would be a torn state too
  const isHole = missing.some((each) => last !== undefined && each.n < last.n);
  if (isTorn || isHole) torn += 1;
  const firstLost = missing[0];
  const lost = firstLost === undefined ? 0 : killedAt - firstLost.at;
  lostMs.push(lost);
  lostCommits += missing.length;
  answered += answers.length;
  print(
    `round ${round}: ${answers.length} answered, ${missing.length} not there, ${(lost / 1_000).toFixed(2)} s lost, balances ${isTorn ? 'DIFFER' : 'agree'}${isHole ? ', A HOLE' : ''}`,
  );
  await cluster.start();
}
const sorted = lostMs.sort((a, b) => a - b);
const at = (part: number) =>
  ((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0) / 1_000).toFixed(2);
print(
  `${mode}: ${rounds} kills, ${answered} answered commits, ${lostCommits} not there; seconds lost p50 ${at(0.5)}, p90 ${at(0.9)}, max ${at(1)}; torn states ${torn}`,
);
assert.equal(torn, 0);
if (mode !== 'load') assert.equal(lostCommits, 0);
else assert.ok(Number(at(0.5)) <= 3 && Number(at(1)) <= 6);
await cluster.stop();
verbs.remove();
process.exit(0);
