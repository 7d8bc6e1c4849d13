import assert from 'node:assert/strict';
import { chmodSync, chownSync, copyFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { configure } from '../../scripts/lib/config/config.ts';
import { besideName } from '../../scripts/lib/engines/database/beside-names.ts';
import { connect } from '../../scripts/lib/engines/mariadb/server/connection.ts';
import { raiseLimits } from '../../scripts/lib/engines/mariadb/server/raised.ts';
import { temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { databasesOf } from '../support/sources.ts';
import { done, type Environment, runVerb } from '../support/verbs.ts';

const { mariadb, missing } = await startMariaDb();
const signal = new AbortController().signal;

async function backedUp(sql: string): Promise<{ database: string; env: Environment; warnings: string[] }> {
  const database = mariadb.freshName();
  await mariadb.create(database, 'empty');
  await mariadb.script(database, sql);
  const folder = temporaryFolder();
  // the server of a drill is another user's
  chmodSync(folder, 0o755);
  const env: Environment = { ...mariadb.env(database), BACKUP_DIR: folder, DRILL_DIR: folder };
  const backup = await done('backup', ['--json'], env);
  return { database, env, warnings: backup.json.results[0].warnings as string[] };
}

describe('the live side of a restore on MariaDB', { skip: missing }, () => {
  test('a database of the operator’s that is named like one of ours is backed up, and never dropped', async () => {
    const { database, env } = await backedUp('create table t (id int primary key); insert into t values (1)');
    const old = new Date('2026-01-01T00:00:00Z');
    const alike = (['restoring', 'previous', 'undone'] as const).map((role) => besideName(database, role, old));
    for (const name of alike) {
      await mariadb.create(name, 'empty');
      await mariadb.sql('create table theirs (x int)', undefined, name);
    }
    // and a copy of one of ours under another name
    const copy = besideName(database, 'restoring', new Date('2026-01-02T00:00:00Z'));
    await mariadb.create(copy, 'empty');
    await mariadb.sql(
      `alter database \`${copy}\` comment 'compose-db-backup: restoring of "${database}" as "${database}_restoring_20260101000001"'`,
    );
    const restore = await done('restore', ['latest', '--json'], env);
    assert.match(restore.stderr, /does not say that it is one: it stays\. .*DROP DATABASE/);
    const ours = restore.json.previousDatabase as string;
    await done('cleanup', [], { ...env, RESTORE_PROTECT_DAYS: '0' });
    assert.deepEqual(await mariadb.beside(database), [database, ...alike, copy].sort());
    assert.doesNotMatch((await mariadb.databases()).join(), new RegExp(ours));
    const all = await runVerb('backup', ['--json'], {
      ...env,
      BACKUP_SOURCE_SHOP: `${env.BACKUP_SOURCE_SHOP}`.replace(`/${database}`, '/*'),
    });
    const sources = all.json.results.map(({ source }: { source: string }) => source);
    for (const name of [database, ...alike]) assert.ok(sources.includes(`shop.${name}`), name);
  });

  test('what a killed restore had raised on the server is put back by the next command; what another set since is not', async () => {
    const { database, env } = await backedUp('create table t (id int primary key)');
    const [source] = databasesOf(configure({ ...env, PATH: process.env.PATH }));
    assert.ok(source);
    const packet = async () => Number((await mariadb.sql('select @@global.max_allowed_packet as n'))[0].n);
    const before = await packet();
    const raised = async () => {
      const connection = await connect(source, signal);
      const putBack = await raiseLimits(connection, source, { makesFunctions: true });
      return { connection, putBack };
    };
    const [first, second] = [await raised(), await raised()];
    assert.equal(await packet(), 1024 ** 3);
    // one that ends beside another leaves it as it is
    await first.putBack();
    await first.connection.close();
    assert.equal(await packet(), 1024 ** 3);
    // killed
    await second.connection.close();
    await done('backup', [], env);
    assert.equal(await packet(), before);
    assert.doesNotMatch((await mariadb.databases()).join(), /raised/);

    await (await raised()).connection.close();
    await mariadb.sql('set global max_allowed_packet = 33554432');
    await done('backup', [], env);
    assert.equal(await packet(), 33_554_432);
    await mariadb.sql(`set global max_allowed_packet = ${before}`);
    assert.deepEqual(await mariadb.beside(database), [database]);
  });

  test('a table that the server cannot open keeps nothing from being restored, and is told of', async () => {
    const { database, env } = await backedUp(
      'create table t (id int primary key); insert into t values (1); create table good (id int primary key)',
    );
    // its file is there by name alone: InnoDB does not know it
    const folder = join(dirname(mariadb.socket ?? ''), 'data', database);
    await mariadb.sql(`drop table \`${database}\`.t`);
    copyFileSync(join(folder, 'good.frm'), join(folder, 't.frm'));
    const { uid, gid } = statSync(folder);
    chownSync(join(folder, 't.frm'), uid, gid);
    await assert.rejects(mariadb.sql(`select * from \`${database}\`.t`), /doesn't exist in engine/);
    const failed = await runVerb('backup', [], env);
    assert.equal(failed.code, 1, failed.stderr);
    const restore = await done('restore', ['latest'], env);
    assert.match(restore.stderr, /the live table t is broken: .*doesn't exist in engine/);
    assert.deepEqual(await mariadb.sql(`select id from \`${database}\`.t`), [{ id: 1 }]);
  });

  test('former versions of rows come back with the current ones, in a drill, a restore and an undo', async () => {
    const { database, env, warnings } = await backedUp(
      `create table prices (id int primary key, cents int) with system versioning;
       create table own (id int primary key, v text, a timestamp(6) generated always as row start,
         b timestamp(6) generated always as row end, period for system_time (a, b)) with system versioning;
       create table empty_one (id int primary key) with system versioning;
       insert into prices values (1, 100), (2, 200); update prices set cents = cents + 1; delete from prices where id = 2;
       insert into own (id, v) values (1, repeat('(),\\n', 100)); update own set v = 'after'`,
    );
    assert.deepEqual(warnings, []);
    const all = async () => [
      await mariadb.sql(`select *, row_start, row_end from \`${database}\`.prices for system_time all order by 1, 3`),
      await mariadb.sql(`select * from \`${database}\`.own for system_time all order by 1, 3`),
    ];
    const before = await all();
    assert.equal(before[0]?.length, 4);
    const drill = await done('drill', ['--json'], env);
    assert.match(JSON.stringify(drill.json), /equal: 3 tables, 6 rows/);
    await mariadb.sql(`delete from \`${database}\`.prices; delete from \`${database}\`.own`);
    const after = await all();
    await done('restore', ['latest', '--compare'], env);
    assert.deepEqual(await all(), before);
    await done('restore', ['--undo'], env);
    assert.deepEqual(await all(), after);
  });

  test('a history by transaction, which no dump can hold, is named in each backup and by status', async () => {
    const { env, warnings } = await backedUp(
      `create table x (id int, s bigint unsigned generated always as row start, e bigint unsigned generated always as row end,
         period for system_time (s, e)) with system versioning engine = InnoDB; insert into x (id) values (1)`,
    );
    assert.match(warnings.join(), /not their history: x \(mariadb-dump has no history by transaction, as of x\)/);
    assert.match((await runVerb('status', [], env)).stdout, /not\s+their history/);
  });
});
