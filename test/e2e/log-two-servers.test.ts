import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { configure } from '../../scripts/lib/config/config.ts';
import { findPrograms } from '../../scripts/lib/engines/postgres/server/programs.ts';
import { setChildEnvironment } from '../../scripts/lib/machine/child-environment.ts';
import { liveServer } from '../../scripts/lib/moment/live.ts';
import { openServerLog, planMoment } from '../../scripts/lib/moment/plan.ts';
import { targetOf } from '../../scripts/lib/moment/target.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { chainsOf, folderOf, logOf, segmentOnServer, untilBases, untilStored } from '../support/log.ts';
import { type Running, runVerb, startVerb, until } from '../support/verbs.ts';

setChildEnvironment(process.env);
const missing = (await findPrograms('initdb')).length === 0 ? 'PostgreSQL is not installed here' : false;
type Env = Record<string, string>;

/** Two machines: each has notes of its own, and both have one store, one prefix and one name for their server. */
function envOf(cluster: Cluster, store: string): Env {
  const drills = folderOf('notes');
  // a server runs as another user where this is root
  chmodSync(drills, 0o777);
  return {
    ...cluster.env('postgres'),
    BACKUP_DIR: store,
    DRILL_DIR: drills,
    PITR: 'true',
    PITR_INTERVAL: '1s',
    BASE_SCHEDULE: 'off',
  };
}

const write = (cluster: Cluster, whose: string) =>
  cluster.sql('postgres', `insert into whose select '${whose}' from generate_series(1, 10)`);

async function now(cluster: Cluster): Promise<string> {
  const [row] = await cluster.sql(
    'postgres',
    `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`,
  );
  return row.now;
}

/** The chain from which a moment of the running server would be restored. */
async function chainFor(env: Env, at: string): Promise<string | null> {
  const { signal } = new AbortController();
  const config = configure({ PATH: process.env.PATH, ...env });
  const [server] = config.servers;
  const target = targetOf({ at });
  assert.ok(server && target);
  const store = await logOf(env);
  return until('the log reaches it', async () => {
    const log = await openServerLog(store, server.name, signal, (of) => liveServer(server.source, of, signal));
    const plan = await planMoment(log, target);
    return 'manifest' in plan && plan.isCovered ? plan.manifest.chain : undefined;
  });
}

async function end(...receivers: Running[]): Promise<string[]> {
  const said: string[] = [];
  for (const receiver of receivers) {
    receiver.signal('SIGTERM');
    const { code, stderr } = await receiver.outcome;
    assert.equal(code, 0, stderr);
    said.push(stderr);
  }
  return said;
}

/** Every object of the chain, also those that a restore would not read, holds what the server's own log has there. */
async function assertOwnBytes(cluster: Cluster, env: Env, chain: Awaited<ReturnType<typeof chainsOf>>[number]) {
  assert.equal(chain.runs.length, 1, `${chain.id.chain} has no gap`);
  const store = await logOf(env);
  const { signal } = new AbortController();
  let parts = 0;
  for (const { key, object } of chain.contents) {
    if (object.kind !== 'part' && object.kind !== 'segment') continue;
    const raw = await store.read({ key, object }, chain.segmentBytes, signal);
    const [start, end] = object.kind === 'part' ? [object.start, object.end] : [0, chain.segmentBytes];
    const own = await segmentOnServer(cluster, object.segment, end);
    assert.ok(own.subarray(start).equals(raw), key);
    parts += 1;
  }
  assert.ok(parts > 0);
}

