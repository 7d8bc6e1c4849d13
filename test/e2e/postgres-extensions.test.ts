import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, runVerb, startVerb, until } from '../support/verbs.ts';

/** The database that pg_cron is for: its setting names one, and is read when the server starts. */
const CRON = 'cron_app';

const AVAILABLE = "select from pg_available_extensions where name = 'pg_cron'";

const plain = await startPostgres();
const isThere = !plain.missing && (await plain.postgres.sql('postgres', AVAILABLE)).length > 0;
const withCron = isThere
  ? await startPostgres(['shared_preload_libraries=pg_cron', `cron.database_name=${CRON}`])
  : { postgres: plain.postgres, missing: 'pg_cron is not installed: apt-get install postgresql-15-cron' };

describe('an extension that one database alone can have', { skip: plain.missing || withCron.missing }, () => {
  const { postgres } = withCron;
  const env = { ...postgres.env(CRON), BACKUP_DIR: temporaryFolder() };
  const DRILL_DIR = temporaryFolder();
  chmodSync(DRILL_DIR, 0o755);

  for (const format of ['sql', 'custom', 'folder']) {
    test(`is drilled, restored beside and in place, with what is in its tables (${format})`, async () => {
      await postgres.create(CRON, 'empty');
      await postgres.sql(
        CRON,
        `create extension pg_cron; select cron.schedule('nightly', '0 3 * * *', 'vacuum');
         create view public.jobs as select jobname from cron.job; create table public.t as select 1 as id`,
      );
      const backup = await done('backup', ['--json'], { ...env, BACKUP_FORMAT: format });
      const { key } = backup.json.results[0];
      assert.match(backup.stderr, /pg_cron.*cron\.database_name/);

      await done('drill', [key], { ...env, DRILL_DIR });

      await done('restore', [key, '--to', `${CRON}_copy`], env);
      assert.deepEqual(await postgres.sql(`${CRON}_copy`, 'select jobname from public.jobs'), [{ jobname: 'nightly' }]);

      await postgres.sql(CRON, "select cron.unschedule('nightly')");
      await done('restore', [key, '--compare'], env);
      assert.deepEqual(await postgres.sql(CRON, 'select jobname, database from cron.job'), [
        { jobname: 'nightly', database: CRON },
      ]);
      assert.ok(!(await postgres.databases()).includes('contrib_regression'));
      for (const name of await postgres.beside(CRON))
        await postgres.sql('postgres', `drop database ${name} with (force)`);
    });
  }

  test('a server that does not preload it refuses the restore, and says what to set', async () => {
    const { postgres: other } = plain;
    await postgres.create(CRON, 'empty');
    await postgres.sql(CRON, 'create extension pg_cron');
    const backup = await runVerb('backup', ['--json'], env);
    const { key } = backup.json.results[0];
    const refused = await runVerb('restore', [key], { ...env, ...other.env(CRON) });
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /pg_cron, which this server does not preload/);
    assert.match(refused.stderr, /shared_preload_libraries = 'pg_cron'/);
    assert.deepEqual(await other.beside(CRON), []);
  });

  test('a database of the name that it is made under is not touched, and named', async () => {
    await postgres.sql('postgres', 'create database contrib_regression');
    const running = startVerb('restore', ['latest', '--to', `${CRON}_other`], env);
    await until('it waits for the name', async () => {
      const rows = await postgres.sql(
        'postgres',
        "select 1 from pg_stat_activity where query ~ 'rename to .?contrib_regression' and pid <> pg_backend_pid()",
      );
      return rows.length > 0 || undefined;
    });
    await postgres.sql('postgres', 'drop database contrib_regression');
    const restored = await running.outcome;
    assert.equal(restored.code, 0, restored.stderr);
  });
});

const hasTopology =
  !plain.missing &&
  (await plain.postgres.sql('postgres', "select from pg_available_extensions where name = 'postgis_topology'")).length >
    0;
const withoutTopology = hasTopology ? false : 'PostGIS is not installed: apt-get install postgresql-15-postgis-3';

describe('a sequence of an extension that no dump holds', { skip: plain.missing || withoutTopology }, () => {
  test('goes on where it stood', async () => {
    const { postgres } = plain;
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    await postgres.sql(
      database,
      `create extension postgis; create extension postgis_topology;
       select topology.CreateTopology('first'); select topology.CreateTopology('second')`,
    );
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
    await done('backup', [], env);
    await done('restore', ['latest', '--compare'], env);
    const made = await postgres.sql(database, "select topology.CreateTopology('third') as id");
    assert.deepEqual(made, [{ id: 3 }]);
  });
});
