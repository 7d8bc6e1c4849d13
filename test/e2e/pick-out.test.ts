import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { filesIn, temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { cases } from '../support/matrix.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, type Environment, runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();
const { mariadb, missing: noMariaDb } = await startMariaDb();

const CONTENT = `
  create schema shop; create schema "Odd Schema";
  create type shop.state as enum ('open', 'paid');
  create domain shop.euro as numeric(10,2) check (value >= 0);
  create table shop.customers (id int generated always as identity primary key, name text not null);
  insert into shop.customers (name) select 'c' || n from generate_series(1, 50) n;
  create function shop.tag(text) returns text immutable language sql as 'select ''#'' || $1';
  create table shop.invoices (
    id bigserial primary key, customer int not null references shop.customers, state shop.state not null default 'open',
    total shop.euro not null, note text default shop.tag('x'), gross numeric generated always as (total * 1.19) stored, unique (customer, note));
  create index on shop.invoices (state) where state = 'open';
  insert into shop.invoices (customer, state, total, note)
    select 1 + n % 50, 'paid', n, E'n\\t\\\\.\\n' || n from generate_series(1, 500) n;
  create table shop.lines (id int generated always as identity primary key, invoice bigint not null references shop.invoices, what text);
  insert into shop.lines (invoice, what) select n, '\\.' from generate_series(1, 400) n;
  create table shop.empty (a int);
  create view shop.open as select i.id, i.note, c.name from shop.invoices i join shop.customers c on c.id = i.customer group by i.id, c.name;
  create materialized view shop.sums as select customer, sum(total) from shop.invoices group by customer;
  create function shop.of(int) returns setof shop.customers language sql stable as 'select * from shop.customers where id = $1';
  create function shop.stop() returns trigger language plpgsql as 'begin raise exception ''no''; end';
  create trigger stop before delete on shop.customers for each row execute function shop.stop();
  create table shop.events (at date not null, what text, primary key (at, what)) partition by range (at);
  create table shop.events_25 partition of shop.events for values from ('2025-01-01') to ('2026-01-01');
  create table shop.events_26 partition of shop.events for values from ('2026-01-01') to ('2027-01-01');
  insert into shop.events select '2025-12-01'::date + n, 'e' || n from generate_series(0, 99) n;
  create table "Odd Schema"."Or""der" (id int primary key, "select" text);
  insert into "Odd Schema"."Or""der" select n, 'x' from generate_series(1, 30) n;
  select lo_from_bytea(0, 'large')`;

async function shop(more: Environment = {}) {
  const database = postgres.freshName();
  await postgres.create(database);
  await postgres.sql(database, CONTENT);
  const folder = temporaryFolder();
  const env: Record<string, string> = { ...postgres.env(database), BACKUP_DIR: folder, ...more };
  await done('backup', [], env);
  return { database, folder, env };
}

const rowsOf = (database: string, table: string) => postgres.sql(database, `select * from ${table} order by 1, 2`);
const tablesOf = async (database: string) =>
  (
    await postgres.sql(
      database,
      "select oid::regclass::text as name from pg_class where relkind in ('r', 'p', 'v', 'm') and relnamespace::regnamespace::text !~ '^(pg_|information)' order by 1",
    )
  ).map(({ name }) => name);

/** Runs what was printed: SQL, or where it says so the shell. */
async function runCopy(database: string, copy: readonly string[]) {
  for (const text of copy) {
    if (!text.includes('-- In a shell:')) await postgres.sql(database, text);
    else execFileSync('bash', ['-e', '-o', 'pipefail'], { input: text.replaceAll(/^-- .*$/gm, '') });
  }
}

describe('a table picked out of a backup of PostgreSQL', { skip: missing, concurrency: 2 }, () => {
  for (const format of cases(['sql'], ['custom', 'folder']))
    test(`stands beside the live database with all that belongs to it, and its rows come back by what is printed, in the format ${format}`, async () => {
      const { database, env } = await shop({ BACKUP_FORMAT: format, BACKUP_JOBS: '2' });
      const before = await rowsOf(database, 'shop.invoices');
      const customers = await rowsOf(database, 'shop.customers');
      await postgres.sql(
        database,
        'delete from shop.lines; delete from shop.invoices where id > 100; update shop.invoices set note = note || 1 where id < 10',
      );
      const live = await postgres.fingerprint(database);

      const { json, stderr } = await done(
        'restore',
        ['latest', '--table', 'shop.invoices', '--table', 'shop.lines', '--json'],
        env,
      );
      assert.deepEqual(await postgres.fingerprint(database), live, 'the live database is as it was');
      assert.match(json.database, new RegExp(`^${database}_picked_\\d{14}$`));
      assert.equal(json.previousDatabase, null);
      assert.deepEqual([json.tables, json.rows], [2, 900]);
      assert.match(stderr, /content equal: 2 tables, 900 rows/);
      assert.deepEqual(await rowsOf(json.database, 'shop.invoices'), before);
      assert.deepEqual(await tablesOf(json.database), ['shop.invoices', 'shop.lines']);
      const built = await postgres.sql(
        json.database,
        `select (select string_agg(contype::text, '' order by contype::text) from pg_constraint where conrelid in ('shop.invoices'::regclass, 'shop.lines'::regclass) and contype <> 'n') as constraints,
           (select count(*)::int from pg_index where indrelid = 'shop.invoices'::regclass) as indexes,
           (select last_value::int from shop.invoices_id_seq) as sequence`,
      );
      // the key to the customers cannot hold, that of the lines to the invoices can
      assert.deepEqual(built[0], { constraints: 'fppu', indexes: 3, sequence: 500 });

      assert.equal(json.copy.length, 2);
      await runCopy(database, json.copy);
      const [{ n, noted }] = await postgres.sql(
        database,
        "select count(*)::int as n, count(*) filter (where note like '%1' and id < 10)::int as noted from shop.invoices",
      );
      assert.deepEqual([n, noted], [500, 9], 'what the live table has it keeps');
      assert.deepEqual((await rowsOf(database, 'shop.invoices')).slice(9), before.slice(9));
      assert.deepEqual(await rowsOf(database, 'shop.customers'), customers);
      await postgres.sql(database, "insert into shop.lines (invoice, what) values (1, 'new')");
      assert.equal((await postgres.sql(database, 'select max(id)::int as n from shop.lines'))[0].n, 401);

      const dry = await done('cleanup', ['--picked', '--dry-run', '--json'], env);
      assert.deepEqual(
        dry.json.databases.map(({ name }: { name: string }) => name),
        [json.database],
      );
      await done('cleanup', ['--picked'], env);
      assert.deepEqual(await postgres.beside(database), [database]);
    });

  test('a schema, a partitioned table with its partitions, one partition, and names that need quotes', async () => {
    const { database, env } = await shop();
    const events = await rowsOf(database, 'shop.events');
    const all = await done('restore', ['latest', '--table', 'events,"Odd Schema"."Or""der"', '--json'], env);
    assert.deepEqual(await tablesOf(all.json.database), [
      '"Odd Schema"."Or""der"',
      'shop.events',
      'shop.events_25',
      'shop.events_26',
    ]);
    assert.deepEqual(await rowsOf(all.json.database, 'shop.events'), events);
    await postgres.sql(database, 'truncate shop.events, "Odd Schema"."Or""der"');
    assert.equal(all.json.copy.length, 2);
    await runCopy(database, all.json.copy);
    assert.deepEqual(await rowsOf(database, 'shop.events'), events);
    assert.equal((await rowsOf(database, '"Odd Schema"."Or""der"')).length, 30);

    const one = await done(
      'restore',
      ['latest', '--table', 'shop.events_26', '--to', `${database}_one`, '--json'],
      env,
    );
    assert.equal(one.json.database, `${database}_one`);
    assert.deepEqual(await tablesOf(one.json.database), ['shop.events_26']);
    assert.equal(one.json.rows, 69);

    const schema = await done('restore', ['latest', '--table', 'shop', '--to', `${database}_schema`, '--json'], env);
    assert.equal(schema.json.rows, 50 + 500 + 400 + 100);
    // cleanup --picked leaves alone what the operator has named
    await done('cleanup', ['--picked'], env);
    assert.deepEqual(await postgres.beside(database), [database, `${database}_one`, `${database}_schema`]);
    for (const name of [`${database}_one`, `${database}_schema`])
      await postgres.sql('postgres', `drop database ${name}`);
  });

  test('a table that the live database has lost, and a column that it has not any more', async () => {
    const { database, env } = await shop();
    await postgres.sql(
      database,
      'drop table shop.lines; drop view shop.open; alter table shop.invoices drop column note',
    );
    const { json } = await done('restore', ['latest', '--table', 'lines', '--table', 'invoices', '--json'], env);
    const [invoices, lines] = json.copy;
    assert.match(invoices, /-- shop\.invoices has no column note any more: it is not copied\./);
    await postgres.sql(database, invoices);
    const [, line = ''] = /\n-- +(pg_dump .*)$/.exec(lines) ?? [];
    const path = { ...process.env, PATH: `${process.env.PATH}:/usr/lib/postgresql/15/bin` };
    execFileSync('bash', ['-e', '-o', 'pipefail', '-c', line], { env: path });
    assert.equal((await rowsOf(database, 'shop.lines')).length, 400);
  });

  test('where the live table would change what is copied, it says so', async () => {
    const { database, env } = await shop();
    await postgres.sql(
      database,
      `create function shop.upper() returns trigger language plpgsql as 'begin new.name := upper(new.name); return new; end';
       create trigger aloud before insert on shop.customers for each row execute function shop.upper();
       create trigger off before insert on shop.customers for each row execute function shop.upper();
       alter table shop.customers disable trigger off;
       create rule also as on insert to shop.customers do also nothing;
       alter table shop.lines alter what type varchar(9)`,
    );
    const words = ['latest', '--table', 'shop.customers', '--table', 'lines', '--table', 'invoices', '--json'];
    const [customers, invoices, lines] = (await done('restore', words, env)).json.copy;
    assert.match(customers, /^-- shop\.customers: aloud, also will act on these rows too, and may change them: SET /m);
    assert.match(
      lines,
      /^-- shop\.lines: what is character varying\(9\) and was text: what does not fit may come otherwise/m,
    );
    assert.doesNotMatch(invoices, /will act|does not fit/);
  });

  test('of tables that inherit each has its own rows, here and where they are copied to; so has one with a key that may wait', async () => {
    const { database, env } = await shop();
    await postgres.sql(
      database,
      `create table parent (id int primary key, a text); create table child (own text, primary key (id)) inherits (parent);
       create table late (id int primary key deferrable, a text); create role reader; create table secret (tenant text);
       insert into parent select n, 'p' from generate_series(1, 3) n; insert into child select n, 'c', 'o' from generate_series(11, 14) n;
       insert into late values (1, 'x'), (2, 'y'); insert into secret values ('a'), ('b');
       alter table secret enable row level security; alter table secret force row level security;
       create policy own on secret using (tenant = current_user); grant select on secret to reader`,
    );
    await done('backup', [], env);
    const before = await postgres.contents(database);
    const { json } = await done('restore', ['latest', '--table', 'parent,late,secret', '--json'], env);
    assert.deepEqual(await tablesOf(json.database), ['child', 'late', 'parent', 'secret']);
    await postgres.sql(
      database,
      'delete from child; delete from only parent; delete from late where id = 1; delete from secret',
    );
    await runCopy(database, json.copy);
    assert.deepEqual(await postgres.contents(database), before);
    // its policies are left out: nobody sees more than before
    const client = await postgres.connect(json.database);
    assert.equal(
      (
        await client
          .query('set role reader; select from secret')
          .then((all) => (all as unknown as { rowCount: number }[]).at(-1))
      )?.rowCount,
      0,
    );
    await client.end();
    await done('cleanup', ['--picked'], env);
  });

  for (const format of ['sql', 'custom', 'folder'])
    test(`a table and a partition with umlauts in their names are picked out of a database in LATIN1, in the format ${format}`, async () => {
      const database = postgres.freshName();
      await postgres.sql('postgres', `create database ${database} template template0 encoding 'LATIN1' locale 'C'`);
      await postgres.sql(
        database,
        `create table "größe" (id int primary key, v text); insert into "größe" select n, 'ä' || n from generate_series(1, 5) n;
         create table parted (k int) partition by list (k); create table "teil_ü" partition of parted for values in (1); insert into parted values (1), (1)`,
      );
      const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder(), BACKUP_FORMAT: format };
      await done('backup', [], env);
      for (const [table, rows] of [
        ['größe', 5],
        ['parted', 2],
        ['"teil_ü"', 2],
      ] as const) {
        const { json } = await done('restore', ['latest', '--table', table, '--json'], env);
        assert.equal(json.rows, rows, table);
        assert.equal(
          (await postgres.sql(json.database, `select from ${table === 'größe' ? '"größe"' : table}`)).length,
          rows,
          table,
        );
      }
      await done('cleanup', ['--picked'], env);
    });

  test('what is not there is refused with the nearest names, and words that do not go together before anything is read', async () => {
    const { database, env } = await shop({ BACKUP_EXCLUDE_TABLE: 'shop.empty' });
    const refused = async (args: readonly string[], says: RegExp, code = 1) => {
      const outcome = await runVerb('restore', ['latest', ...args], env);
      assert.equal(outcome.code, code, outcome.stderr);
      assert.match(outcome.stderr, says);
    };
    await refused(
      ['--table', 'shop.invoice'],
      /no table and no schema shop\.invoice in .*[\s\S]*nearest: shop\.invoices/,
    );
    await refused(['--table', 'shop.empty'], /shop\.empty is left out of .* on purpose/);
    await refused(['--table', 'open'], /shop\.open is a view in [\s\S]*a table is what can be picked out/);
    await refused(['--table', 'sums'], /shop\.sums is a materialized view in /);
    await refused(['--table', ''], /--table wants the name of a table/, 2);
    await refused(['--path', 'a/b'], /is a database, which has no paths/, 2);
    await refused(['--table', 'a', '--path', 'b'], /only one of them/, 2);
    const undo = await runVerb('restore', ['--undo', '--table', 'shop.invoices'], env);
    assert.equal(undo.code, 2, undo.stderr);
    assert.deepEqual(await postgres.beside(database), [database]);
  });

  test('a dump that was changed in the store is not taken for good, and nothing of it stays', async () => {
    const { database, folder, env } = await shop({ BACKUP_COMPRESSION: 'none' });
    const [path = ''] = filesIn(folder).filter((name) => name.endsWith('.sql'));
    const text = readFileSync(join(folder, path), 'latin1');
    writeFileSync(join(folder, path), text.replace('\t17\t', '\t71\t'), 'latin1');
    const { code, stderr } = await runVerb('restore', ['latest', '--table', 'shop.invoices'], env);
    assert.equal(code, 1);
    assert.match(stderr, /is not what was stored/);
    assert.deepEqual(await postgres.beside(database), [database]);
  });

  test('of a folder in parts only the objects with its rows are read', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    await postgres.sql(
      database,
      Array.from(
        { length: 6 },
        (_, n) =>
          `create table t${n} (a text); insert into t${n} select repeat(md5(g::text), 30) from generate_series(1, 18000) g;`,
      ).join(''),
    );
    const folder = temporaryFolder();
    const env = { ...postgres.env(database), BACKUP_DIR: folder, BACKUP_FORMAT: 'folder', BACKUP_JOBS: '2' };
    await done('backup', [], env);
    const [manifestPath = ''] = filesIn(folder).filter((name) => /\d\.json$/.test(name));
    const { objects } = JSON.parse(readFileSync(join(folder, manifestPath), 'utf8'));
    const without = objects.filter(({ tables }: { tables?: string[] }) => tables && !tables.includes('public.t3'));
    assert.ok(without.length > 0, JSON.stringify(objects));
    // not one byte of the others is needed
    for (const { name } of without) writeFileSync(join(folder, dirname(manifestPath), name), 'gone');
    const { json } = await done('restore', ['latest', '--table', 't3', '--json'], env);
    assert.equal(json.rows, 18_000);
    await done('cleanup', ['--picked'], env);
  });
});

