import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import { ageKeyPair, backUp } from '../support/backups.ts';
import { filesIn, temporaryFolder } from '../support/folders.ts';
import { cases } from '../support/matrix.ts';
import { contentsOf, startPostgres } from '../support/postgres.ts';
import { done, runVerb, startVerb, until } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres(['max_locks_per_transaction=1024']);

const SHAPES = readFileSync(new URL('../support/shapes.sql', import.meta.url), 'utf8');
/** The others are what the folder is held against. */
const FORMATS = cases(['folder'], ['sql', 'custom']);

/** A database made by these statements, and what a verb needs to know of it. */
async function databaseOf(sql: string, more: Readonly<Record<string, string>> = {}) {
  const database = postgres.freshName();
  await postgres.create(database, 'empty');
  if (sql !== '') await postgres.sql(database, sql);
  const env: Record<string, string> = {
    ...postgres.env(database),
    BACKUP_DIR: temporaryFolder(),
    BACKUP_FORMAT: 'folder',
    BACKUP_JOBS: '2',
    ...more,
  };
  return { database, env };
}

/** Restores beside the live database, and asserts that nothing differs: neither a definition nor a row. */
async function assertRestores(database: string, env: Readonly<Record<string, string>>, key: string): Promise<void> {
  const copy = `${database}copy`;
  await done('restore', [key, '--to', copy, '--json'], env);
  assert.equal(await postgres.dump(copy), await postgres.dump(database));
  assert.deepEqual(await postgres.contents(copy), await postgres.contents(database));
}