describe('two servers that store their logs under one name', { skip: missing }, () => {
  if (missing) return;

  test('of one prefix: each is restored from its own log, also where the other one has a newer base', async () => {
    const store = folderOf('log-store');
    const one = await startCluster({ settings: ['wal_keep_size=1GB'] });
    const other = await startCluster({ settings: ['wal_keep_size=1GB'] });
    for (const cluster of [one, other]) await cluster.sql('postgres', 'create table whose (whose text)');
    const env = envOf(one, store);
    const ofOther = envOf(other, store);
    await write(one, 'one');
    await write(other, 'other');
    const first = startVerb('receive', [], env);
    await untilBases(env, 1);
    const second = startVerb('receive', [], ofOther);
    await untilBases(env, 2);
    await write(one, 'one');
    await write(other, 'other');
    await untilStored(one);
    await untilStored(other);
    const at = await now(one);
    await one.sql('postgres', 'truncate whose');
    await other.sql('postgres', 'truncate whose');
    const [chainOfOne, chainOfOther] = [await chainFor(env, at), await chainFor(ofOther, at)];
    // each one's own, not the newest
    const systems = await Promise.all(
      [one, other].map(async (cluster) => {
        const [row] = await cluster.sql('postgres', 'select system_identifier::text as id from pg_control_system()');
        return row.id as string;
      }),
    );
    assert.deepEqual(
      [chainOfOne, chainOfOther].map((chain) => chain?.split('-')[1]),
      systems,
    );
    for (const [i, each] of [env, ofOther].entries()) {
      const { json } = await runVerb('status', ['--json'], each);
      assert.equal(json.servers[0].systemIdentifier, systems[i]);
      assert.equal(json.servers[0].receiver.active, true);
    }
    await end(first, second);
    // the other's base is the newer one
    const restored = await runVerb('restore', ['--at', at, '--to', 'looked_at', '--json'], env);
    assert.equal(restored.code, 0, restored.stderr);
    const rows = await one.sql('looked_at', 'select distinct whose from whose');
    assert.deepEqual(rows, [{ whose: 'one' }]);
    for (const [i, cluster] of [one, other].entries()) {
      const chain = (await chainsOf(env)).find(({ id }) => id.systemIdentifier === systems[i]);
      assert.ok(chain);
      await assertOwnBytes(cluster, env, chain);
    }
    await one.stop();
    await other.stop();
  });

  test('of which one is a copy of the other’s volume, with its slot: the copy begins a log of its own', async () => {
    const store = folderOf('log-store');
    const one = await startCluster({ settings: ['wal_keep_size=1GB'] });
    const env = envOf(one, store);
    await one.sql('postgres', 'create table whose (whose text)');
    const before = startVerb('receive', [], env);
    await untilBases(env, 1);
    await untilStored(one);
    await end(before);
    await one.stop();
    // the volume as a snapshot has it
    const copy = await startCluster({ settings: ['wal_keep_size=1GB'] });
    await copy.stop();
    execFileSync('rm', ['-r', copy.data]);
    cpSync(one.data, copy.data, { recursive: true, preserveTimestamps: true });
    execFileSync('chown', ['-R', '--reference', dirname(copy.data), copy.data]);
    execFileSync('sed', ['-i', `s/^port=.*/port=${copy.port}/`, join(copy.data, 'postgresql.conf')]);
    await one.start();
    await copy.start();
    const receiver = startVerb('receive', [], env);
    await write(one, 'one');
    await untilStored(one);
    const ofCopy = envOf(copy, store);
    await write(copy, 'copy');
    const second = startVerb('receive', [], ofCopy);
    await untilBases(env, 2);
    await write(one, 'one');
    await write(copy, 'copy');
    await untilStored(copy);
    await untilStored(one);
    const at = await now(one);
    await one.sql('postgres', 'truncate whose');
    await copy.sql('postgres', 'truncate whose');
    const found = [await chainFor(env, at), await chainFor(ofCopy, at)];
    const [, said] = await end(receiver, second);
    const chains = await chainsOf(env);
    assert.deepEqual(
      chains.map(({ cause }) => cause),
      ['first', 'mixed'],
    );
    assert.match(said ?? '', /another one is a copy of it/);
    assert.deepEqual(
      found,
      chains.map(({ id }) => id.chain),
    );
    const [own, ofTheCopy] = chains;
    assert.ok(own && ofTheCopy);
    await assertOwnBytes(one, env, own);
    await assertOwnBytes(copy, ofCopy, ofTheCopy);
    await one.stop();
    await copy.stop();
  });
});