describe('a table picked out of a backup of MariaDB', { skip: noMariaDb }, () => {
  test('stands beside the live database with all that belongs to it, and its rows come back by what is printed', async () => {
    const database = mariadb.freshName();
    await mariadb.create(database, 'example');
    const env = { ...mariadb.env(database), BACKUP_DIR: temporaryFolder() };
    await done('backup', [], env);
    const rows = (of: string, table: string) => mariadb.sql(`select * from ${of}.${table} order by 1`);
    const before = await rows(database, 'orders');
    const odd = await rows(database, '`odd ``name`');
    await mariadb.sql(`delete from ${database}.orders where id > 4`);
    await mariadb.sql(`delete from ${database}.\`odd \`\`name\``);
    const live = await mariadb.dump(database);

    const { json, stderr } = await done(
      'restore',
      ['latest', '--table', 'orders', '--table', '`odd ``name`,nothing_in_it', '--json'],
      env,
    );
    assert.equal(await mariadb.dump(database), live, 'the live database is as it was');
    assert.match(json.database, new RegExp(`^${database}_picked_\\d{14}$`));
    assert.match(stderr, /content equal/);
    assert.deepEqual([json.tables, json.rows], [3, before.length + odd.length]);
    assert.deepEqual(await rows(json.database, 'orders'), before);
    const there = await mariadb.sql(
      'select table_name as name from information_schema.tables where table_schema = ? and table_type <> ? order by 1',
      [json.database, 'SEQUENCE'],
    );
    assert.deepEqual(
      there.map(({ name }) => name),
      ['nothing_in_it', 'odd `name', 'orders'],
    );
    // the key to the customers cannot hold
    const keys = await mariadb.sql(
      'select count(*) as n from information_schema.referential_constraints where constraint_schema = ?',
      [json.database],
    );
    assert.equal(Number(keys[0].n), 0);
    await mariadb.sql(`insert into ${json.database}.orders (customer_id, placed_at, total) values (1, now(), 1)`);
    await mariadb.sql(`delete from ${json.database}.orders order by id desc limit 1`);

    const connection = await mariadb.connect(database);
    for (const text of json.copy) for (const sql of text.split(/;\n/)) await connection.query(sql);
    await connection.end();
    assert.deepEqual(await rows(database, 'orders'), before);
    assert.deepEqual(await rows(database, '`odd ``name`'), odd);

    await mariadb.sql(
      `create trigger aloud before insert on orders for each row set new.total = new.total + 1;
       alter table orders modify total decimal(5,1)`,
      undefined,
      database,
    );
    const changed = await done('restore', ['latest', '--table', 'orders', '--json'], env);
    assert.match(
      changed.json.copy[0],
      /^-- orders: total is decimal\(5,1\) and was decimal\(\d+,\d\): what does not fit may come/m,
    );
    assert.match(changed.json.copy[0], /^-- orders: aloud, .* will act on these rows too, and may change them/m);
    assert.match(changed.json.copy[0], /STRICT_ALL_TABLES/);

    const wrong = await runVerb('restore', ['latest', '--table', 'order'], env);
    assert.equal(wrong.code, 1, wrong.stderr);
    assert.match(wrong.stderr, /no table and no schema order in [\s\S]*nearest: orders/);
    const to = `${database}_one`;
    await done('restore', ['latest', '--table', 'customers', '--to', to], env);
    await done('cleanup', ['--picked'], env);
    assert.deepEqual(await mariadb.beside(database), [database, to]);
    assert.deepEqual(await rows(to, 'customers'), await rows(database, 'customers'));
    await mariadb.sql(`drop database ${to}`);
  });
});