describe('a database comes back as it was', { skip: missing, concurrency: 2 }, () => {
  const partitions = (count: number) => `
    create table p (id int, at int, primary key (id, at)) partition by range (at);
    do $$ begin for n in 0..${count - 1} loop
      execute format('create table p_%s partition of p for values from (%s) to (%s)', n, n * 10, n * 10 + 10);
    end loop; end $$;
    create index on p (at);
    insert into p select n, n % ${count * 10} from generate_series(1, 5000) n`;
  const tables = (count: number) => `
    do $$ begin for n in 1..${count} loop
      execute format('create table t%s (id int primary key, text text)', n);
      if n % 3 > 0 then execute format('insert into t%s select g, md5(g::text) from generate_series(1, %s) g', n, n % 7); end if;
    end loop; end $$`;
  const SOURCES = [
    ['with odd names, columns, references and all that is built upon tables', SHAPES],
    ['without a single table', ''],
    ['with nothing but large objects', "select lo_from_bytea(0, 'ab'), lo_from_bytea(0, '')"],
    ['with nothing but a sequence', 'create sequence s; select setval($$s$$, 7)'],
    ['with 200 partitions', partitions(200)],
  ] as const;
  for (const [what, sql] of SOURCES) {
    for (const format of FORMATS) {
      test(`one ${what} (${format})`, async () => {
        const { database, env } = await databaseOf(sql, { BACKUP_FORMAT: format });
        await assertRestores(database, env, (await backUp(env)).key);
      });
    }
  }

  for (const format of FORMATS) {
    test(`one with partitions by the hash of an enum, whose rows belong elsewhere in another database (${format})`, async () => {
      const { database, env } = await databaseOf(
        `create type colour as enum ('red', 'green', 'blue', 'black', 'white');
         create table by_colour (c colour, n int, primary key (c, n)) partition by hash (c);
         create table by_colour_0 partition of by_colour for values with (modulus 3, remainder 0);
         create table by_colour_1 partition of by_colour for values with (modulus 3, remainder 1) partition by list (n);
         create table by_colour_1_rest partition of by_colour_1 default;
         create table by_colour_2 partition of by_colour for values with (modulus 3, remainder 2);
         insert into by_colour select (enum_range(null::colour))[1 + n % 5], n from generate_series(1, 100) n`,
        { BACKUP_FORMAT: format },
      );
      const { key, manifest } = await backUp(env);
      assert.deepEqual(manifest.tables, [{ table: 'public.by_colour', rows: 100 }]);
      const copy = `${database}copy`;
      await done('restore', [key, '--to', copy, '--json'], env);
      const rows = 'select c::text, n from by_colour order by n';
      assert.deepEqual(await postgres.sql(copy, rows), await postgres.sql(database, rows));
    });
  }

  test('one with 2,000 tables', async () => {
    const { database, env } = await databaseOf(tables(2_000));
    await assertRestores(database, env, (await backUp(env)).key);
  });

  test('one of which a single table is nine tenths: it is cut, and its rows are counted whole', async () => {
    const { database, env } = await databaseOf(
      `create table small as select n from generate_series(1, 10000) n;
       create table huge (id int primary key, text text);
       alter table huge alter text set storage plain;
       insert into huge select n, repeat(md5(n::text), 60) from generate_series(1, 60000) n;
       delete from huge where id % 7 = 0`,
    );
    const { key, manifest } = await backUp(env);
    const files = filesIn(join(env.BACKUP_DIR ?? '', key)).filter((name) => name.includes('-data.'));
    const holding = files.filter((name) =>
      execFileSync('gunzip', ['-c', join(env.BACKUP_DIR ?? '', key, name)], {
        encoding: 'latin1',
        maxBuffer: 1e9,
      }).includes('"huge"'),
    );
    assert.ok(holding.length >= 3, `${holding}`);
    assert.deepEqual(manifest.tables, [
      { table: 'public.huge', rows: 60_000 - Math.floor(60_000 / 7) },
      { table: 'public.small', rows: 10_000 },
    ]);
    const copy = `${database}copy`;
    await done('restore', [key, '--to', copy, '--json'], env);
    assert.deepEqual(await postgres.contents(copy), await postgres.contents(database));
  });

  test('one with the configuration of an extension', async (t) => {
    const marked = "select 1 from pg_available_extensions where name = 'hstore'";
    const { database, env } = await databaseOf('create extension hstore');
    if ((await postgres.sql(database, marked)).length === 0) return t.skip('hstore is not installed here');
    // what an extension's script would do: tables that refer to each other, of one of which some rows are users'
    await postgres.sql(
      database,
      `create table kinds (id int primary key, builtin bool); create table a_setting (kind int references kinds, text text);
       insert into kinds values (1, true), (2, false); insert into a_setting values (2, 'x');
       alter extension hstore add table kinds; alter extension hstore add table a_setting;
       update pg_extension set extconfig = array['a_setting'::regclass, 'kinds'::regclass]::oid[],
         extcondition = array['', 'where not builtin'] where extname = 'hstore'`,
    );
    const { key, manifest } = await backUp(env);
    const data = filesIn(join(env.BACKUP_DIR ?? '', key))
      .filter((name) => name.includes('-data.'))
      .map((name) => execFileSync('gunzip', ['-c', join(env.BACKUP_DIR ?? '', key, name)], { encoding: 'utf8' }))
      .join('');
    assert.match(data, /COPY "public"."kinds" \("id", "builtin"\) FROM stdin;\n2\tf\n\\\.\n/);
    assert.match(data, /COPY "public"."a_setting" \("kind", "text"\) FROM stdin;\n2\tx\n\\\.\n/);
    assert.ok(data.indexOf('"kinds"') < data.indexOf('"a_setting"'), 'what is referred to comes first');
    assert.deepEqual(manifest.tables, []);
  });

  test('one in another encoding, whose names are not ASCII', async () => {
    const { database } = await databaseOf('');
    const latin = `${database}latin`;
    await postgres.sql('postgres', `create database ${latin} template template0 encoding 'LATIN1' locale 'C'`);
    await postgres.sql(latin, `create table "größe" ("ü" text); insert into "größe" values ('é'), (E'\\u00ff')`);
    const env = {
      ...postgres.env(latin),
      BACKUP_DIR: temporaryFolder(),
      BACKUP_FORMAT: 'folder',
    };
    await assertRestores(latin, env, (await backUp(env)).key);
  });
});

