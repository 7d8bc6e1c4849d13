import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findPrograms } from '../../scripts/lib/engines/postgres/server/programs.ts';
import { setChildEnvironment } from '../../scripts/lib/machine/child-environment.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { startLink } from '../support/link.ts';
import { chainsOf, folderOf, segmentOnServer, storedSegments, untilBases, untilStored } from '../support/log.ts';
import { startStore } from '../support/stores.ts';
import { type Running, startVerb, until, untilStill } from '../support/verbs.ts';

setChildEnvironment(process.env);
const missing = (await findPrograms('initdb')).length === 0 ? 'PostgreSQL is not installed here' : false;

const envOf = (cluster: Cluster, changed: Record<string, string>) => ({
  ...cluster.env('postgres'),
  DRILL_DIR: folderOf('notes'),
  PITR: 'true',
  PITR_INTERVAL: '1s',
  BASE_SCHEDULE: 'off',
  ...changed,
});
const write = (cluster: Cluster, megabytes: number) =>
  cluster.sql(
    'postgres',
    `select count(pg_logical_emit_message(true, 'x', repeat('y', 1048576))) from generate_series(1, ${megabytes})`,
  );

async function endsWhole(receiver: Running, env: Record<string, string>): Promise<string> {
  receiver.signal('SIGTERM');
  const { code, stderr } = await receiver.outcome;
  assert.equal(code, 0, stderr);
  assert.deepEqual(
    (await chainsOf(env)).map(({ runs }) => runs.length),
    [1],
    'one log without a gap',
  );
  return stderr;
}

describe('a server that ends, or is lost without a word', { skip: missing }, () => {
  if (missing) return;

  for (const [what, megabytes] of [
    ['a little waits for it', 1],
    ['no more of the log fits into memory', 100],
  ] as const) {
    test(`with the store away, where ${what}, the server can be shut down all the same, and nothing is lost`, async () => {
      const cluster = await startCluster();
      const { double, storeEnv } = await startStore();
      const env = envOf(cluster, { ...storeEnv, STORAGE_TIMEOUT: '5s' });
      const receiver = startVerb('receive', [], env);
      await write(cluster, 1);
      await untilBases(env);
      await untilStored(cluster);
      double.change({ fault: () => ({ status: 503, code: 'SlowDown' }) });
      await write(cluster, megabytes);
      await untilStill('the receiver has taken what it has room for', async () => {
        const [row] = await cluster.sql(
          'postgres',
          "select sent_lsn::text as sent from pg_stat_replication where state in ('streaming', 'catchup')",
        );
        return row?.sent ?? '';
      });
      // a server waits for those who take its log, without a limit of its own
      let hasEnded = false;
      const stopping = cluster.stop().then(() => {
        hasEnded = true;
      });
      await until('the server has ended', () => hasEnded || undefined);
      await stopping;
      await cluster.start();
      await cluster.sql('postgres', "select pg_logical_emit_message(true, 'x', 'after it')");
      double.change({ fault: () => undefined });
      await untilStored(cluster);
      assert.match(await endsWhole(receiver, env), /is shutting down, and keeps what the store has not taken yet/);
      await cluster.stop();
    });
  }

  test('a server that was killed sends again what its slot does not know to be stored: the same log, byte by byte', async () => {
    // no checkpoint saves how far the slot has come
    const cluster = await startCluster({
      settings: ['checkpoint_timeout=1h', 'max_wal_size=4GB', 'wal_keep_size=1GB'],
    });
    const env = envOf(cluster, { BACKUP_DIR: folderOf('log-store') });
    const receiver = startVerb('receive', [], env);
    await untilBases(env);
    await cluster.sql('postgres', 'checkpoint');
    await write(cluster, 3);
    const stored = await untilStored(cluster);
    await cluster.kill();
    await cluster.start();
    const [{ isback }] = await cluster.sql(
      'postgres',
      `select restart_lsn < '${stored}' as isback from pg_replication_slots where slot_name like 'cdb%' and not temporary`,
    );
    assert.equal(isback, true, 'the slot went back');
    await write(cluster, 3);
    await untilStored(cluster);
    await endsWhole(receiver, env);
    const [chain] = await chainsOf(env);
    assert.ok(chain);
    for (const [name, bytes] of await storedSegments(env, chain))
      assert.ok(bytes.equals(await segmentOnServer(cluster, name, bytes.length)), name);
    await cluster.stop();
  });

  test('a connection through which nothing comes any more is left for another one', async () => {
    const cluster = await startCluster({ settings: ['wal_sender_timeout=6s'] });
    const link = await startLink(cluster.port);
    const env = envOf(cluster, { BACKUP_DIR: folderOf('log-store'), POSTGRES_PORT: String(link.port) });
    const receiver = startVerb('receive', [], env);
    await untilBases(env);
    await untilStored(cluster);
    await until('the server was looked at', async () => {
      const rows = await cluster.sql(
        'postgres',
        "select from pg_stat_activity where application_name = 'compose-db-backup' and backend_type = 'client backend' and query like '%safe_wal_size%'",
      );
      return rows.length > 0 ? true : undefined;
    });
    // of those that are open, nobody is told; new ones pass
    link.silence(true);
    await write(cluster, 1);
    await untilStored(cluster);
    // an empty object tells that there was nothing more, and only who looks at the server stores it
    const [{ now }] = await cluster.sql('postgres', 'select extract(epoch from clock_timestamp()) * 1000 as now');
    await until('the moment after it is covered', async () => {
      const [chain] = await chainsOf(env);
      return (chain?.runs.at(-1)?.at.getTime() ?? 0) > Number(now) || undefined;
    });
    assert.match(await endsWhole(receiver, env), /127\.0\.0\.1 has not answered for 6\.0s/);
    link.close();
    await cluster.stop();
  });
});
