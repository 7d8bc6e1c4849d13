import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { findPrograms } from '../../scripts/lib/engines/postgres/server/programs.ts';
import { setChildEnvironment } from '../../scripts/lib/machine/child-environment.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { chainsOf, folderOf } from '../support/log.ts';
import { startHttpReceiver } from '../support/notify-receivers.ts';
import { startStore } from '../support/stores.ts';
import type { Running } from '../support/verbs.ts';
import { runVerb, startVerb, until } from '../support/verbs.ts';

setChildEnvironment(process.env);
const missing = (await findPrograms('initdb')).length === 0 ? 'PostgreSQL is not installed here' : false;
type Env = Record<string, string>;

const envOf = (cluster: Cluster, changed: Env = {}): Env => ({
  ...cluster.env('postgres'),
  ...(changed.S3_ENDPOINT === undefined ? { BACKUP_DIR: folderOf('log-store') } : {}),
  DRILL_DIR: folderOf('notes'),
  PITR: 'true',
  PITR_INTERVAL: '1s',
  BASE_SCHEDULE: 'off',
  CONNECT_TIMEOUT: '3s',
  ...changed,
});
const MEBIBYTE = 2 ** 20;

/** So many megabytes of log, and no more of the data than that. */
const write = (cluster: Cluster, megabytes: number) =>
  cluster.sql(
    'postgres',
    `select count(pg_logical_emit_message(false, 'x', repeat('y', 1048576))) from generate_series(1, ${megabytes})`,
  );

/** Waits until all that the server has written is stored by the newest slot of ours. */
async function untilTaken(cluster: Cluster): Promise<void> {
  await cluster.sql('postgres', "select pg_logical_emit_message(true, 'x', 'the end')");
  const [{ lsn }] = await cluster.sql('postgres', 'select pg_current_wal_flush_lsn()::text as lsn');
  await until(`${lsn} is stored`, async () => {
    const [row] = await cluster
      .sql(
        'postgres',
        `select restart_lsn >= '${lsn}' as stored from pg_replication_slots where slot_name like 'cdb%' and not temporary`,
      )
      .catch(() => []);
    return row?.stored ? true : undefined;
  });
}

async function end(receiver: Running): Promise<string> {
  receiver.signal('SIGTERM');
  const { code, stderr } = await receiver.outcome;
  assert.equal(code, 0, stderr);
  return stderr;
}

const causes = async (env: Env) => (await chainsOf(env)).map(({ cause }) => cause);
const slots = async (cluster: Cluster) =>
  (
    await cluster.sql(
      'postgres',
      "select slot_name from pg_replication_slots where slot_name like 'cdb%' and not temporary",
    )
  ).length;

/** Takes the log until it is stored, lets something happen to the server meanwhile nobody takes it, and takes it again. */
async function takenAgain(cluster: Cluster, env: Env, happens: () => Promise<void>): Promise<string> {
  const first = startVerb('receive', [], env);
  await untilTaken(cluster);
  await end(first);
  await happens();
  const second = startVerb('receive', [], env);
  await untilTaken(cluster);
  return end(second);
}

