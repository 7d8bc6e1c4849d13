import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

/** Rows and names that their own definitions do not let be loaded; each was let in when it was made. */
const BROKEN = `
  create table customers (id int primary key, name text);
  insert into customers select n, 'customer ' || n from generate_series(1, 100) n;
  create table orders (id int primary key, customer int constraint orders_customer references customers, cents int);
  insert into orders select n, 1 + n % 100, n from generate_series(1, 1000) n;
  set session_replication_role = replica;
  insert into orders values (5000, 777, -1);
  reset session_replication_role;

  create function positive(int) returns boolean language sql immutable as 'select true';
  create table parents (id int, cents int constraint cents_positive check (positive(cents)));
  create table children (more text) inherits (parents);
  comment on constraint cents_positive on parents is 'said of a check';
  create domain short as text constraint short_enough check (positive(length(value)));
  create table texts (id int primary key, t short, good int constraint good_one check (good > 0));
  insert into parents values (1, -1);
  insert into children values (2, -2, 'x');
  insert into texts values (1, 'much too long', 1);
  create or replace function positive(int) returns boolean language sql immutable as 'select $1 between 0 and 9';

  create schema app;
  create function app.low(t text) returns text language sql immutable as 'select lower(t)';
  create function public.slug(t text) returns text language plpgsql immutable as 'begin return t; end';
  create unique index texts_slug on texts (slug(t));
  create function public.same(t text) returns text language plpgsql immutable as 'begin return t; end';
  create unique index customers_same on customers (same(name));
  create index customers_name on customers (name);
  create or replace function public.slug(t text) returns text language plpgsql immutable as 'begin return low(t); end';
  create or replace function public.same(t text) returns text language plpgsql immutable as $$ begin return ''; end $$;

  create extension if not exists tablefunc;
  create function gone() returns int language c as '$libdir/tablefunc', 'crosstab';
  create view from_gone as select gone() as n;
  update pg_proc set probin = '$libdir/is_not_there' where proname = 'gone'`;

describe('a backup whose own rows and names do not let all of it be made', { skip: missing }, () => {
  for (const format of ['sql', 'custom', 'folder']) {
    test(`is restored without that when asked, with every row, and says what is missing (${format})`, async () => {
      const database = postgres.freshName();
      await postgres.create(database, 'empty');
      await postgres.sql(database, BROKEN);
      const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder(), BACKUP_FORMAT: format };
      const backup = await done('backup', ['--json'], env);
      const { key } = backup.json.results[0];

      const refused = await runVerb('restore', [key], env);
      assert.equal(refused.code, 1, refused.stderr);
      // the first that stops it is a function whose library is gone, or a check: either way the option is named
      assert.match(refused.stderr, /next: [^\n]*--without-broken/);

      const restored = await done('restore', [key, '--compare', '--without-broken', '--json'], env);
      const said = restored.json.missing as string[];
      const one = (pattern: RegExp) => {
        const found = said.filter((sentence) => pattern.test(sentence));
        assert.equal(found.length, 1, `${pattern}: ${said.join('\n')}`);
        // before the swap and after it
        assert.ok(restored.stderr.split(found[0] ?? '').length > 2, found[0]);
      };
      one(/^the foreign key orders_customer of public\.orders holds for rows from now on alone.*\(777\)/);
      one(/^the check cents_positive of public\.parents holds for rows from now on alone/);
      one(/^the check short_enough of public\.short holds for rows from now on alone/);
      one(/^the index texts_slug on public\.texts is missing: function low\(text\) does not exist/);
      one(/^the index customers_same on public\.customers is missing: could not create unique index/);
      one(/^the function public\.gone is missing: could not access file/);
      one(/^the view public\.from_gone is missing/);
      assert.ok(said.every((sentence) => !sentence.includes('much too long')));

      const [rows] = await postgres.sql(
        database,
        `select (select count(*) from orders)::int as orders, (select count(*) from parents)::int as parents,
           (select count(*) from texts)::int as texts, obj_description(oid, 'pg_constraint') as comment
         from pg_constraint where conname = 'cents_positive' and conrelid = 'parents'::regclass`,
      );
      assert.deepEqual(rows, { orders: 1001, parents: 2, texts: 1, comment: 'said of a check' });
      const kept = await postgres.sql(
        database,
        `select conname as name, convalidated as valid from pg_constraint where contype in ('c', 'f') and oid >= 16384 order by 1, conrelid`,
      );
      assert.deepEqual(kept, [
        { name: 'cents_positive', valid: false },
        { name: 'cents_positive', valid: false },
        { name: 'good_one', valid: true },
        { name: 'orders_customer', valid: false },
        { name: 'short_enough', valid: false },
      ]);
      assert.deepEqual(
        (
          await postgres.sql(database, `select indexname as i from pg_indexes where tablename = 'customers' order by 1`)
        ).map(({ i }) => i),
        ['customers_name', 'customers_pkey'],
      );
    });
  }

  test('rows are never left out: a table whose rows cannot be loaded ends it, and the way is named', async () => {
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    await postgres.sql(
      database,
      `create function low(t text) returns text language sql immutable as 'select lower(t)';
       create function slug(t text) returns text language plpgsql immutable as 'begin return low(t); end';
       create table pages (id int, t text, s text generated always as (slug(t)) stored);
       insert into pages values (1, 'A')`,
    );
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
    const backup = await runVerb('backup', ['--json'], env);
    const { key } = backup.json.results[0];
    assert.match(
      backup.stderr,
      /generated column s of public\.pages calls the function public\.slug\(text\), which finds low/,
    );
    const refused = await runVerb('restore', [key, '--without-broken'], env);
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /rows would be missing: [^\n]*low\(text\) does not exist/);
    assert.match(refused.stderr, /next: [^\n]*--own-search-path/);
    const both = await done('restore', [key, '--without-broken', '--own-search-path', '--compare', '--json'], env);
    assert.deepEqual(both.json.missing, []);
    for (const format of ['custom', 'folder']) {
      const other = await runVerb('backup', ['--json'], { ...env, BACKUP_FORMAT: format });
      await done('restore', [other.json.results[0].key, '--own-search-path', '--compare'], env);
    }
  });
});
