import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { extensionTree } from '../support/extension-tree.ts';
import { temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, runVerb, startVerb, until } from '../support/verbs.ts';

/** Stands in for TimescaleDB where that is not installed: no table is made in a database that was not told of its load. */
const STAND_IN = `
create schema _timescaledb_functions; create schema _timescaledb_catalog; create schema timescaledb_information;
create table _timescaledb_catalog.calls (n serial, call text);
create table _timescaledb_catalog.metadata (key text primary key, value text);
insert into _timescaledb_catalog.metadata values ('installed', 'when it was made');
select pg_catalog.pg_extension_config_dump('_timescaledb_catalog.metadata', '');
create function _timescaledb_catalog.make_way() returns trigger language plpgsql as $$
  begin delete from _timescaledb_catalog.metadata where key = new.key; return new; end $$;
create trigger makes_way before insert on _timescaledb_catalog.metadata for each row execute function _timescaledb_catalog.make_way();
create function _timescaledb_catalog.note(what text) returns boolean language sql as $$
  insert into _timescaledb_catalog.calls (call) values (what); select true $$;
create function @extschema@.timescaledb_pre_restore() returns boolean language plpgsql as $$
  begin execute format('alter database %I set timescaledb.restoring = %L', current_database(), 'on');
  return _timescaledb_catalog.note('before'); end $$;
create function @extschema@.timescaledb_post_restore() returns boolean language plpgsql as $$
  begin execute format('alter database %I reset timescaledb.restoring', current_database());
  return _timescaledb_catalog.note('after'); end $$;
create function _timescaledb_functions.stop_background_workers() returns boolean language sql as $$ select _timescaledb_catalog.note('stop') $$;
create function _timescaledb_functions.start_background_workers() returns boolean language sql as $$ select pg_sleep(0.3); select _timescaledb_catalog.note('start') $$;
create view timescaledb_information.jobs as select 'tidy'::name as proc_name, 1000 as job_id, true as scheduled;
create view timescaledb_information.hypertables as select ''::name as hypertable_schema, ''::name as hypertable_name where false;
create view timescaledb_information.chunks as select ''::name as chunk_schema, ''::name as chunk_name, ''::name as hypertable_schema, ''::name as hypertable_name where false;
create function _timescaledb_catalog.guard() returns event_trigger language plpgsql as $$
  begin if coalesce(current_setting('timescaledb.restoring', true), '') <> 'on' then raise 'nobody said that this is a load'; end if; end $$;
create event trigger guarded on ddl_command_start when tag in ('CREATE TABLE') execute function _timescaledb_catalog.guard();
`;
const control = (version: string) => `default_version = '${version}'\nrelocatable = false\nsuperuser = true\n`;

const tree = await extensionTree({
  'timescaledb.control': control('2.1'),
  'timescaledb--2.0.sql': STAND_IN,
  'timescaledb--2.1.sql': STAND_IN,
});
const { postgres, missing } = await startPostgres(['max_prepared_transactions=2'], [], tree?.program);
const skip = missing || (tree ? false : 'PostgreSQL is not laid out as Debian does');

/** With the extension in an older version than the server makes by itself. */
async function prepared(also = ''): Promise<{ database: string; env: Record<string, string>; key: string }> {
  const database = postgres.freshName();
  await postgres.create(database, 'empty');
  await postgres.sql(
    database,
    `create extension timescaledb version '2.0'; set timescaledb.restoring = on;
     create table t (id int primary key); insert into t select generate_series(1, 100); ${also}`,
  );
  const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
  const backup = await done('backup', ['--json'], env);
  assert.doesNotMatch(backup.stderr, /warn/);
  return { database, env, key: backup.json.results[0].key };
}

const calls = async (database: string) =>
  (await postgres.sql(database, 'select call from _timescaledb_catalog.calls order by n')).map(({ call }) => call);
const settings = async () => (await postgres.sql('postgres', 'select setconfig from pg_db_role_setting')).length;
const version = async (database: string) =>
  (await postgres.sql(database, "select extversion as v from pg_extension where extname = 'timescaledb'"))[0]?.v;