describe('a log that cannot be gone on with is begun anew, and why is said', { skip: missing }, () => {
  if (missing) return;

  test('the server has removed what was not stored (max_slot_wal_keep_size)', async () => {
    const settings = ['max_slot_wal_keep_size=64MB', 'max_wal_size=64MB', 'min_wal_size=32MB'];
    const cluster = await startCluster({ settings });
    const env = envOf(cluster);
    const said = await takenAgain(cluster, env, async () => {
      await write(cluster, 160);
      await cluster.sql('postgres', 'checkpoint');
      await write(cluster, 40);
      await cluster.sql('postgres', 'checkpoint');
      const status = await runVerb('status', ['--json'], env);
      assert.equal(status.code, 3);
      assert.match(status.json.servers[0].reasons.join('\n'), /wal_status (lost|unreserved)/);
    });
    assert.deepEqual(await causes(env), ['first', 'slot-lost']);
    assert.match(said, /the server had removed log that was not stored yet \(max_slot_wal_keep_size\)/);
    assert.equal(await slots(cluster), 1);
    await cluster.stop();
  });

  /** The data as they are, to set the server back to them later. The server is stopped for it. */
  async function snapshotOf(cluster: Cluster): Promise<() => Promise<void>> {
    const snapshot = `${cluster.data}-snapshot`;
    await cluster.stop();
    cpSync(cluster.data, snapshot, { recursive: true, preserveTimestamps: true });
    await cluster.start();
    return async () => {
      await cluster.stop();
      rmSync(cluster.data, { recursive: true });
      cpSync(snapshot, cluster.data, { recursive: true, preserveTimestamps: true });
      execFileSync('chown', ['-R', '--reference', join(snapshot, '..'), cluster.data]);
      await cluster.start();
    };
  }
  async function taken(cluster: Cluster, env: Env, megabytes: number): Promise<void> {
    const receiver = startVerb('receive', [], env);
    await write(cluster, megabytes);
    await untilTaken(cluster);
    await end(receiver);
  }

  test('the server was set back to a snapshot of its volume, and has written less than was stored, or more', async () => {
    const cluster = await startCluster();
    const env = envOf(cluster);
    await taken(cluster, env, 1);
    const setBack = await snapshotOf(cluster);
    await taken(cluster, env, 40);
    await setBack();
    await taken(cluster, env, 1);
    assert.deepEqual(await causes(env), ['first', 'set-back']);
    // its slot of then is there again, and its log is longer than what is stored of the newest chain
    await setBack();
    await write(cluster, 120);
    await taken(cluster, env, 1);
    assert.deepEqual(await causes(env), ['first', 'set-back', 'set-back']);
    for (const chain of await chainsOf(env)) assert.equal(chain.runs.length, 1, chain.id.chain);
    await cluster.stop();
  });

  test('the server was set back together with what was noted of its log, as with a snapshot of the machine', async () => {
    const cluster = await startCluster();
    const env = envOf(cluster);
    await taken(cluster, env, 1);
    const setBack = await snapshotOf(cluster);
    const notes = folderOf('notes-of-then');
    cpSync(env.DRILL_DIR ?? '', notes, { recursive: true });
    await taken(cluster, env, 40);
    await setBack();
    await write(cluster, 120);
    await taken(cluster, { ...env, DRILL_DIR: notes }, 1);
    assert.deepEqual(await causes(env), ['first', 'mixed']);
    await cluster.stop();
  });

  test('the server was made anew', async () => {
    const cluster = await startCluster();
    const env = envOf(cluster);
    const said = await takenAgain(cluster, env, async () => {
      await cluster.stop();
      const old = `${cluster.data}-old`;
      renameSync(cluster.data, old);
      const other = await startCluster();
      await other.stop();
      cpSync(other.data, cluster.data, { recursive: true });
      cpSync(join(old, 'postgresql.conf'), join(cluster.data, 'postgresql.conf'));
      execFileSync('chown', ['-R', '--reference', join(old, '..'), cluster.data]);
      await cluster.start();
    });
    assert.deepEqual(await causes(env), ['first', 'system']);
    assert.match(said, /the server was replaced by another one, or recreated/);
    await cluster.stop();
  });

  test('a standby that is promoted is followed onto its timeline, in one log without a gap', async () => {
    const primary = await startCluster();
    const standby = await startCluster();
    await standby.stop();
    rmSync(standby.data, { recursive: true });
    mkdirSync(standby.data, { mode: 0o700 });
    await primary.program('pg_basebackup', ['-D', standby.data, '-R', '-c', 'fast']);
    execFileSync('chown', ['-R', '--reference', join(standby.data, '..'), standby.data]);
    execFileSync('sed', ['-i', `s/^port=.*/port=${standby.port}/`, join(standby.data, 'postgresql.conf')]);
    await standby.start();
    const env = envOf(standby);
    const receiver = startVerb('receive', [], env);
    await primary.sql('postgres', 'create table kept (n int); insert into kept select generate_series(1, 1000)');
    await until('the receiver streams', async () => ((await slots(standby)) === 1 ? true : undefined));
    await until('the standby has it', async () =>
      standby.sql('postgres', 'select count(*)::int as n from kept').then(
        ([{ n }]) => (n === 1000 ? true : undefined),
        () => undefined,
      ),
    );
    await standby.sql('postgres', 'select pg_promote(true, 60)');
    await standby.sql('postgres', 'insert into kept select generate_series(1001, 1010)');
    await untilTaken(standby);
    await end(receiver);
    const [chain, ...others] = await chainsOf(env);
    assert.deepEqual(others, []);
    assert.deepEqual(
      chain?.runs.map(({ timeline }) => timeline),
      [1, 2],
    );
    assert.deepEqual(chain?.histories, [2]);
    await primary.stop();
    await standby.stop();
  });
});

