import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { configure } from '../../scripts/lib/config/config.ts';
import { giveUp } from '../../scripts/lib/receive/give-up.ts';
import { openRepository } from '../../scripts/lib/repository/repository.ts';
import { startLink } from '../support/link.ts';
import {
  chainsOf,
  folderOf,
  lsnOf,
  receiverEnv,
  segmentOnServer,
  startReceiver,
  storedSegments,
  untilStored,
} from '../support/log.ts';
import { startHttpReceiver } from '../support/notify-receivers.ts';
import { startPostgres } from '../support/postgres.ts';
import { WITH_LOG } from '../support/recovery.ts';
import { startStore } from '../support/stores.ts';
import { runVerb, startVerb, until } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres([...WITH_LOG, 'max_replication_slots=10']);
const slots = () =>
  postgres.sql(
    'postgres',
    "select slot_name as name from pg_replication_slots where slot_name like 'cdb%' and not temporary",
  );
const dropSlots = () =>
  postgres.sql(
    'postgres',
    "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like 'cdb%' and not temporary",
  );

const streams = () =>
  postgres.sql(
    'postgres',
    "select active_pid as pid from pg_replication_slots where slot_name like 'cdb%' and not temporary and active",
  );

describe('the receiver', { skip: missing }, () => {
  test('stores what is committed within seconds, byte by byte, and goes on where it stopped', async () => {
    const env = receiverEnv(postgres);
    const receiver = await startReceiver(postgres, env);
    await postgres.sql(
      'postgres',
      "create table if not exists marks (t text); insert into marks select repeat('x', 1000) from generate_series(1, 20000)",
    );
    await untilStored(postgres);
    await postgres.sql('postgres', "insert into marks values ('a single commit')");
    const started = Date.now();
    await untilStored(postgres);
    assert.ok(Date.now() - started < 30_000);

    const second = await runVerb('receive', [], env);
    assert.equal(second.code, 4, second.stderr);
    assert.match(second.stderr, /another receiver takes the log of 127\.0\.0\.1/);

    await postgres.sql('postgres', "insert into marks values ('the last one before the end')");
    receiver.signal('SIGTERM');
    const { code, stderr } = await receiver.outcome;
    assert.equal(code, 0, stderr);
    const [{ lsn }] = await postgres.sql(
      'postgres',
      "select restart_lsn::text as lsn from pg_replication_slots where slot_name like 'cdb%' and not temporary",
    );
    const [chain, ...others] = await chainsOf(env);
    assert.ok(chain && others.length === 0);
    assert.equal(chain.cause, 'first');
    assert.equal(chain.runs.length, 1, 'without a gap');
    assert.equal(chain.runs[0]?.end, lsnOf(lsn), 'acknowledged is what is stored');
    const segments = await storedSegments(env, chain);
    assert.match(Buffer.concat([...segments.values()]).toString('latin1'), /the last one before the end/);
    for (const [name, bytes] of segments) {
      assert.ok(bytes.equals(await segmentOnServer(postgres, name, bytes.length)), name);
    }

    const next = await startReceiver(postgres, env);
    await postgres.sql('postgres', "insert into marks values ('of the next run')");
    await untilStored(postgres);
    next.signal('SIGKILL');
    await next.outcome;
    const after = await chainsOf(env);
    assert.deepEqual(
      after.map(({ runs }) => runs.length),
      [1],
      'the same chain, and no gap',
    );
    assert.match(
      Buffer.concat([...(await storedSegments(env, after[0] as never)).values()]).toString('latin1'),
      /of the next run/,
    );
    await dropSlots();
  });

  test('a slot that is gone is another chain, which says why, also to those who are to be told', async () => {
    const told = await startHttpReceiver();
    const env = receiverEnv(postgres, { NOTIFY_URL: `http://${told.host}/` });
    const first = await startReceiver(postgres, env);
    await untilStored(postgres);
    first.signal('SIGTERM');
    assert.equal((await first.outcome).code, 0);
    await dropSlots();
    const second = await startReceiver(postgres, env);
    await untilStored(postgres);
    second.signal('SIGTERM');
    const { stderr } = await second.outcome;
    assert.deepEqual(
      (await chainsOf(env)).map(({ cause }) => cause),
      ['first', 'slot-missing'],
    );
    assert.match(stderr, /the replication slot was no longer there/);
    assert.equal(told.requests.length, 1, 'once, and nothing of the first chain');
    const { verb, outcome, items } = told.json();
    assert.deepEqual([verb, outcome], ['receive', 'failure']);
    assert.match(items[0].what, /which reaches to 20.*: the replication slot was no longer there\. It is begun anew/);
    assert.ok(Date.parse(items[0].since) <= Date.now());
    await told.close();
    assert.equal((await slots()).length, 1, 'the old one is not left behind');
    await dropSlots();
  });

  test('pitr off drops the slot, also when PITR is off by then, and not while a receiver takes the log', async () => {
    const env = receiverEnv(postgres);
    const receiver = await startReceiver(postgres, env);
    const refused = await runVerb('pitr', ['off'], env);
    assert.equal(refused.code, 4, refused.stderr);
    receiver.signal('SIGTERM');
    assert.equal((await receiver.outcome).code, 0);
    assert.equal((await slots()).length, 1);
    const off = await runVerb('pitr', ['off', '--json'], { ...env, PITR: 'false' });
    assert.equal(off.code, 0, off.stderr);
    assert.deepEqual(off.json, { ok: true, servers: [{ server: '127.0.0.1', slots: 1 }] });
    assert.equal((await slots()).length, 0);
    const check = await runVerb('pitr', ['check'], { ...env, PITR: 'false' });
    assert.equal(check.code, 2, check.stderr);
  });

  test('a log that is not to be taken any more is given up where it was taken: the server keeps nothing, what is stored stays', async () => {
    const env = receiverEnv(postgres);
    const receiver = await startReceiver(postgres, env);
    await untilStored(postgres);
    receiver.signal('SIGTERM');
    assert.equal((await receiver.outcome).code, 0);
    const config = configure({ ...env, PITR: 'false' });
    const repository = await openRepository(config.repository);
    const { signal } = new AbortController();
    assert.deepEqual(config.servers, []);
    await giveUp(config.logServers, { repository, directory: folderOf('elsewhere'), signal });
    assert.equal((await slots()).length, 1, 'where nothing was noted, it may be that of another');
    await giveUp(config.logServers, { repository, directory: env.DRILL_DIR ?? '', signal });
    assert.equal((await slots()).length, 0);
    assert.equal((await chainsOf(env)).length, 1);
    repository.close();
  });

  test('a session that an earlier receiver has left on the server is ended by the next one, and somebody else’s is not', async () => {
    // what stands between them stays when the receiver goes, as a network does that has lost it
    const link = await startLink(postgres.port);
    const env = receiverEnv(postgres, { POSTGRES_PORT: String(link.port) });
    const first = await startReceiver(postgres, env);
    await untilStored(postgres);
    link.hold();
    first.signalAll('SIGKILL');
    await first.outcome;
    const [{ pid: left }] = await streams();
    const elsewhere = await runVerb('receive', [], { ...env, DRILL_DIR: folderOf('of-another') });
    assert.equal(elsewhere.code, 4, elsewhere.stderr);
    assert.deepEqual(await streams(), [{ pid: left }]);

    const next = startVerb('receive', [], env);
    await until('the next one streams', async () => {
      const [stream] = await streams();
      return stream && stream.pid !== left ? true : undefined;
    });
    await postgres.sql('postgres', "create table if not exists marks (t text); insert into marks values ('after')");
    await untilStored(postgres);
    next.signal('SIGTERM');
    assert.equal((await next.outcome).code, 0);
    assert.deepEqual(
      (await chainsOf(env)).map(({ runs }) => runs.length),
      [1],
    );
    link.close();
    await dropSlots();
  });

  test('commits that would wait for the store are refused, unless that is wanted: then nothing is lost', async () => {
    await postgres.sql('postgres', "alter system set synchronous_standby_names = '*'");
    await postgres.sql('postgres', 'select pg_reload_conf()');
    const env = receiverEnv(postgres);
    const refused = await runVerb('receive', [], env);
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, /synchronous_standby_names is "\*", which means us.*\n.*PITR_SYNCHRONOUS=true/);
    assert.equal((await slots()).length, 0);

    const receiver = await startReceiver(postgres, { ...env, PITR_SYNCHRONOUS: 'true', PITR_INTERVAL: '1m' });
    await until('we are its standby', async () => {
      const rows = await postgres.sql('postgres', "select from pg_stat_replication where sync_state = 'sync'");
      return rows.length > 0 ? true : undefined;
    });
    await postgres.sql(
      'postgres',
      "create table if not exists marks (t text); insert into marks values ('answered, so stored')",
    );
    receiver.signalAll('SIGKILL');
    await receiver.outcome;
    const [chain] = await chainsOf(env);
    assert.ok(chain);
    assert.match(
      Buffer.concat([...(await storedSegments(env, chain)).values()]).toString('latin1'),
      /answered, so stored/,
    );
    await postgres.sql('postgres', 'alter system reset synchronous_standby_names');
    await postgres.sql('postgres', 'select pg_reload_conf()');
    await dropSlots();
  });

  test('needs no right to the store but to put', async () => {
    const { double, storeEnv } = await startStore({
      allow: ['PutObject', 'CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload', 'AbortMultipartUpload'],
    });
    const env = receiverEnv(postgres, { ...storeEnv, S3_STORAGE_CLASS: 'STANDARD_IA' });
    const receiver = await startReceiver(postgres, env);
    await postgres.sql('postgres', "create table if not exists marks (t text); insert into marks values ('put')");
    await untilStored(postgres);
    receiver.signal('SIGTERM');
    assert.equal((await receiver.outcome).code, 0);
    // what is read piece by piece at three in the morning is never of a class that puts things away
    const put = double.requests.filter(({ operation, key }) => operation === 'PutObject' && key.startsWith('wal/'));
    assert.ok(put.length > 1);
    assert.deepEqual(
      put.filter(({ headers }) => headers['x-amz-storage-class'] !== undefined),
      [],
    );
    double.change({ allow: undefined });
    assert.deepEqual(
      (await chainsOf(env)).map(({ runs }) => runs.length),
      [1],
    );
    await dropSlots();
  });

  test('of several servers one that cannot be taken does not keep the others from it, and is told of', async () => {
    const link = await startLink(postgres.port);
    await postgres.sql('postgres', 'create role of_another login');
    const env = receiverEnv(postgres, { PITR_SERVER_OTHER: `postgres://of_another@127.0.0.1:${link.port}` });
    const receiver = await startReceiver(postgres, env);
    await untilStored(postgres);
    const health = await until('its health check tells', async () => {
      const found = await runVerb('receive', ['--health'], env);
      return found.code === 3 && found.stdout.includes('other') ? found : undefined;
    });
    assert.match(health.stdout, /the log of other cannot be taken: of_another may not take the log/);
    receiver.signal('SIGTERM');
    const { code, stderr } = await receiver.outcome;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /ALTER ROLE "of_another" REPLICATION;.*PITR=false.*taken meanwhile; this one is tried again/);
    assert.deepEqual(
      (await chainsOf(env)).map(({ server, runs }) => [server, runs.length]),
      [['127.0.0.1', 1]],
    );
    link.close();
    await dropSlots();
  });

  test('a server that cannot be taken is refused with all that it lacks, and the configuration too', async () => {
    await postgres.sql('postgres', 'create role no_replication login');
    const lacking = await runVerb('receive', [], { ...receiverEnv(postgres), POSTGRES_USER: 'no_replication' });
    assert.equal(lacking.code, 2, lacking.stderr);
    assert.match(lacking.stderr, /no_replication may not take the log[\s\S]*ALTER ROLE "no_replication" REPLICATION;/);
    const off = await runVerb('receive', [], { ...receiverEnv(postgres), PITR: 'false' });
    assert.equal(off.code, 2);
    assert.match(off.stderr, /there is no server whose log is to be taken/);
  });
});
