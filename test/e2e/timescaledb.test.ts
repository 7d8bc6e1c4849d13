import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder } from '../support/folders.ts';
import { takeLog } from '../support/moments.ts';
import { startPostgres } from '../support/postgres.ts';
import { WITH_LOG } from '../support/recovery.ts';
import { done, runVerb, until } from '../support/verbs.ts';

const plain = await startPostgres();
const isThere =
  !plain.missing &&
  (await plain.postgres.sql('postgres', "select from pg_available_extensions where name = 'timescaledb'")).length > 0;
const { postgres, missing } = isThere
  ? await startPostgres(
      [
        ...WITH_LOG,
        'shared_preload_libraries=timescaledb',
        'timescaledb.telemetry_level=off',
        'max_worker_processes=32',
      ],
      ['host replication all 127.0.0.1/32 trust'],
    )
  : {
      postgres: plain.postgres,
      missing: 'TimescaleDB is not installed: Debian has no package of it, it is built from its source',
    };

/** Chunks by time and space, some of them compressed, one of those with a later row; what refers and is worked out; jobs. */
const APPLICATION = `
  create extension timescaledb;
  create table devices (id int primary key);
  insert into devices select generate_series(1, 10);
  create table metrics (time timestamptz not null, device int not null references devices, value float check (value >= 0));
  select create_hypertable('metrics', 'time', 'device', 2, chunk_time_interval => interval '1 day');
  create unique index on metrics (time, device);
  insert into metrics select t, 1 + (extract(epoch from t)::int / 3600) % 10, extract(hour from t)
    from generate_series('2026-01-01'::timestamptz, '2026-01-10', '1 hour') t;
  alter table metrics set (timescaledb.compress, timescaledb.compress_segmentby = 'device');
  select count(compress_chunk(c)) from show_chunks('metrics', older_than => '2026-01-05'::timestamptz) c;
  insert into metrics values ('2026-01-02 00:30', 3, 7);
  create table events (id bigint primary key, what text);
  select create_hypertable('events', 'id', chunk_time_interval => 1000);
  insert into events select g, md5(g::text) from generate_series(1, 3000) g;
  create view lately as select time_bucket('1 day', time) as day, max(value) from metrics group by 1;
  create table acted (at timestamptz);
  create procedure act(job_id int, config jsonb) language plpgsql as $$ begin insert into public.acted values (now()); end $$`;
const JOBS = `
  create materialized view daily with (timescaledb.continuous) as
    select time_bucket('1 day', time) as day, device, avg(value), count(*) from metrics group by 1, 2 with no data;
  call refresh_continuous_aggregate('daily', '2026-01-01', '2026-01-08');
  select add_retention_policy('metrics', interval '100 years', initial_start => now() + interval '1 year');
  select add_job('act', '1 year', initial_start => now() + interval '1 year')`;

/** As the application reads it, whatever form it is kept in. */
async function seen(database: string): Promise<Record<string, unknown>> {
  const read: Record<string, unknown> = {};
  for (const name of ['devices', 'metrics', 'events', 'lately', 'daily']) {
    const sql = `select count(*)::int as n, md5(string_agg(t::text, ' ' order by t::text)) as sum from ${name} t`;
    read[name] = (await postgres.sql(database, sql))[0];
  }
  read.kept = await postgres.sql(
    database,
    `select hypertable_name, num_chunks::int, compression_enabled from timescaledb_information.hypertables order by 1`,
  );
  read.compressed = await postgres.sql(
    database,
    'select count(*)::int as n from timescaledb_information.chunks where is_compressed',
  );
  read.jobs = await postgres.sql(
    database,
    'select job_id, proc_name from timescaledb_information.jobs where job_id >= 1000 order by 1',
  );
  return read;
}

async function made(): Promise<{ database: string; env: Record<string, string> }> {
  const database = postgres.freshName();
  await postgres.create(database, 'empty');
  await postgres.sql(database, APPLICATION);
  // not in a transaction
  for (const statement of JOBS.split(';')) await postgres.sql(database, statement);
  const DRILL_DIR = temporaryFolder();
  chmodSync(DRILL_DIR, 0o755);
  return { database, env: { ...postgres.env(database), BACKUP_DIR: temporaryFolder(), DRILL_DIR } };
}