describe('a folder backup', { skip: missing, concurrency: 2 }, () => {
  for (const [compression, command] of [
    ['gzip', 'gunzip -c'],
    ['zstd', 'zstd -dcq'],
    ['none', 'cat'],
  ] as const) {
    test(`needs no help from us: cat $(ls), ${command} and psql restore it in order without an error`, async () => {
      const database = postgres.freshName();
      const other = `${database}other`;
      await postgres.create(database);
      await postgres.create(other, 'empty');
      const env = {
        ...postgres.env(database),
        BACKUP_DIR: temporaryFolder(),
        BACKUP_FORMAT: 'folder',
        BACKUP_JOBS: '2',
        BACKUP_COMPRESSION: compression,
      };
      const { key } = await backUp(env);
      const psql = `psql --no-psqlrc --set=ON_ERROR_STOP=1 --output=/dev/null --host=${postgres.host} --port=${postgres.port} --username=${postgres.user} ${other}`;
      const said = execFileSync('bash', ['-o', 'pipefail', '-c', `cat $(ls) | ${command} | ${psql} 2>&1`], {
        cwd: join(env.BACKUP_DIR, key),
        encoding: 'utf8',
      });
      assert.equal(said, '');
      assert.deepEqual(await postgres.contents(other), await postgres.contents(database));
      assert.equal(await postgres.dump(other), await postgres.dump(database));
    });
  }

  test('is its objects, the manifest that lists them, and what it needs of the server', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const folder = temporaryFolder();
    const env = { ...postgres.env(database), BACKUP_DIR: folder, BACKUP_FORMAT: 'folder', BACKUP_JOBS: '2' };
    const { key, manifest } = await backUp(env);
    const name = basename(key);
    const day = key.slice(0, -name.length - 1);
    const objects = ['0000-pre-data', '0001-large-objects', '0002-data', '0003-data', '9999-post-data'].map(
      (part) => `${name}/${part}.sql.gz`,
    );
    assert.deepEqual(filesIn(join(folder, day)), [...objects, `${name}.globals.sql.gz`, `${name}.json`].sort());
    assert.equal(manifest.format, 'folder');
    assert.deepEqual(
      manifest.objects.map((object: { name: string }) => object.name),
      [...objects, `${name}.globals.sql.gz`],
    );
    const [listed, ...others] = (await runVerb('list', ['--json'], env)).json;
    assert.deepEqual(others, []);
    const sizes = manifest.objects.slice(0, -1).map((object: { sizeBytes: number }) => object.sizeBytes);
    assert.deepEqual(
      { key: listed.key, sizeBytes: listed.sizeBytes, manifest: listed.manifest, format: listed.format },
      { key, sizeBytes: sizes.reduce((a: number, b: number) => a + b, 0), manifest: true, format: 'folder' },
    );
  });

  test('is restored by its key with or without the slash, swapped in, undone, rehearsed and cleaned up', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const folder = temporaryFolder();
    const env = { ...postgres.env(database), BACKUP_DIR: folder, BACKUP_FORMAT: 'folder', BACKUP_JOBS: '2' };
    const { key } = await backUp(env);
    const before = await postgres.contents(database);
    await postgres.sql(database, 'delete from orders; drop table vehicles cascade');
    const restore = await done('restore', [key.slice(0, -1), '--json'], env);
    assert.equal(restore.json.key, key);
    assert.deepEqual(await postgres.contents(database), before);
    assert.match(restore.json.safetyBackup, /\/$/);
    await done('restore', ['--undo'], env);
    assert.deepEqual((await postgres.contents(database))['public.orders'], []);

    // one drill at a time in a folder, which the server's account has to be able to enter
    const room = temporaryFolder();
    chmodSync(room, 0o755);
    const drill = await done('drill', [key, '--json'], { ...env, DRILL_DIR: room });
    assert.equal(drill.json.ok, true);

    const { key: newer } = await backUp(env);
    const keepOne = {
      ...env,
      RETENTION_KEEP_LAST: '1',
      RETENTION_KEEP_HOURLY: '0',
      RETENTION_KEEP_DAILY: '0',
      RETENTION_KEEP_WEEKLY: '0',
      RETENTION_KEEP_MONTHLY: '0',
      RETENTION_KEEP_YEARLY: '0',
    };
    const cleanup = await done('cleanup', ['--json'], keepOne);
    assert.deepEqual(
      cleanup.json.remove.map((removed: { key: string }) => removed.key),
      [key],
    );
    assert.deepEqual(
      filesIn(folder).filter((name) => name.startsWith(key.slice(0, -1))),
      [],
    );
    const left = (await runVerb('list', ['--json'], env)).json.map((one: { key: string }) => one.key);
    assert.deepEqual(left.sort(), [restore.json.safetyBackup, newer].sort());
  });

  test('is encrypted object by object, and restored with the identity alone', async () => {
    const { database, env } = await databaseOf('create table t as select generate_series(1, 1000) n');
    const { identity, recipient } = ageKeyPair();
    const { key } = await backUp({ ...env, BACKUP_AGE_RECIPIENTS: recipient });
    const names = filesIn(join(env.BACKUP_DIR ?? '', key));
    assert.ok(names.length >= 3 && names.every((name) => name.endsWith('.sql.gz.age')), `${names}`);
    const without = await runVerb('restore', [key, '--to', `${database}no`], env);
    assert.equal(without.code, 2);
    assert.match(without.stderr, /BACKUP_AGE_IDENTITY/);
    await assertRestores(database, { ...env, BACKUP_AGE_IDENTITY: identity }, key);
  });

  for (const jobs of cases(['4'], ['1', '2'])) {
    test(`is of one state under a writing load, with ${jobs} jobs: what a transaction on the same snapshot sees`, async () => {
      const { database, env } = await databaseOf(
        `select lo_from_bytea(0, 'x');
         create table ledger (id int primary key, amount int); create table mirror (id int, amount int);
         create table filler as select n, repeat(md5(n::text), 10) as text from generate_series(1, 100000) n;
         insert into ledger select n, n from generate_series(1, 1000) n; insert into mirror select * from ledger`,
        { BACKUP_JOBS: jobs },
      );
      let isWriting = true;
      let written = 0;
      const writers = Array.from({ length: 3 }, async (_, writer) => {
        const client = await postgres.connect(database);
        for (let id = 10_000 * (writer + 1); isWriting; id += 1) {
          await client.query(
            `with one as (insert into ledger values (${id}, 1) returning *) insert into mirror select * from one;
             update ledger set amount = amount + 1 where id = ${1 + (id % 1_000)};
             update mirror set amount = amount + 1 where id = ${1 + (id % 1_000)};
             delete from filler where n = ${id}`,
          );
          written += 1;
        }
        await client.end();
      });
      const held = await postgres.holdDump(database);
      const running = startVerb('backup', ['--json'], env);
      await held.reached();
      const snapshot = await until('a dump tells its snapshot', () =>
        running
          .processes()
          .map(({ commandLine }) => /--snapshot=(\S+)/.exec(commandLine)?.[1])
          .find((id) => id !== undefined),
      );
      const witness = await postgres.connect(database);
      await witness.query(`begin isolation level repeatable read; set transaction snapshot '${snapshot}'`);
      const before = written;
      // large objects are what the dump is held at
      const seen = contentsOf(async (text) =>
        text.includes('pg_largeobject') ? [] : (await witness.query(text)).rows,
      );
      const expected = await seen;
      await until('more is written', () => written >= before + 50 || undefined);
      await held.release();
      const outcome = await running.outcome;
      isWriting = false;
      await Promise.all(writers);
      await witness.end();
      assert.equal(outcome.code, 0, outcome.stderr);

      const copy = `${database}copy`;
      await done('restore', [outcome.json.results[0].key, '--to', copy, '--json'], env);
      const restored = await postgres.contents(copy);
      assert.equal(restored['large objects']?.length, 1);
      assert.deepEqual({ ...restored, 'large objects': [] }, expected);
      assert.notDeepEqual(await postgres.contents(database), restored);
      const sorted = (rows: readonly string[] | undefined) => rows?.toSorted();
      assert.deepEqual(sorted(restored['public.mirror']), sorted(restored['public.ledger']));
    });
  }
});

test('a source that is not PostgreSQL has no folder format, and is told so before anything is done', {
  skip: missing,
}, async () => {
  const { code, stderr } = await runVerb('backup', [], {
    BACKUP_SOURCE_SHOP: 'mariadb://root@127.0.0.1:1/shop',
    BACKUP_FORMAT: 'folder',
    BACKUP_DIR: temporaryFolder(),
  });
  assert.equal(code, 2);
  assert.match(stderr, /BACKUP_SOURCE_SHOP: the format folder is PostgreSQL's alone; write \?format=sql/);
});
