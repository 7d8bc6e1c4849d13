import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { test } from 'node:test';
import { backUp } from '../support/backups.ts';
import { filesIn, temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { startPostgres } from '../support/postgres.ts';
import { runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();
const { mariadb, missing: noMariaDb } = await startMariaDb();

test('an upgrade of PostgreSQL is rehearsed on the version that is asked for, or says that it is not here', {
  skip: missing,
}, async () => {
  const database = postgres.freshName();
  await postgres.create(database);
  await postgres.sql(database, 'create table t (n int); insert into t values (1)');
  const folder = temporaryFolder();
  const drillDir = temporaryFolder();
  chmodSync(drillDir, 0o1777);
  const env = { ...postgres.env(database), BACKUP_DIR: folder, DRILL_DIR: drillDir };
  const none = await runVerb('upgrade-check', ['99', '--json'], env);
  assert.equal(none.code, 1);
  assert.match(none.json.results[0].checks[0].detail, /there is no backup/);
  await backUp(env);
  const stored = filesIn(folder);
  const away = await runVerb('upgrade-check', ['99', '--json'], env);
  assert.equal(away.code, 1);
  assert.match(away.json.results[0].checks[0].detail, /the PostgreSQL 99 server is not installed here/);
  assert.match(away.json.results[0].advice[0], /stands in the way of 99/);
  for (const [to, message] of [
    ['10', /is not older than 10/],
    ['eighteen', /is no version to go to/],
    ['11.8', /is a version of MariaDB, and there is no such source/],
  ] as const) {
    const refused = await runVerb('upgrade-check', [to, '--json'], env);
    assert.equal(refused.code, 2);
    assert.match(refused.json.error.message, message);
  }
  assert.deepEqual(filesIn(folder), stored, 'no record of it is kept');
});

test('an upgrade of MariaDB is rehearsed on the server that is here, if it is of that series', {
  skip: noMariaDb,
}, async () => {
  const database = mariadb.freshName();
  await mariadb.create(database);
  await mariadb.sql('create table t (n int primary key)', [], database);
  await mariadb.sql('insert into t values (1)', [], database);
  const env = { ...mariadb.env(database), BACKUP_DIR: temporaryFolder(), DRILL_DIR: temporaryFolder() };
  chmodSync(env.DRILL_DIR, 0o1777);
  await backUp(env);
  const other = await runVerb('upgrade-check', ['99.9', '--json'], env);
  assert.equal(other.code, 1);
  assert.match(other.json.results[0].checks[0].detail, /the MariaDB server here is .*, and not 99\.9/);
});
