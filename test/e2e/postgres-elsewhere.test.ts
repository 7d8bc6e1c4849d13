import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import pg from 'pg';
import { startThrowawayServer } from '../../scripts/lib/engines/postgres/server/throwaway-server.ts';
import { setChildEnvironment } from '../../scripts/lib/machine/child-environment.ts';
import type { Manifest } from '../../scripts/lib/repository/manifest.ts';
import { backUp } from '../support/backups.ts';
import { temporaryFolder } from '../support/folders.ts';
import { cases } from '../support/matrix.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres(['app.tenant=a']);
const LOCALES = '/usr/share/i18n/locales/de_DE';
const noLocales = missing || (existsSync(LOCALES) ? false : `${LOCALES} is not there: apt-get install locales`);

async function databaseOf(sql: string, settings: readonly string[] = []) {
  const database = postgres.freshName();
  await postgres.create(database, 'empty');
  for (const setting of settings) await postgres.sql('postgres', `alter database ${database} set ${setting}`);
  await postgres.sql(database, sql);
  return { database, env: { ...postgres.env(database), BACKUP_DIR: temporaryFolder() } };
}

/** A folder of its own: in one there is a drill at a time. */
const DRILL_DIR = temporaryFolder();
chmodSync(DRILL_DIR, 0o755);

async function assertDrills(env: Readonly<Record<string, string>>): Promise<{ name: string; detail: string }[]> {
  const drill = await done('drill', ['latest', '--json'], { ...env, DRILL_DIR });
  return drill.json.results[0].checks;
}

