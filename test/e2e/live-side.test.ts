import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, type Environment, runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();
const { postgres: another } = await startPostgres();

async function backedUp(setUp: (database: string) => Promise<unknown>) {
  const database = postgres.freshName();
  await postgres.create(database, 'empty');
  await postgres.sql(database, 'create table t (id int primary key); insert into t select generate_series(1, 100)');
  await setUp(database);
  const env: Environment = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
  const backup = await done('backup', ['--json'], env);
  return { database, env, key: backup.json.results[0].key as string };
}

describe('the live side of a restore', { skip: missing, concurrency: 3 }, () => {
  test('a template stays one, and what it replaced can be removed', async () => {
    const { database, env, key } = await backedUp((name) =>
      postgres.sql('postgres', `alter database ${name} is_template true`),
    );
    await done('restore', [key], env);
    const [row] = await postgres.sql('postgres', 'select datistemplate as is from pg_database where datname = $1', [
      database,
    ]);
    assert.equal(row.is, true);
    await done('cleanup', [], { ...env, RESTORE_PROTECT_DAYS: '0' });
    assert.deepEqual(await postgres.beside(database), [database]);
  });

  test('a subscription that came with a backup is told of, and keeps nothing from being dropped', async () => {
    const { database, env, key } = await backedUp((name) =>
      postgres.sql(
        name,
        `create subscription ${name}_s connection 'host=nowhere.invalid' publication p with (connect = false, slot_name = none)`,
      ),
    );
    const refused = await runVerb('restore', [key], env);
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /subscribes to logical replication: .*\n.*DROP SUBSCRIPTION.*Nothing was touched/);
    await postgres.sql(database, `drop subscription ${database}_s`);
    const restore = await done('restore', [key], env);
    assert.match(restore.stderr, /warn: it subscribes to logical replication, which is disabled as restored/);
    await done('restore', ['--undo'], env);
    const cleanup = await runVerb('cleanup', [], { ...env, RESTORE_PROTECT_DAYS: '0' });
    assert.doesNotMatch(cleanup.stderr, /warn|error/);
    assert.deepEqual(await postgres.beside(database), [database]);
  });

  test('a live database that lets nobody in is replaced, and lets nobody in afterwards', async () => {
    const { database, env, key } = await backedUp(async () => {});
    await postgres.sql('postgres', `alter database ${database} allow_connections false`);
    await done('restore', [key], env);
    const [row] = await postgres.sql('postgres', 'select datallowconn as open from pg_database where datname = $1', [
      database,
    ]);
    assert.equal(row.open, false);
  });

  test('a tablespace that the server lacks is named before anything is made, with the statement that makes it', async () => {
    const { database, env, key } = await backedUp(async (name) => {
      const client = await postgres.connect('postgres');
      await client.query('set allow_in_place_tablespaces = on');
      await client.query(`create tablespace "fast disk" location ''`);
      await client.query(`alter database ${name} set tablespace "fast disk"`);
      await client.end();
    });
    await postgres.sql('postgres', `drop database ${database} with (force)`);
    await postgres.sql('postgres', 'drop tablespace "fast disk"');
    const restore = await runVerb('restore', [key], env);
    assert.equal(restore.code, 1);
    assert.match(
      restore.stderr,
      /lacks tablespaces.*: fast disk\n.*CREATE TABLESPACE "fast disk" LOCATION.*Nothing was touched/,
    );
    assert.deepEqual(await postgres.beside(database), []);
  });

  test('an empty database of the operator’s own on a server without the roles gets them made', async () => {
    const { database, env, key } = await backedUp((name) =>
      postgres.sql(name, 'create role empty_app; alter table t owner to empty_app'),
    );
    await postgres.sql('postgres', `drop database ${database} with (force)`);
    await postgres.sql('postgres', 'drop role empty_app');
    await postgres.create(`${database}_given`, 'empty');
    const restore = await done('restore', [key, '--to', `${database}_given`], env);
    assert.match(restore.stderr, /made the roles that the server lacked: empty_app/);
  });

  test('a session that may not be ended does not keep the others from being ended', async () => {
    const { database, env, key } = await backedUp(async (name) => {
      await postgres.sql(
        'postgres',
        `create role ending_owner login createdb; alter database ${name} owner to ending_owner`,
      );
      await postgres.sql(name, 'alter table t owner to ending_owner; create role ending_app login');
    });
    const boss = await postgres.connect(database);
    const app = await postgres.connect(database, 'ending_owner');
    const ended = new Promise((resolve) => app.once('end', resolve));
    const restore = await runVerb('restore', [key], { ...env, POSTGRES_USER: 'ending_owner' });
    await ended;
    await boss.end();
    assert.equal(restore.code, 1, restore.stderr);
    assert.match(restore.stderr, /could not be swapped: it is in use by .*postgres/);
    assert.deepEqual(await postgres.beside(database), [database]);
  });

  test('data on a server that no backup came from is replaced only at a word; a new or an empty one as ever', async () => {
    const { database, env, key } = await backedUp(async () => {});
    const elsewhere = { ...env, ...another.env(database) };
    await done('restore', [key], elsewhere);
    const refused = await runVerb('restore', [key], elsewhere);
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(
      refused.stderr,
      /has data in it, and no backup of .* came from that server.*\n.*--other-server.*Nothing was touched/,
    );
    await done('restore', [key, '--to', `${database}_copy`], elsewhere);
    await another.sql(database, 'drop table t');
    await done('restore', [key], elsewhere);
    await done('restore', [key, '--other-server'], elsewhere);

    const backup = await runVerb('backup', [], elsewhere);
    assert.match(backup.stderr, /warn.*of another server than the backup before it/);
    await done('restore', [key], elsewhere);
  });

  test('what has no more than the name of what restores leave is not dropped; what they left themselves is', async () => {
    const { database, env, key } = await backedUp((name) =>
      postgres.sql('postgres', `comment on database ${name} is 'mine'`),
    );
    const theirs = [`${database}_previous_20200101000000`, `${database}_restoring_20200101000000`];
    for (const name of theirs) {
      await postgres.create(name, 'empty');
      await postgres.sql(name, 'create table precious ()');
    }
    const restore = await done('restore', [key, '--json'], env);
    assert.match(restore.stderr, /warn: \S+_restoring_20200101000000 has the name of .*DROP DATABASE/);
    const comment = async (name: string) =>
      (
        await postgres.sql(
          'postgres',
          "select shobj_description(oid, 'pg_database') as c from pg_database where datname = $1",
          [name],
        )
      )[0].c;
    assert.equal(await comment(database), 'mine');
    assert.match(await comment(restore.json.previousDatabase), /^mine\ncompose-db-backup: previous of /);

    const undo = await runVerb('restore', ['--undo', '--json'], env);
    assert.equal(undo.json.restoredFrom, restore.json.previousDatabase);
    assert.equal(await comment(database), 'mine');
    await done('cleanup', [], { ...env, RESTORE_PROTECT_DAYS: '0' });
    assert.deepEqual((await postgres.beside(database)).sort(), [database, ...theirs].sort());
  });
});