describe('an extension that wants to be told of a load', { skip }, () => {
  for (const format of ['sql', 'custom', 'folder']) {
    test(`is, and its workers are let in where the database has its place (${format})`, async () => {
      const { database, env } = await prepared();
      const backup = await done('backup', ['--json'], { ...env, BACKUP_FORMAT: format });
      const { key } = backup.json.results[0];

      const beside = await done('restore', [key, '--to', `${database}copy`, '--compare'], env);
      assert.deepEqual(await calls(`${database}copy`), ['before', 'after', 'stop']);
      assert.match(beside.stderr, /jobs of timescaledb do not run in .*: tidy \(1000\).*start_background_workers\(\)/);

      await done('restore', [key, '--compare'], env);
      assert.deepEqual(await calls(database), ['before', 'after', 'stop', 'start']);
      assert.equal(await version(database), '2.0');
      await done('restore', ['--undo'], env);
      assert.deepEqual(await calls(database), ['start']);
      assert.equal(await settings(), 0);
    });
  }

  test('is forgotten again where the load fails in a database that stays', async () => {
    const { database, env, key } = await prepared();
    await postgres.sql(
      database,
      `set timescaledb.restoring = on;
       create function at_home(id int) returns boolean language sql as $$ select current_database() = '${database}' $$;
       create table homely (id int check (at_home(id))); insert into homely values (1)`,
    );
    const homely = (await done('backup', ['--json'], env)).json.results[0].key;
    const given = `${database}given`;
    await postgres.create(given, 'empty');
    const refused = await runVerb('restore', [homely, '--to', given], env);
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /violates check constraint/);
    assert.equal(await version(given), undefined);

    // what was there before stays, and its workers are let in again
    await postgres.sql(given, "create extension timescaledb version '2.0'");
    assert.equal((await runVerb('restore', [homely, '--to', given], env)).code, 1);
    assert.deepEqual(await calls(given), ['before', 'start']);
    assert.equal(await settings(), 0);
    await done('restore', [key, '--to', given], env);
    assert.deepEqual(await calls(given), ['before', 'start', 'before', 'after', 'stop']);
    assert.equal(await settings(), 0);
  });

  test('has its workers in the live database again after a swap that failed', async () => {
    const { database, env, key } = await prepared();
    const running = startVerb('restore', [key], env);
    await until('it is filled beside', async () => (await postgres.beside(database)).length > 1 || undefined);
    await postgres.sql(database, "begin; insert into t values (101); prepare transaction 'open'");
    const refused = await running.outcome;
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /could not be swapped/);
    await postgres.sql(database, "rollback prepared 'open'");
    assert.deepEqual(await calls(database), ['start']);
  });

  test('has the rows that come with it make way, also where event triggers are passed over', async () => {
    const { database, env } = await prepared(
      `create function note() returns event_trigger language plpgsql as $$ begin null; end $$;
       create event trigger notes on ddl_command_end execute function note()`,
    );
    await done('restore', ['latest', '--compare'], env);
    const enabled = 'select distinct tgenabled as enabled from pg_trigger where not tgisinternal';
    assert.deepEqual(await postgres.sql(database, enabled), [{ enabled: 'O' }]);
  });

  test('brings rows of its own beside a table that is picked out', async () => {
    const { database, env, key } = await prepared();
    await done('restore', [key, '--table', 'public.t', '--to', `${database}picked`], env);
    assert.deepEqual(await postgres.sql(`${database}picked`, 'select count(*)::int as n from t'), [{ n: 100 }]);
  });

  test('lies in a schema that the dump makes, in the version that the server makes by itself', async () => {
    const { database, env } = await prepared();
    await postgres.sql(
      database,
      'drop extension timescaledb; create schema "of its own"; create extension timescaledb schema "of its own"',
    );
    await done('backup', [], env);
    await done('restore', ['latest', '--compare'], env);
    assert.deepEqual(await calls(database), ['after', 'stop', 'start']);
    assert.equal(await settings(), 0);
  });

  test('is not made in another version, and both are said before anything is touched', async () => {
    const { database, env, key } = await prepared();
    const script = join(tree?.extensions ?? '', 'timescaledb--2.0.sql');
    rmSync(script);
    try {
      const refused = await runVerb('restore', [key], env);
      assert.equal(refused.code, 1, refused.stderr);
      assert.match(refused.stderr, /needs a version .* not installed here: timescaledb 2\.0, where there is 2\.1/);
      assert.match(refused.stderr, /ALTER EXTENSION timescaledb UPDATE.*Nothing was touched/);
      assert.deepEqual(await postgres.beside(database), [database]);
    } finally {
      writeFileSync(script, STAND_IN);
    }
  });
});
