import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { accountOfServers } from '../support/cluster.ts';
import { filesIn } from '../support/folders.ts';
import { takeLog } from '../support/moments.ts';
import { startPostgres } from '../support/postgres.ts';
import { WITH_LOG } from '../support/recovery.ts';
import { done, runVerb } from '../support/verbs.ts';

const settings = [...WITH_LOG, 'max_prepared_transactions=5'];
const { postgres, missing } = await startPostgres(settings, ['host replication all 127.0.0.1/32 trust']);
const log = missing ? undefined : await takeLog(postgres);

describe('a moment after its base, with what was made in between', { skip: missing }, () => {
  if (!log) return;
  const database = postgres.freshName();
  // whoever waits for a lock of a prepared transaction does so for as long as this
  const env = () => ({ ...log.env(database), LOCK_TIMEOUT: '20s' });
  const location = mkdtempSync(join(tmpdir(), 'tablespace-since-'));
  after(() => rmSync(location, { recursive: true, force: true }));
  const { uid, gid } = accountOfServers();
  if (uid !== undefined) chownSync(location, uid, gid ?? uid);
  const sql = (text: string) => postgres.sql(database, text);
  const numbers = async (of: string, table = 'ledger') =>
    (await postgres.sql(of, `select n from ${table} order by n`)).map(({ n }) => n);
  const restored = async (words: readonly string[]) => {
    const to = postgres.freshName();
    const outcome = await runVerb('restore', [...words, '--to', to], env());
    assert.equal(outcome.code, 0, outcome.stderr);
    return { to, said: outcome.stderr };
  };

  before(async () => {
    await postgres.create(database, 'empty');
    await sql('create table ledger (n int primary key)');
    await log.base();
  });
  after(() => log.stop());

  test('a tablespace: the folder of the live server is not written to', async () => {
    await postgres.sql('postgres', `create tablespace made_since location '${location}'`);
    await sql('create table far (n int) with (autovacuum_enabled = off) tablespace made_since');
    await sql('insert into far select generate_series(1, 10)');
    const good = await log.now();
    await sleep(1_100);
    await sql('insert into far select generate_series(11, 2000)');
    await log.take();
    await postgres.sql('postgres', 'checkpoint');
    // what is restored beside it lies there too, in a folder of its own
    const [{ folder: own }] = await sql(
      'select oid::text as folder from pg_database where datname = current_database()',
    );
    const digests = () =>
      filesIn(location)
        .filter((name) => name.split('/')[1] === own)
        .map((name) => [
          name,
          createHash('sha256')
            .update(readFileSync(join(location, name)))
            .digest('hex'),
        ]);
    const live = digests();
    assert.ok(live.length > 1, 'the live server has files there');
    const { to } = await restored(['--at', good]);
    assert.deepEqual(digests(), live, 'its files are what they were');
    assert.equal((await numbers(to, 'far')).length, 10);
    assert.equal((await numbers(database, 'far')).length, 2000);
    const drill = await runVerb('drill', ['--json'], env());
    assert.deepEqual(digests(), live, drill.stderr);
    // and a server that is restored as a whole finds it in a folder of its own
    const folder = mkdtempSync(join(tmpdir(), 'server-since-'));
    after(() => rmSync(folder, { recursive: true, force: true }));
    if (uid !== undefined) chownSync(folder, uid, gid ?? uid);
    mkdirSync(join(folder, 'notes'));
    await done('restore-server', ['--into', join(folder, 'data'), '--at', good], env());
    const others = filesIn(location).filter((name) => name.startsWith('restored_'));
    assert.ok(others.length > 0, filesIn(location).join('\n'));
    for (const name of others) rmSync(join(location, name));
    assert.deepEqual(digests(), live, 'what was there is kept');
  });

  test('two marks of one name: the newer one is meant', async () => {
    await done('mark', ['before-migration'], env());
    await sql('insert into ledger values (1)');
    await done('mark', ['before-migration'], env());
    await sql('insert into ledger values (2)');
    await log.take();
    const { to } = await restored(['--mark', 'before-migration']);
    assert.deepEqual(await numbers(to), [1]);
  });

  test('a mark at the very end of the log, with nothing after it', async () => {
    await sql('insert into ledger values (3)');
    await done('mark', ['at the end'], env());
    await log.take();
    const { to } = await restored(['--mark', 'at the end']);
    assert.deepEqual(await numbers(to), [1, 2, 3]);
  });

  test('a transaction that is only prepared: it is not in it, is named, and nobody waits for its locks', async () => {
    const client = await postgres.connect(database);
    await client.query('begin; insert into ledger values (4); alter table ledger add column more int');
    await client.query("prepare transaction 'half''way'");
    await client.end();
    await postgres.sql('postgres', 'create table other_commits (n int)');
    const prepared = await log.now();
    await sleep(1_100);
    await sql("commit prepared 'half''way'");
    const committed = await log.now();
    await sleep(1_100);
    await sql('insert into ledger values (5)');
    await log.take();
    const without = await restored(['--at', prepared]);
    assert.match(without.said, /neither committed nor rolled back by then, are not in it: half'way/);
    assert.deepEqual(await numbers(without.to), [1, 2, 3]);
    const within = await restored(['--at', committed]);
    assert.doesNotMatch(within.said, /half'way/);
    assert.deepEqual(await postgres.sql(within.to, 'select n, more from ledger order by n'), [
      { n: 1, more: null },
      { n: 2, more: null },
      { n: 3, more: null },
      { n: 4, more: null },
    ]);
  });

  test('a transaction with parts that were rolled back, and one that was as a whole', async () => {
    await sql('create table parts (n int)');
    const client = await postgres.connect(database);
    const xid = async () => (await client.query('select pg_current_xact_id()::text as xid')).rows[0].xid as string;
    await client.query('begin; insert into parts values (1); savepoint a; insert into parts values (2)');
    await client.query('rollback to a; insert into parts values (3)');
    const whole = await xid();
    await client.query('commit');
    await client.query('begin; insert into parts values (4)');
    const none = await xid();
    await client.query('rollback');
    await client.end();
    await sql('insert into parts values (5)');
    await log.take();
    const { to } = await restored(['--xid', whole]);
    assert.deepEqual(await numbers(to, 'parts'), [1, 3]);
    const refused = await runVerb('restore', ['--xid', none, '--to', postgres.freshName()], env());
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(
      refused.stderr,
      new RegExp(`transaction ${none} is not in the log as one that was committed: it was rolled`),
    );
  });

  test('a database that was dropped comes back from the moment just before, whoever owned it', async () => {
    await postgres.sql('postgres', 'create role keeper');
    for (const owner of ['postgres', 'keeper']) {
      const doomed = postgres.freshName();
      await postgres.sql('postgres', `create database ${doomed} owner ${owner}`);
      await postgres.sql(doomed, 'create table ledger as select generate_series(1, 7) as n');
      await postgres.sql('postgres', `drop database ${doomed}`);
      await log.take();
      await sleep(1_100);
      await postgres.sql('postgres', 'checkpoint');
      await sql(`comment on table ledger is '${doomed}'`);
      await log.take();
      const commits = await done('commits', ['--at', await log.now(), '--for', '10m', '--json'], env());
      const drop = commits.json.transactions.findLast(
        ({ droppedDatabases }: { droppedDatabases: string[] }) => droppedDatabases.length > 0,
      );
      const doomedEnv = { ...env(), POSTGRES_DB: doomed };
      const look = await runVerb(
        'look',
        ['--at', drop.before, '--query', 'select count(*)::int as n from ledger', '--json'],
        doomedEnv,
      );
      assert.equal(look.code, 0, look.stderr);
      assert.deepEqual(look.json.rows, [{ n: 7 }]);
      const outcome = await runVerb('restore', ['--at', drop.before, '--json'], doomedEnv);
      assert.equal(outcome.code, 0, outcome.stderr);
      assert.match(outcome.stderr, new RegExp(`${doomed} was being dropped at that moment: recovering once more`));
      assert.equal(outcome.json.moment.firstOutXid, drop.xid);
      assert.equal((await numbers(doomed)).length, 7);
      // and of the server as a whole
      const folder = mkdtempSync(join(tmpdir(), 'server-undropped-'));
      after(() => rmSync(folder, { recursive: true, force: true }));
      if (uid !== undefined) chownSync(folder, uid, gid ?? uid);
      const server = await runVerb('restore-server', ['--into', join(folder, 'data'), '--at', drop.before], env());
      assert.equal(server.code, 0, server.stderr);
      assert.match(server.stderr, /was being dropped at that moment: recovering once more/);
    }
  });
});