describe('a database is loaded by what it was written by', { skip: missing }, () => {
  const SETTINGS = [
    "app.region = 'eu''s \\own'",
    'default_text_search_config = "pg_catalog.german"',
    "intervalstyle = 'sql_standard'",
    'search_path = app, public',
    'statement_timeout = 1000',
  ];
  const SCHEMA = String.raw`
    create schema app;
    create function public.words(text) returns tsvector language sql immutable as $$ select to_tsvector($1) $$;
    create table public.pages (id int primary key, body text, words tsvector generated always as (public.words(body)) stored);
    insert into public.pages (id, body) values (1, 'die Häuser der Städte und running dogs');
    create function public.region() returns text language sql stable as $$ select current_setting('app.region') $$;
    create table public.rows (id int, region text check (region = public.region()));
    insert into public.rows values (1, 'eu''s \own')`;

  for (const format of cases(['folder'], ['sql', 'custom'])) {
    test(`its own settings are in force meanwhile, and are what they were afterwards (${format})`, async () => {
      const { database, env } = await databaseOf(SCHEMA, SETTINGS);
      const words = async (name: string) =>
        (await postgres.sql(name, 'select words::text from public.pages'))[0]?.words;
      const settings = async (name: string) =>
        (
          await postgres.sql(
            'postgres',
            'select s.setconfig from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase where datname = $1',
            [name],
          )
        )[0]?.setconfig;
      const before = await words(database);
      const { key } = await backUp({ ...env, BACKUP_FORMAT: format });

      await postgres.sql('postgres', `create database ${database}given`);
      await postgres.sql('postgres', `alter database ${database}given set work_mem = '8MB'`);
      await done('restore', [key, '--to', `${database}given`], env);
      assert.equal(await words(`${database}given`), before);
      assert.deepEqual(await settings(`${database}given`), ['work_mem=8MB']);

      await assertDrills(env);

      await postgres.sql('postgres', `alter database ${database} reset all`);
      await postgres.sql('postgres', `alter database ${database} set app.region = 'us'`);
      await done('restore', [key], env);
      assert.equal(await words(database), before);
      assert.deepEqual(await settings(database), ['app.region=us']);

      await postgres.sql('postgres', `drop database ${database}`);
      await done('restore', [key, '--source', database], env);
      assert.equal(((await settings(database)) as unknown[]).length, SETTINGS.length);
    });
  }

  test('what every new database has is not there when it had been dropped', async () => {
    const { database, env } = await databaseOf(
      'drop schema public cascade; drop extension plpgsql; create schema app; create table app.t as select 1 as a',
    );
    const { key } = await backUp(env);
    const checks = await assertDrills(env);
    assert.match(
      checks.find(({ name }) => name === 'dropped from the start')?.detail ?? '',
      /^extension plpgsql, schema public$/,
    );
    await done('restore', [key], env);
    assert.deepEqual(
      await postgres.sql(
        database,
        `select (select count(*) from pg_namespace where nspname = 'public')::int as schemas,
           (select count(*) from pg_extension)::int as extensions`,
      ),
      [{ schemas: 0, extensions: 0 }],
    );
  });

  test('roles that values alone name are made where they lack', async () => {
    const [role, other, another] = ['noted', 'a;quoted', 'in_type'].map((name) => `${name}_${postgres.freshName()}`);
    await postgres.sql('postgres', [role, other, another].map((name) => `create role "${name}"`).join(';'));
    const { env } = await databaseOf(`
      create domain somebody as regrole; create type held as (by regrole);
      create table who (id int primary key, r somebody, acl aclitem[], h held);
      insert into who values (1, '${role}', array['"${other}"=r/${role}'::aclitem], row('${another}'::regrole)::held);`);
    await done('backup', [], env);
    await assertDrills(env);
  });

  test('roles that own a subscription alone, or that a function becomes, are made where they lack', async () => {
    const [owner, become] = ['subscribes', "it's become"].map((name) => `${name}_${postgres.freshName()}`);
    await postgres.sql('postgres', `create role "${owner}" superuser; create role "${become}"`);
    const { env } = await databaseOf(`
      create subscription ${owner} connection 'host=nowhere' publication p with (connect = false, slot_name = none);
      alter subscription ${owner} owner to "${owner}";
      create function f() returns int language sql set role = '${become?.replaceAll("'", "''")}' as 'select 1';`);
    const { json } = await done('backup', ['--json'], env);
    const manifest = JSON.parse(
      readFileSync(join(env.BACKUP_DIR ?? '', json.results[0].key.replace(/\.sql\.gz$/, '.json')), 'utf8'),
    );
    assert.deepEqual(
      [owner, become].filter((role) => !manifest.roles.includes(role)),
      [],
    );
    await assertDrills(env);
  });

  test('what everybody has on the server is told of, for it is in no backup', async () => {
    const { database, env } = await databaseOf('create table t (id int)');
    const warnings = async () => (await done('backup', ['--json'], env)).json.results[0].warnings?.join() ?? '';
    await postgres.sql('postgres', "alter role all set app.everywhere = 'x'");
    try {
      assert.match(await warnings(), /ALTER ROLE ALL.*: app\.everywhere\. ALTER DATABASE … SET/);
      await postgres.sql('postgres', `alter database ${database} set app.everywhere = 'x'`);
      assert.doesNotMatch(await warnings(), /ALTER ROLE ALL/);
    } finally {
      await postgres.sql('postgres', 'alter role all reset app.everywhere');
    }
  });

  test('rows of a table that somebody gave to an extension are told of, until it is taken out', async () => {
    const { database, env } = await databaseOf(
      `create extension hstore; create table mine (id int); insert into mine values (1); create table empty (id int);
       alter extension hstore add table mine; alter extension hstore add table empty`,
    );
    const first = await done('backup', ['--json'], env);
    assert.match(
      first.json.results[0].warnings.join(),
      /^the extension hstore owns tables with rows .*: public\.mine\. .* ALTER EXTENSION … DROP TABLE/,
    );
    await postgres.sql(database, 'alter extension hstore drop table mine');
    const second = await done('backup', ['--json'], env);
    assert.deepEqual(second.json.results[0].warnings ?? [], []);
    await assertDrills(env);
  });

  test('a setting of the server that a check reads is told of, until it is one of the database', async () => {
    const { database, env } = await databaseOf(
      `create function tenant() returns text language sql stable as $$ select current_setting('app.tenant') $$;
       create table t (id int, tenant text check (tenant = public.tenant())); insert into t values (1, 'a')`,
    );
    const first = await done('backup', ['--json'], env);
    assert.match(
      first.json.results[0].warnings.join(),
      /reads the setting app\.tenant, .* ALTER DATABASE … SET app\.tenant/,
    );
    const drill = await runVerb('drill', [], { ...env, DRILL_DIR });
    assert.equal(drill.code, 1, drill.stderr);
    assert.match(drill.stderr, /unrecognized configuration parameter "app\.tenant"[\s\S]*ALTER DATABASE … SET/);
    await postgres.sql('postgres', `alter database ${database} set app.tenant = 'a'`);
    const second = await runVerb('backup', ['--json'], env);
    assert.deepEqual(second.json.results[0].warnings ?? [], []);
    await assertDrills(env);
  });

  test('a library that is not there any more keeps nobody out of the restored database', async () => {
    const { database, env } = await databaseOf('create table t (id int)');
    const [row] = await postgres.sql(database, "select setting from pg_config where name = 'PKGLIBDIR'");
    const library = join(temporaryFolder(), 'library.so');
    chmodSync(dirname(library), 0o755);
    copyFileSync(join(String(row?.setting), 'auto_explain.so'), library);
    await postgres.sql('postgres', `alter database ${database} set session_preload_libraries = '${library}'`);
    const { key } = await backUp(env);
    rmSync(library);
    await assertDrills(env);
    const restore = await done('restore', [key, '--to', `${database}copy`], env);
    assert.match(restore.stderr, /session_preload_libraries of the database is left out/);
    await postgres.sql(`${database}copy`, 'select from t');
  });
});

