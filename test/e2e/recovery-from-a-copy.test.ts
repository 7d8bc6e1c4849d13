import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { findPrograms } from '../../scripts/lib/engines/postgres/server/programs.ts';
import { setChildEnvironment } from '../../scripts/lib/machine/child-environment.ts';
import { startCluster } from '../support/cluster.ts';
import { filesIn, temporaryFolder } from '../support/folders.ts';
import { untilStored } from '../support/log.ts';
import { done, runVerb, startVerb, until } from '../support/verbs.ts';

setChildEnvironment(process.env);
const missing = (await findPrograms('initdb')).length === 0 ? 'PostgreSQL is not installed here' : false;

describe('with the machine and its primary store gone, a copy alone brings everything back', {
  skip: missing,
}, async () => {
  if (missing) return;
  const [primary, copy] = [temporaryFolder(), temporaryFolder()];
  const lost = await startCluster();
  const of = (folder: string, database: string, cluster = lost) => ({
    ...cluster.env(database),
    ...{ BACKUP_DIR: folder, DRILL_DIR: temporaryFolder(), PITR: 'true', PITR_INTERVAL: '1s', BASE_SCHEDULE: 'off' },
  });
  const env = { ...of(primary, 'shop'), COPY_NAS: `file://${copy}` };
  const rows = async (cluster: typeof lost, database: string) =>
    (await cluster.sql(database, 'select count(*)::int as n, sum(n)::int as sum from orders'))[0];
  const receiver = startVerb('receive', [], env);
  after(() => receiver.signalAll('SIGKILL'));
  let inDump: unknown;
  let inLog: unknown;

  test('what was dumped and what was in the log is in the copy', async () => {
    await lost.sql('postgres', 'create role app login');
    await lost.sql('postgres', 'create database shop owner app');
    await lost.sql('shop', 'create table orders (n int primary key)');
    await lost.sql('shop', 'alter table orders owner to app; insert into orders select generate_series(1, 20000)');
    await until('there is a base', async () =>
      filesIn(primary).some((key) => /^base\/.*json$/.test(key)) ? true : undefined,
    );
    await done('backup', [], env);
    inDump = await rows(lost, 'shop');
    await lost.sql('shop', 'insert into orders select generate_series(20001, 20500)');
    inLog = await rows(lost, 'shop');
    await untilStored(lost);
    const { json } = await done('copy', ['--json'], env);
    const [{ copied, log }] = json.copies;
    assert.deepEqual([copied.length, log.bases], [1, 1]);
  });

  test('an intruder ruins the primary store, and the machine is gone', async () => {
    receiver.signalAll('SIGKILL');
    await Promise.all([receiver.outcome, lost.kill()]);
    for (const name of filesIn(primary)) writeFileSync(join(primary, name), 'ruined');
    rmSync(lost.data, { recursive: true });
  });

  test('a new server takes the dump of the copy, with its role and owner', async (t) => {
    const fresh = await startCluster();
    after(() => fresh.stop());
    const began = performance.now();
    await done('restore', ['latest'], of(copy, 'shop', fresh));
    t.diagnostic(`the database was back in ${((performance.now() - began) / 1_000).toFixed(1)} s`);
    assert.deepEqual(await rows(fresh, 'shop'), inDump);
    const [owner] = await fresh.sql('shop', "select tableowner from pg_tables where tablename = 'orders'");
    assert.equal(owner.tableowner, 'app');
  });

  test('the whole server comes back to what was in the log of the copy', async (t) => {
    const began = performance.now();
    const restored = await done('restore-server', ['--into', lost.data, '--json'], of(copy, 'shop'));
    t.diagnostic(`the server's data were back in ${((performance.now() - began) / 1_000).toFixed(1)} s`);
    assert.equal(restored.json.previous, null);
    await lost.start();
    after(() => lost.stop());
    assert.deepEqual(await rows(lost, 'shop'), inLog);
  });

  test('the primary store is filled from the copy again, over nothing that is there', async () => {
    const ruined = filesIn(primary);
    const refused = await runVerb('copy', ['--from', 'nas', '--json'], env);
    assert.equal(refused.code, 1, refused.stderr);
    assert.deepEqual(filesIn(primary), ruined);
    const anew = temporaryFolder();
    await done('copy', ['--from', 'nas'], { ...env, BACKUP_DIR: anew });
    assert.deepEqual(
      filesIn(anew).filter((key) => !key.startsWith('verify/')),
      filesIn(copy).filter((key) => !key.startsWith('verify/')),
    );
    const { json } = await done('verify', ['--all', '--json'], { ...of(anew, 'shop') });
    assert.equal(json.ok, true);
  });
});
