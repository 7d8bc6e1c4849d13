import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { startPostgres } from '../support/postgres.ts';
import { type Environment, runVerb, startVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();
const { mariadb, missing: withoutMariaDb } = await startMariaDb();

/** A verb frozen in the middle of a dump that takes its time; what status says then, and after its end. */
async function statusOfFrozen(env: Environment, dumpProgram: string) {
  assert.equal((await runVerb('backup', [], env)).code, 0);
  const running = startVerb('backup', [], env);
  await running.process(dumpProgram);
  for (const { pid } of running.processes()) process.kill(pid, 'SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const easy = await runVerb('status', ['--json'], env);
  const stuck = await runVerb('status', ['--json'], { ...env, BACKUP_TIMEOUT: '1s' });
  for (const { pid } of running.processes()) process.kill(pid, 'SIGKILL');
  await running.outcome;
  return { easy, stuck };
}

describe('status reports a run that hangs, while it hangs', { concurrency: false }, () => {
  test('of PostgreSQL', { skip: missing }, async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
    const { easy, stuck } = await statusOfFrozen(env, 'pg_dump');
    assert.equal(easy.code, 0, easy.stderr + easy.stdout);
    const [source] = easy.json.sources;
    assert.equal(source.running[0].purpose, 'backup');
    assert.equal(source.running[0].isStuck, false);
    assert.equal(stuck.code, 3);
    assert.match(stuck.json.sources[0].reasons.join(), /a backup has been running for .* and hangs: make logs-backup/);
    assert.deepEqual((await runVerb('status', ['--json'], env)).json.sources[0].running, []);
  });

  test('of MariaDB', { skip: withoutMariaDb }, async () => {
    const database = mariadb.freshName();
    await mariadb.create(database);
    const env = { ...mariadb.env(database), BACKUP_DIR: temporaryFolder() };
    const { easy, stuck } = await statusOfFrozen(env, 'mariadb-dump');
    assert.equal(easy.json.sources[0].running[0].purpose, 'backup');
    assert.equal(stuck.code, 3);
    assert.match(stuck.json.sources[0].reasons.join(), /a backup has been running for .* and hangs/);
  });

  test('of a restore', { skip: missing }, async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
    assert.equal((await runVerb('backup', [], env)).code, 0);
    const running = startVerb('restore', ['latest'], env);
    await running.process('psql');
    running.signal('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const stuck = await runVerb('status', ['--json'], { ...env, BACKUP_TIMEOUT: '1s', RESTORE_TIMEOUT: '1s' });
    for (const { pid } of running.processes()) process.kill(pid, 'SIGKILL');
    assert.equal(stuck.code, 3);
    assert.match(stuck.json.sources[0].reasons.join(), /a restore has been running for .* and hangs/);
  });
});