describe('the life of the server comes before that of its log', { skip: missing }, () => {
  if (missing) return;

  test('a store that is away for too long: the slot is given up at its limit, and all goes on by itself when it is back', async () => {
    const cluster = await startCluster({ settings: ['max_wal_size=64MB', 'min_wal_size=32MB', 'wal_keep_size=0'] });
    const { double, storeEnv } = await startStore();
    const told = await startHttpReceiver();
    const env = envOf(cluster, {
      ...storeEnv,
      NOTIFY_URL: `http://${told.host}/`,
      PITR_SLOT_LIMIT: '200M',
      STORAGE_TIMEOUT: '5s',
      PITR_RPO_TARGET: '1s',
    });
    const receiver = startVerb('receive', [], env);
    await untilTaken(cluster);
    await until('there is a base', async () =>
      (await runVerb('list', ['--pitr', '--json'], env)).json.servers[0]?.bases.length > 0 ? true : undefined,
    );
    // reading works: status is to tell
    double.change({
      fault: ({ operation }) => (operation === 'PutObject' ? { status: 500, code: 'InternalError' } : undefined),
    });
    const retained = async () => {
      const [row] = await cluster.sql(
        'postgres',
        `select coalesce(max(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), restart_lsn)), 0)::float8 as n
         from pg_replication_slots where slot_name like 'cdb%' and not temporary`,
      );
      return row.n as number;
    };
    let most = 0;
    let written = 0;
    await until('the slot is given up', async () => {
      // the database writes on, whatever becomes of its log
      await write(cluster, 8);
      written += 8;
      most = Math.max(most, await retained());
      await sleep(500);
      return (await slots(cluster)) === 0 ? true : undefined;
    });
    // the other verbs tell of it too
    const breaks = () =>
      told.requests
        .map((_, i) => told.json(i))
        .filter(({ verb, items }) => verb === 'receive' && /PITR_SLOT_LIMIT.* is begun anew/.test(items[0].what))
        .length;
    await until('people are told of it while the store is away', async () => (breaks() > 0 ? true : undefined));
    assert.ok(most > 150 * MEBIBYTE && most < 400 * MEBIBYTE, `given up at ${most}`);
    const status = await runVerb('status', ['--json'], env);
    assert.equal(status.code, 3);
    assert.match(status.json.servers[0].reasons.join('\n'), /its log is not taken/);
    await cluster.sql('postgres', 'checkpoint');
    await write(cluster, 8);
    await cluster.sql('postgres', 'checkpoint');
    const [{ kept }] = await cluster.sql('postgres', 'select sum(size)::float8 as kept from pg_ls_waldir()');
    assert.ok(kept < 200 * MEBIBYTE, `the server keeps ${kept} bytes of log, having written ${written} MiB`);

    double.change({ fault: () => undefined });
    await untilTaken(cluster);
    await until('the new log has a base, unasked', async () => {
      const { json } = await runVerb('list', ['--pitr', '--json'], env);
      return json.servers[0].bases.length === 2 ? true : undefined;
    });
    assert.deepEqual(await causes(env), ['first', 'slot-limit']);
    const { json } = await runVerb('status', ['--json'], env);
    const [gap] = json.servers[0].gaps;
    assert.match(gap.why, /kept more than PITR_SLOT_LIMIT/);
    assert.ok(gap.from < gap.to, JSON.stringify(gap));
    const within = new Date((Date.parse(gap.from) + Date.parse(gap.to)) / 2).toISOString();
    const refused = await runVerb('restore', ['--at', within], env);
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /has a gap there, from 20.*Z to 20.*Z: the slot was given up/);
    assert.match(refused.stderr, /Any moment of these can be: 20.* to 20.*; 20.* to 20.*Nothing was fetched/);
    assert.equal(breaks(), 1, 'and once');
    await end(receiver);
    await told.close();
    await cluster.stop();
  });
});