describe('a path picked out of a backup of a folder', () => {
  test('stands beside the folder, whose files stay as they are, and goes with cleanup --picked', async () => {
    const home = temporaryFolder();
    const live = join(home, 'uploads');
    mkdirSync(join(live, '2026/b'), { recursive: true });
    mkdirSync(join(live, '2025'), { recursive: true });
    for (const [name, text] of [
      ['2026/a.txt', 'a'],
      ['2026/b/[c].txt', 'c'],
      ['2025/d.txt', 'd'],
    ] as const)
      writeFileSync(join(live, name), text);
    const env = { BACKUP_SOURCE_UPLOADS: `file://${live}`, BACKUP_DIR: temporaryFolder() };
    await done('backup', [], env);
    writeFileSync(join(live, '2026/a.txt'), 'lost');

    const { json } = await done('restore', ['latest', '--path', './2026/', '--json'], env);
    assert.deepEqual([json.files, json.fileBytes], [2, 2]);
    assert.match(basename(json.database), /^uploads_picked_\d{14}$/);
    assert.deepEqual(filesIn(json.database).toSorted(), ['2026/a.txt', '2026/b/[c].txt']);
    assert.equal(readFileSync(join(json.database, '2026/a.txt'), 'utf8'), 'a');
    assert.equal(readFileSync(join(live, '2026/a.txt'), 'utf8'), 'lost');

    const to = join(home, 'one');
    await done('restore', ['latest', '--path', '2026/b/[c].txt', '--to', to], env);
    assert.deepEqual(filesIn(to), ['2026/b/[c].txt']);

    const none = await runVerb('restore', ['latest', '--path', '2027'], env);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /2027: Not found in archive[\s\S]*Name a path as it is in the folder/);
    for (const path of ['../x', '/etc', ''])
      assert.equal((await runVerb('restore', ['latest', '--path', path], env)).code, 2);
    const table = await runVerb('restore', ['latest', '--table', 'x'], env);
    assert.match(table.stderr, /is a folder, which has no tables/);

    await done('cleanup', ['--picked'], env);
    assert.equal(existsSync(json.database), false);
    assert.deepEqual(readdirSync(home).toSorted(), ['one', 'uploads']);
  });
});