/** The databases that a scheduler of TimescaleDB's is in. */
const atWork = async () =>
  (
    await postgres.sql(
      'postgres',
      "select distinct datname as name from pg_stat_activity where backend_type = 'TimescaleDB Background Worker Scheduler' order by 1",
    )
  ).map(({ name }) => name);
const isAtWork = (database: string) =>
  until(`TimescaleDB is at work in ${database}`, async () => (await atWork()).includes(database) || undefined);
const settings = async () => (await postgres.sql('postgres', 'select from pg_db_role_setting')).length;

describe('a database of TimescaleDB', { skip: missing }, () => {
  for (const format of ['sql', 'custom', 'folder']) {
    test(`is drilled, restored in place, undone, restored beside (${format})`, async () => {
      const { database, env } = await made();
      await isAtWork(database);
      const before = await seen(database);
      const backup = await done('backup', ['--json'], { ...env, BACKUP_FORMAT: format, BACKUP_JOBS: '2' });
      assert.doesNotMatch(backup.stderr, /warn/);
      const { key } = backup.json.results[0];

      const drill = await done('drill', [key, '--json'], env);
      assert.doesNotMatch(drill.stderr, /warn|error/);
      const checks: { name: string; detail: string }[] = drill.json.results[0].checks;
      assert.match(checks.find(({ name }) => name === 'content')?.detail ?? '', /^equal: \d+ tables/);

      await postgres.sql(database, "delete from metrics where time < '2026-01-04'; drop materialized view daily");
      const restore = await done('restore', [key, '--compare'], env);
      assert.match(restore.stderr, /the jobs of timescaledb run again in .*policy_retention \(\d+\), act \(\d+\)/);
      assert.deepEqual(await seen(database), before);
      await isAtWork(database);
      // it takes rows, also where chunks are compressed, and makes chunks
      await postgres.sql(
        database,
        `insert into metrics values ('2026-01-02 00:40', 4, 1), ('2026-03-01', 4, 1);
         select decompress_chunk(c) from show_chunks('metrics', older_than => '2026-01-03'::timestamptz) c`,
      );

      await done('restore', ['--undo'], env);
      assert.deepEqual(
        await postgres.sql(database, "select count(*)::int as n from metrics where time < '2026-01-04'"),
        [{ n: 0 }],
      );
      await isAtWork(database);

      const beside = `${database}copy`;
      const copied = await done('restore', [key, '--to', beside, '--compare'], env);
      assert.match(copied.stderr, /jobs of timescaledb do not run in .*copy.*start_background_workers/);
      assert.deepEqual(await seen(beside), before);
      assert.ok(!(await atWork()).includes(beside));
      assert.equal(await settings(), 0);

      await done('cleanup', [], { ...env, RESTORE_PROTECT_DAYS: '0' });
      assert.deepEqual(await postgres.beside(database), [database, beside]);
    });
  }

  test('gives a hypertable that is picked out with its compressed rows, and what copies them', async () => {
    const { database, env } = await made();
    const before = await seen(database);
    for (const format of ['sql', 'folder']) {
      const { key } = (await done('backup', ['--json'], { ...env, BACKUP_FORMAT: format })).json.results[0];
      const picked = await done('restore', [key, '--table', 'public.metrics', '--json'], env);
      const { database: beside, copy } = picked.json;
      const [row] = await postgres.sql(
        beside,
        "select count(*)::int as n, md5(string_agg(t::text, ' ' order by t::text)) as sum from metrics t",
      );
      assert.deepEqual(row, before.metrics);
      assert.equal(copy.length, 1);
      assert.match(copy[0], /FROM public\.metrics'/);

      await postgres.sql(database, "delete from metrics where time < '2026-01-03'");
      await postgres.sql(
        database,
        `create extension if not exists dblink; ${copy[0].replace(/;\s*$/, ' on conflict do nothing;')}`,
      );
      assert.deepEqual((await seen(database)).metrics, before.metrics);
    }
    await done('restore', ['latest', '--table', 'public.devices', '--to', `${database}devices`], env);
    assert.deepEqual(await postgres.sql(`${database}devices`, 'select count(*)::int as n from devices'), [{ n: 10 }]);
  });

  test('can be looked into, and told apart from a backup', async () => {
    const { database, env } = await made();
    const { key } = (await done('backup', ['--json'], env)).json.results[0];
    const look = await done('look', [key, '--query', 'select count(*)::int as n from metrics', '--json'], env);
    assert.match(look.stdout, /218/);
    await postgres.sql(database, "insert into metrics values ('2026-01-09 00:30', 1, 1)");
    const changed = await runVerb('diff', [key, '--live'], env);
    assert.match(changed.stdout, /_hyper_\d+_\d+_chunk/);
  });

  test('fills a database that is there, and leaves it as it was where that fails', async () => {
    const { database, env } = await made();
    const before = await seen(database);
    await postgres.sql(
      database,
      `create function at_home(id int) returns boolean language sql as $$ select current_database() = '${database}' $$`,
    );
    const { key } = (await done('backup', ['--json'], env)).json.results[0];
    await postgres.sql(database, 'create table homely (id int check (at_home(id))); insert into homely values (1)');
    const homely = (await done('backup', ['--json'], env)).json.results[0].key;
    const given = `${database}given`;
    await postgres.create(given, 'empty');
    // as the images of TimescaleDB make every database
    await postgres.sql(given, 'create extension timescaledb');
    const refused = await runVerb('restore', [homely, '--to', given], env);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /violates check constraint/);
    assert.equal(await settings(), 0);
    await isAtWork(given);
    await done('restore', [key, '--to', given], env);
    assert.deepEqual(await seen(given), before);
    assert.equal(await settings(), 0);
  });

  test('is told to have foreign keys that no load can check, and is restored without those', async () => {
    const { database, env } = await made();
    await postgres.sql(
      database,
      'create table visits (event bigint references events); insert into visits values (1), (2500)',
    );
    const backup = await done('backup', [], env);
    assert.match(
      backup.stderr,
      /no load can check them.*: visits_event_fkey of public\.visits\. restore --without-broken/,
    );
    const refused = await runVerb('restore', ['latest'], env);
    assert.equal(refused.code, 1, refused.stderr);
    await done('restore', ['latest', '--without-broken'], env);
    await postgres.sql(
      database,
      `alter table visits drop constraint visits_event_fkey;
       alter table visits add constraint visits_event_fkey foreign key (event) references events`,
    );
    await assert.rejects(
      postgres.sql(database, 'delete from events where id = 2500'),
      /violates foreign key constraint/,
    );
  });

  test('is restored by a superuser, and by no role that may not tell it of a load', async () => {
    const { database, env } = await made();
    const { key } = (await done('backup', ['--json'], env)).json.results[0];
    const role = `${database}role`;
    await postgres.sql(
      'postgres',
      `create role ${role} login createdb; grant pg_read_all_data to ${role};
       grant set on parameter timescaledb.restoring to ${role}`,
    );
    const as = { ...env, POSTGRES_USER: role };
    const refused = await runVerb('restore', [key, '--to', `${database}by_role`], as);
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /has to be told of a load, which the user .*role may not/);
    assert.match(refused.stderr, /Restore as a superuser/);
    assert.deepEqual(await postgres.beside(`${database}by_role`), []);
    assert.equal(await settings(), 0);
  });

  test('a server that does not preload it refuses the restore', async () => {
    const { env, database } = await made();
    await done('backup', [], env);
    const refused = await runVerb('restore', ['latest', '--to', `${database}elsewhere`], {
      ...env,
      ...plain.postgres.env(database),
    });
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /shared_preload_libraries = 'timescaledb'/);
    assert.deepEqual(await plain.postgres.beside(database), []);
  });

  test('is seen as it was at a moment, and restored to it, compressed rows too', async () => {
    const log = await takeLog(postgres);
    try {
      const { database, env: own } = await made();
      await log.base();
      const before = await seen(database);
      const good = await log.now();
      await sleep(1_100);
      await postgres.sql(database, "delete from metrics where time < '2026-01-04'");
      await log.take();
      const env = { ...own, ...log.env(database) };
      const query = ['--query', 'select count(*)::int as n from metrics', '--json'];
      const look = await done('look', ['--at', good, '--source', database, ...query], env);
      assert.match(look.stdout, /218/);
      await done('restore', ['--at', good, '--to', `${database}moment`], env);
      assert.deepEqual(await seen(`${database}moment`), before);
    } finally {
      await log.stop();
    }
  });
});
