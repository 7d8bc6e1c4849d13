import assert from 'node:assert/strict';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { findPrograms } from '../../scripts/lib/engines/postgres/server/programs.ts';
import { setChildEnvironment } from '../../scripts/lib/machine/child-environment.ts';
import { accountOfServers, type Cluster, startCluster } from '../support/cluster.ts';
import { chainsOf } from '../support/log.ts';
import { bundledVerbs } from '../support/long-run.ts';
import { runVerb, startVerb, until } from '../support/verbs.ts';

setChildEnvironment(process.env);
const missing = (await findPrograms('initdb')).length === 0 ? 'PostgreSQL is not installed here' : false;

describe('a whole server is restored into its data folder', { skip: missing }, async () => {
  if (missing) return;
  const folder = mkdtempSync(join(tmpdir(), 'restore-server-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['store', 'notes', 'tablespace']) mkdirSync(join(folder, name), { mode: 0o777 });
  const { uid, gid } = accountOfServers();
  if (uid !== undefined) for (const name of ['', 'tablespace']) chownSync(join(folder, name), uid, gid ?? uid);
  const verbs = await bundledVerbs();
  after(() => verbs.remove());
  const cluster: Cluster = await startCluster({ folder: join(folder, 'server') });
  const env = {
    ...cluster.env('shop'),
    BACKUP_DIR: join(folder, 'store'),
    DRILL_DIR: join(folder, 'notes'),
    PITR: 'true',
    PITR_INTERVAL: '1s',
    CONNECT_TIMEOUT: '3s',
  };
  const into = ['--into', cluster.data];
  const rows = async () => (await cluster.sql('shop', 'select count(*)::int as n from orders'))[0].n as number;
  const streams = () =>
    until('the receiver streams', async () => {
      const found = await cluster.sql(
        'postgres',
        "select from pg_replication_slots where slot_name like 'cdb%' and active",
      );
      return found.length > 0 ? true : undefined;
    });
  const hasBases = (count: number) =>
    until(`there are ${count} bases`, async () => {
      const { json } = await runVerb('list', ['--pitr', '--json'], env);
      return json.servers[0]?.bases.length >= count ? true : undefined;
    });
  let receiver = verbs.start('receive', [], env);
  after(() => receiver.kill('SIGKILL'));
  const ended = async (name: NodeJS.Signals) => {
    const over = new Promise((resolve) => receiver.once('exit', resolve));
    receiver.kill(name);
    await over;
  };
  let good = '';

  test('the log of a server is taken', async () => {
    await cluster.sql('postgres', 'create database shop');
    await cluster.sql('postgres', `create tablespace elsewhere location '${join(folder, 'tablespace')}'`);
    await cluster.sql('postgres', 'create role app login');
    await cluster.sql('postgres', "alter system set work_mem = '7MB'");
    await cluster.sql('postgres', "alter system set restore_command = 'false'");
    await cluster.sql('shop', 'create table orders (n int primary key)');
    await cluster.sql('shop', 'create table far (n int) tablespace elsewhere');
    await streams();
    await hasBases(1);
    await cluster.sql('shop', 'insert into orders select generate_series(1, 1000)');
    await cluster.sql('shop', 'insert into far select generate_series(1, 10)');
    const [row] = await cluster.sql(
      'shop',
      `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`,
    );
    good = row.now;
    await sleep(20);
    await cluster.sql('shop', 'delete from orders where n > 7');
    await cluster.sql('shop', 'drop table far');
    await sleep(2_500);
  });

  test('not while a server runs on it', async () => {
    const done = await runVerb('restore-server', into, env);
    assert.equal(done.code, 1, done.stderr);
    assert.match(done.stderr, /a server is running on .*data \(process \d+\)/);
    assert.match(done.stderr, /Nothing was fetched or touched/);
  });

  test('with server and receiver killed, all that was stored comes back, and nothing tells of the recovery', async () => {
    await Promise.all([ended('SIGKILL'), cluster.kill()]);
    // where a server in another container cannot be seen, what it leaves behind speaks for it
    const refused = await runVerb('restore-server', into, env);
    if (existsSync('/.dockerenv')) {
      assert.equal(refused.code, 1, refused.stderr);
      assert.match(refused.stderr, /is running on .*, or was killed there: it has left postmaster\.pid.*\n.*delete /);
      rmSync(join(cluster.data, 'postmaster.pid'));
    }
    const fresh = join(folder, 'fresh', 'data');
    const done = await runVerb('restore-server', ['--into', fresh, '--json'], env);
    assert.equal(done.code, 0, done.stderr);
    assert.equal(done.json.previous, null);
    assert.equal(done.json.moment.firstOut, null);
    assert.match(
      done.stderr,
      /restoring 127\.0\.0\.1 to the end of its log\n.*from the base .*\n.*of log after it.*\n.*room for it.*\n.*stored up to.*\n.*into .*where nothing is/,
    );
    const left = readdirSync(join(folder, 'fresh'));
    assert.deepEqual(left, ['data'], 'nothing beside it');
    const traces = readdirSync(fresh).filter((name) => /signal$|\.old$|backup_manifest|postmaster|recovery/.test(name));
    assert.deepEqual(traces, []);
    const auto = readFileSync(join(fresh, 'postgresql.auto.conf'), 'utf8');
    assert.match(auto, /work_mem = '7MB'/);
    assert.doesNotMatch(auto, /restore_command/);
  });

  test('to a moment, in place of what is there, which is kept; the server starts by itself and is sound', async () => {
    const done = await runVerb('restore-server', [...into, '--at', good, '--json'], env);
    assert.equal(done.code, 0, done.stderr);
    const { previous, moment } = done.json;
    assert.match(previous, /data_previous_\d{14}$/);
    assert.ok(existsSync(join(previous, 'PG_VERSION')));
    assert.ok(moment.lastIn <= good && moment.firstOut > good, JSON.stringify(moment));
    await cluster.start();
    assert.equal(await rows(), 1000);
    assert.equal((await cluster.sql('shop', 'select count(*)::int as n from far'))[0].n, 10);
    assert.equal(
      (await cluster.sql('postgres', "select count(*)::int as n from pg_roles where rolname = 'app'"))[0].n,
      1,
    );
    assert.equal((await cluster.sql('postgres', 'show work_mem'))[0].work_mem, '7MB');
    await cluster.program('pg_amcheck', ['--all', '--install-missing', '--heapallindexed']);
    await cluster.sql('shop', 'insert into orders values (2000)');
  });

  test('the receiver then begins a new log and takes a base by itself, and says why', async () => {
    receiver = verbs.start('receive', [], env);
    await streams();
    await hasBases(2);
    const chains = await chainsOf(env);
    assert.deepEqual(
      chains.map(({ cause }) => cause),
      ['first', 'history'],
    );
    await ended('SIGTERM');
    // what was before is still there to go back to
    const to = join(folder, 'again', 'data');
    const done = await runVerb('restore-server', ['--into', to, '--at', good], env);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /^next {7}make up starts the server/m);
  });

  test('one that is killed leaves the data as they are, and the next one removes what it left', async () => {
    await cluster.stop();
    const before = readdirSync(join(folder, 'server')).sort();
    const killed = startVerb('restore-server', [...into, '--at', good], env);
    await killed.process('postgres').catch(() => assert.fail(killed.stderr()));
    killed.signalAll('SIGKILL');
    await killed.outcome;
    await cluster.start();
    assert.equal(await rows(), 1001);
    await cluster.stop();
    const undone = await runVerb('restore-server', ['--undo', ...into, '--json'], env);
    assert.equal(undone.code, 0, undone.stderr);
    await cluster.start();
    assert.equal(await rows(), 7);
    await cluster.stop();
    const again = await runVerb('restore-server', [...into, '--at', good], env);
    assert.equal(again.code, 0, again.stderr);
    const now = readdirSync(join(folder, 'server')).sort();
    assert.deepEqual(
      now.filter((name) => !/_(previous|undone)_\d{14}$/.test(name)),
      before.filter((name) => !/_(previous|undone)_\d{14}$/.test(name)),
    );
  });

  test('a foreign folder, another version, a disk too small, and a folder without a name are refused by name', async () => {
    const foreign = join(folder, 'foreign');
    mkdirSync(foreign);
    writeFileSync(join(foreign, 'letters.txt'), 'dear');
    const other = join(folder, 'other');
    mkdirSync(join(other, 'global'), { recursive: true });
    writeFileSync(join(other, 'PG_VERSION'), '9\n');
    const refused: [string[], number, RegExp][] = [
      [['--into', foreign], 1, /holds something else than the data of a PostgreSQL server \(letters\.txt\)/],
      [['--into', other], 1, /holds the data of PostgreSQL 9, and the log is of \d+/],
      [['--into', 'data'], 2, /is no absolute path/],
      [[...into, '--server', 'nobody'], 2, /there is no base of a server "nobody".*\n.*There are: 127\.0\.0\.1/],
      [[...into, '--at', '2020-01-01'], 1, /before the end of the oldest base/],
      [[...into, '--owner', 'postgres'], 2, /is no UID:GID/],
      [['--undo', '--at', good], 2, /--undo takes --into alone/],
      [['--undo', '--into', join(folder, 'nowhere')], 1, /nothing to undo|no previous|does not exist/],
    ];
    for (const [words, code, why] of refused) {
      const done = await runVerb('restore-server', words, env);
      assert.equal(done.code, code, `${words.join(' ')}: ${done.stderr}`);
      assert.match(done.stderr, why, words.join(' '));
    }
    assert.deepEqual(readdirSync(foreign), ['letters.txt']);
    const manifests = readdirSync(join(folder, 'store', 'base'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.json'),
    );
    for (const name of manifests) {
      const path = join(folder, 'store', 'base', name);
      writeFileSync(path, readFileSync(path, 'utf8').replace(/"rawBytes": \d+\n\}/, '"rawBytes": 1000000000000000\n}'));
    }
    const full = await runVerb('restore-server', [...into, '--at', good], env);
    assert.equal(full.code, 1);
    assert.match(full.stderr, /has [\d.]+ [KMGT]iB free; recovering 127\.0\.0\.1 needs about 10\d\d\.\d TiB/);
  });
});