describe('a drill has a server like the source’s', { skip: noLocales }, () => {
  test('with its money, its locale and its locks, and reads a database that is not UTF-8', async () => {
    setChildEnvironment(process.env);
    const like = {
      collation: 'pl_PL.UTF-8',
      serverSettings: { lc_monetary: 'de_DE.UTF-8' },
      tables: [],
      sequences: [],
    } as unknown as Manifest;
    const server = await startThrowawayServer({ tcp: true, like, settings: ['max_locks_per_transaction=256'] });
    after(() => server.stop());
    const run = async (database: string, ...statements: string[]) => {
      const client = new pg.Client({ host: server.host, port: server.port, user: server.user, database });
      await client.connect();
      for (const statement of statements) await client.query(statement);
      await client.end();
    };
    const env = (database: string, folder: string) => ({
      POSTGRES_HOST: server.host,
      POSTGRES_PORT: String(server.port),
      POSTGRES_USER: server.user,
      POSTGRES_DB: database,
      POSTGRES_PASSWORD: 'any',
      BACKUP_DIR: folder,
    });
    await run(
      'postgres',
      "create database ceny template template0 lc_collate 'pl_PL.UTF-8' lc_ctype 'pl_PL.UTF-8'",
      'create role "jürgen"',
      "create database latin template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' owner \"jürgen\"",
      "comment on database latin is 'für Bücher'",
    );
    await run(
      'ceny',
      'create table prices (id int primary key, price money)',
      'insert into prices values (1, 12.34::numeric::money)',
    );
    await run(
      'latin',
      'create table "Bücher" (id int primary key, titel text)',
      `insert into "Bücher" values (1, 'Größe')`,
      // its bytes in LATIN1 are UTF-8, of another word
      'create table "BÃ¼cher" (id int primary key)',
    );
    for (const [database, format] of cases(
      [
        ['ceny', 'sql'],
        ['latin', 'folder'],
      ],
      [
        ['ceny', 'folder'],
        ['latin', 'sql'],
      ],
    ) as [string, string][]) {
      const folder = temporaryFolder();
      await backUp({ ...env(database, folder), BACKUP_FORMAT: format });
      await assertDrills(env(database, folder));
    }
    // a server without these locales: nothing is loaded as other amounts, and what to do is said
    const folder = temporaryFolder();
    const { key } = await backUp(env('ceny', folder));
    const elsewhere = { ...postgres.env('ceny'), BACKUP_DIR: folder };
    const refused = await runVerb('restore', [key], elsewhere);
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /lacks the locale pl_PL\.UTF-8[\s\S]*localedef -i pl_PL/);
    await postgres.sql('postgres', 'create database given');
    const wrong = await runVerb('restore', [key, '--to', 'given'], elsewhere);
    assert.equal(wrong.code, 1, wrong.stderr);
    assert.match(wrong.stderr, /would read other amounts/);
  });
});
