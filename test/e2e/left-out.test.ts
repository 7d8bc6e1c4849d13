import assert from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { filesIn, temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, type Environment, runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();
const { mariadb, missing: noMariaDb } = await startMariaDb();

const CONTENT = `
  create schema audit; create table audit.events (id serial primary key, what text); insert into audit.events (what) values ('x');
  create function audit.noted() returns int language sql as 'select 1';
  create table logins (id bigserial primary key, token text, shown text generated always as (upper(token)) stored);
  insert into logins (token) select 't' || n from generate_series(1, 100) n;
  create table logs_2025 (id serial primary key); create table logs_2026 (id serial primary key); insert into logs_2026 default values;
  create table "Odd, Name" (a int); insert into "Odd, Name" values (1);
  create table parted (n int) partition by range (n); create table part_1 partition of parted for values from (0) to (10);
  insert into parted values (1), (2);
  create schema words; create collation words.byte (locale = 'C'); create table sorted (a text collate words.byte);
  create materialized view first_sum as select count(*) from logins; create view between_sums as select * from first_sum;
  create materialized view second_sum as select * from between_sums`;

async function shop(more: Environment) {
  const database = postgres.freshName();
  await postgres.create(database);
  await postgres.sql(database, CONTENT);
  const folder = temporaryFolder();
  const drillDir = temporaryFolder();
  chmodSync(drillDir, 0o1777);
  const env: Record<string, string> = {
    ...postgres.env(database),
    BACKUP_DIR: folder,
    DRILL_DIR: drillDir,
    DRILL_CHECKS: '/nonexistent',
    ...more,
  };
  return { database, folder, env };
}

const EXCLUDED = {
  BACKUP_EXCLUDE_TABLE: 'logs_*, "Odd, Name" parted',
  BACKUP_EXCLUDE_TABLE_DATA: 'public.logins',
  BACKUP_EXCLUDE_SCHEMA: 'aud?t',
};

describe('what is left out of a backup of PostgreSQL', { skip: missing, concurrency: 2 }, () => {
  for (const format of ['sql', 'custom', 'folder'])
    test(`is in none of it in the format ${format}, stands in the manifest, and is expected to be missing by drill and restore`, async () => {
      const { database, folder, env } = await shop({ ...EXCLUDED, BACKUP_FORMAT: format, BACKUP_JOBS: '2' });
      const backup = await runVerb('backup', ['--json'], env);
      assert.equal(backup.code, 0, backup.stderr);
      const [path = ''] = filesIn(folder).filter((name) => /\d\.json$/.test(name));
      const manifest = JSON.parse(readFileSync(join(folder, path), 'utf8'));
      assert.deepEqual(manifest.leftOut.schemas, ['audit']);
      assert.deepEqual(manifest.leftOut.data, ['public.logins']);
      assert.deepEqual(manifest.leftOut.tables.toSorted(), [
        'public."Odd, Name"',
        'public.logs_2025',
        'public.logs_2025_id_seq',
        'public.logs_2026',
        'public.logs_2026_id_seq',
        'public.part_1',
        'public.parted',
      ]);
      const rowsOf = (table: string) => manifest.tables.find((each: { table: string }) => each.table === table)?.rows;
      assert.deepEqual(
        [rowsOf('public.logins'), rowsOf('public.orders'), rowsOf('public.logs_2026')],
        [0, 490, undefined],
      );

      const [listed] = (await done('list', ['--json'], env)).json;
      assert.deepEqual(listed.leftOut, manifest.leftOut);
      assert.match(
        (await done('list', [], env)).stdout,
        /without the schema audit; public\.logs_2025, .*the data of public\.logins/,
      );
      const { BACKUP_EXCLUDE_TABLE: _, BACKUP_EXCLUDE_TABLE_DATA: __, BACKUP_EXCLUDE_SCHEMA: ___, ...plain } = env;
      assert.deepEqual((await done('list', ['--json', '--left-out'], plain)).json[0].leftOut, manifest.leftOut);

      const drill = await runVerb('drill', ['--json'], env);
      assert.equal(drill.code, 0, drill.stderr);
      const [result] = drill.json.results;
      const check = result.checks.find(({ name }: { name: string }) => name === 'left out');
      assert.match(check.detail, /^the schema audit; .*public\.logs_2025.*; the data of public\.logins$/);
      assert.match(result.checks.find(({ name }: { name: string }) => name === 'content').detail, /equal/);

      const copy = `${database}_copy`;
      const restored = await runVerb('restore', ['latest', '--to', copy], env);
      assert.equal(restored.code, 0, restored.stderr);
      assert.match(
        restored.stderr.split('\n')[0] ?? '',
        /restoring .*left out of it: the schema audit; .*the data of public\.logins/,
      );
      const names = await postgres.sql(
        copy,
        "select string_agg(c.oid::regclass::text, ' ' order by 1) as all from pg_class c where oid >= 16384 and relname ~ 'log|event|Odd|part|logins'",
      );
      assert.match(names[0].all, /logins/);
      assert.doesNotMatch(names[0].all, /logs_|events|Odd|part/);
      const [{ n }] = await postgres.sql(copy, 'select count(*)::int as n from logins');
      assert.equal(n, 0);
      // it goes on where it stood
      await postgres.sql(copy, "insert into logins (token) values ('new')");
      assert.equal((await postgres.sql(copy, 'select max(id)::int as n from logins'))[0].n, 101);
      await postgres.sql('postgres', `drop database "${copy}"`);
    });

  test('is told of when a pattern fits nothing, and the second backup does not warn of what is gone on purpose', async () => {
    const { env } = await shop({});
    assert.equal((await runVerb('backup', [], env)).code, 0);
    const second = await runVerb('backup', ['--json'], {
      ...env,
      BACKUP_EXCLUDE_TABLE: 'nowhere_*,LOGS_2025,"LOGS_2026"',
      BACKUP_EXCLUDE_TABLE_DATA: 'logins',
    });
    assert.equal(second.code, 0, second.stderr);
    assert.match(second.stderr, /EXCLUDE_TABLE has the pattern nowhere_\*, which fits nothing/);
    assert.match(second.stderr, /has the pattern "LOGS_2026", which fits nothing/);
    assert.doesNotMatch(second.stderr, /pattern LOGS_2025|is gone|is empty/);
  });

  test('may be all rows, and that is told', async () => {
    const { env } = await shop({ BACKUP_EXCLUDE_TABLE_DATA: '*.*' });
    const backup = await done('backup', ['--json'], env);
    assert.match(
      backup.stderr,
      /the rows of every table of \S+ are left out: there are definitions alone in the backup/,
    );
    const { json } = await done('drill', ['--json'], env);
    assert.equal(
      json.results[0].tables.every(({ restored }: { restored: number }) => restored === 0),
      true,
    );
    const some = await done('backup', ['--json'], { ...env, BACKUP_EXCLUDE_TABLE_DATA: '*' });
    assert.doesNotMatch(some.stderr, /the rows of every table/);
  });

  const REFUSED = {
    'a foreign key to a table': [
      { BACKUP_EXCLUDE_TABLE: 'customers' },
      /table public\.customers is left out, and constraint \w+ on table public\.orders/,
    ],
    'a view of a table': [
      { BACKUP_EXCLUDE_TABLE: 'orders' },
      /table public\.orders is left out, and (materialized )?view public/,
    ],
    'a foreign key to rows': [
      { BACKUP_EXCLUDE_TABLE_DATA: 'customers' },
      /the data of table public\.customers is left out, and constraint \w+ on table public\.orders/,
    ],
    'a collation in a schema': [
      { BACKUP_EXCLUDE_SCHEMA: 'words' },
      /collation words\.byte is left out, and table public\.sorted needs it/,
    ],
    'the rows of a materialized view that another reads': [
      { BACKUP_EXCLUDE_TABLE_DATA: 'first_sum' },
      /the data of materialized view (public\.)?first_sum is left out, and materialized view (public\.)?second_sum reads it/,
    ],
    'every table': [{ BACKUP_EXCLUDE_TABLE: '*.*' }, /every table of \S+ is left out: there would be nothing in/],
    'an extension in a schema': [
      { BACKUP_EXCLUDE_SCHEMA: 'public' },
      /schema public is left out, and extension hstore lies in it/,
    ],
  } as const;
  for (const [what, [excluded, says]] of Object.entries(REFUSED))
    test(`is refused at the backup where it could not be restored: ${what}`, async () => {
      const { folder, env } = await shop(excluded);
      const { code, stderr } = await runVerb('backup', [], env);
      assert.equal(code, 1, stderr);
      assert.match(stderr, says);
      assert.deepEqual(
        readdirSync(folder).filter((name) => /^\d/.test(name)),
        [],
      );
    });

  test('is told of where functions of what stays work with it, through others too', async () => {
    const { database, env } = await shop({ BACKUP_EXCLUDE_TABLE_DATA: 'known', BACKUP_EXCLUDE_TABLE: 'visits' });
    await postgres.sql(
      database,
      `create table known (id int); insert into known values (1); create table visits (id int);
       create function is_known(int) returns bool language sql as 'select exists (select from public.known where id = $1)';
       create function may_be(n int) returns bool language plpgsql as 'begin return public.is_known(n); end';
       create table guests (id int constraint is_one check (may_be(id))); insert into guests values (1);
       create table empty_guests (id int check (id > 0 and length(id::text) > 0));
       create function noted() returns trigger language plpgsql as 'begin insert into visits values (new.id); return new; end';
       create trigger visit after insert on guests for each row execute function noted();
       create trigger own after insert on visits for each row execute function noted()`,
    );
    const backup = await done('backup', [], env);
    assert.match(
      backup.stderr,
      /a restore may fail by that, or give other values: the check is_one on public\.guests \(public\.known\)\. Take/,
    );
    assert.match(
      backup.stderr,
      /set them off fail until those are made: the trigger visit on public\.guests \(public\.visits\)/,
    );
    const drill = await runVerb('drill', [], env);
    assert.equal(drill.code, 1, 'a warning that is true');
    const whole = await done('backup', [], { ...env, BACKUP_EXCLUDE_TABLE: '', BACKUP_EXCLUDE_TABLE_DATA: 'logins' });
    assert.doesNotMatch(whole.stderr, /left out of it/);
  });

  test('is left out together with what refers to it, by the URL or the variables of a source', async () => {
    const { database, folder, env } = await shop({});
    const { host, port, user } = postgres;
    const own = {
      BACKUP_DIR: folder,
      DRILL_DIR: env.DRILL_DIR ?? '',
      DRILL_CHECKS: '/nonexistent',
      BACKUP_SOURCE_SHOP: `postgres://${user}@${host}:${port}/${database}?exclude-table-data=customers&exclude-table-data=orders`,
      BACKUP_SOURCE_SHOP_EXCLUDE_TABLE: 'logs_2025',
    };
    const backup = await runVerb('backup', ['--json'], own);
    assert.equal(backup.code, 0, backup.stderr);
    const drill = await runVerb('drill', ['--json'], own);
    assert.equal(drill.code, 0, drill.stderr);
    const orders = drill.json.results[0].tables.find(({ table }: { table: string }) => table === 'public.orders');
    assert.deepEqual(orders, { table: 'public.orders', expected: 0, restored: 0 });
    const lonely = await runVerb('backup', [], { ...own, BACKUP_SOURCE_OTHER_EXCLUDE_TABLE: 'x' });
    assert.equal(lonely.code, 2);
    assert.match(lonely.stderr, /BACKUP_SOURCE_OTHER_EXCLUDE_TABLE is set, but BACKUP_SOURCE_OTHER is not/);
    const open = await runVerb('backup', [], { ...own, BACKUP_SOURCE_SHOP_EXCLUDE_TABLE: '"open' });
    assert.equal(open.code, 2);
    assert.match(open.stderr, /lacks a closing "/);
  });
});

test('what is left out of a backup of MariaDB is missing, and is refused where others refer to it', {
  skip: noMariaDb,
}, async () => {
  const database = mariadb.freshName();
  await mariadb.create(database);
  for (const each of [
    'create table logins (id int auto_increment primary key, t text)',
    "insert into logins (t) values ('a'), ('b')",
    'create table log_1 (a int)',
    'create table log_2 (a int)',
    'create trigger log_noted before insert on log_1 for each row set new.a = 1',
  ])
    await mariadb.sql(each, undefined, database);
  const drillDir = temporaryFolder();
  chmodSync(drillDir, 0o1777);
  const env = {
    ...mariadb.env(database),
    BACKUP_DIR: temporaryFolder(),
    DRILL_DIR: drillDir,
    DRILL_CHECKS: '/nonexistent',
  };
  const excluded = {
    BACKUP_SOURCE_SHOP_EXCLUDE_TABLE: 'log_*,nowhere',
    BACKUP_SOURCE_SHOP_EXCLUDE_TABLE_DATA: 'logins',
  };
  const backup = await runVerb('backup', ['--json'], { ...env, ...excluded });
  assert.equal(backup.code, 0, backup.stderr);
  assert.match(backup.stderr, /pattern nowhere, which fits nothing/);
  const drill = await runVerb('drill', ['--json'], { ...env, ...excluded });
  assert.equal(drill.code, 0, drill.stderr);
  const [{ tables, checks }] = drill.json.results;
  const rowsOf = (name: string) => tables.find(({ table }: { table: string }) => table === name)?.restored;
  assert.deepEqual([rowsOf('logins'), rowsOf('log_1'), rowsOf('orders')], [0, undefined, 15]);
  const check = checks.find(({ name }: { name: string }) => name === 'left out');
  assert.equal(check.detail, 'log_1, log_2; the data of logins');
  for (const [more, says] of [
    [
      { BACKUP_SOURCE_SHOP_EXCLUDE_TABLE: 'customers' },
      /customers is left out, and constraint \S+ of table orders refers to it/,
    ],
    [
      { BACKUP_SOURCE_SHOP_EXCLUDE_TABLE_DATA: 'customers' },
      /the data of customers is left out, and constraint \S+ of table orders/,
    ],
    [{ BACKUP_SOURCE_SHOP_EXCLUDE_TABLE: '*' }, /every table of \w+ is left out/],
  ] as const) {
    const refused = await runVerb('backup', [], { ...env, ...more });
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, says);
  }
  const none = await done('backup', [], { ...env, BACKUP_SOURCE_SHOP_EXCLUDE_TABLE_DATA: '*' });
  assert.match(none.stderr, /the rows of every table of \w+ are left out/);
  const schemas = await runVerb('backup', [], { ...env, BACKUP_SOURCE_SHOP_EXCLUDE_SCHEMA: 'x' });
  assert.equal(schemas.code, 2);
  assert.match(schemas.stderr, /MariaDB has no schemas in a database/);
});

test('code of MariaDB that works with what is left out is told of at the backup, and what it breaks at the restore', {
  skip: noMariaDb,
}, async () => {
  const database = mariadb.freshName();
  await mariadb.create(database);
  await mariadb.script(
    database,
    `create table visits (id int);
create function visited() returns int reads sql data return (select count(*) from visits);
create view how_many as select visited() as n;
create view all_customers as select id from customers;
create trigger noted after insert on orders for each row insert into visits values (new.id);
`,
  );
  const env = { ...mariadb.env(database), BACKUP_DIR: temporaryFolder() };
  const backup = await done('backup', ['--json'], { ...env, BACKUP_SOURCE_SHOP_EXCLUDE_TABLE: 'visits' });
  assert.match(
    backup.stderr,
    /works with tables that are left out of it.*: function visited \(visits\); trigger noted of table orders \(visits\)\. Leave it out too/,
  );
  const restore = await done('restore', ['latest', '--to', `${database}_beside`, '--json'], env);
  assert.match(
    restore.stderr,
    /the view how_many is there and cannot be read: a function that it calls .* left out of this backup \(visits\)/,
  );
  assert.equal(restore.json.missing.length, 1);
  const rowsOnly = await done('backup', [], { ...env, BACKUP_SOURCE_SHOP_EXCLUDE_TABLE_DATA: 'visits' });
  assert.doesNotMatch(rowsOnly.stderr, /works with tables/);
});

test('a table of MariaDB whose name differs in its case alone is not left out with the one that is', {
  skip: noMariaDb,
}, async (t) => {
  const [{ kept }] = await mariadb.sql('select @@lower_case_table_names = 0 as kept');
  if (!Number(kept)) return t.skip('this server keeps no such names apart');
  const database = mariadb.freshName();
  await mariadb.create(database, 'empty');
  for (const each of [
    'create table `Log` (a int)',
    'create table `log` (a int)',
    'insert into `log` values (1), (2)',
    'create table other (a int)',
    'create sequence numbers',
    'create table numbered (id int default nextval(numbers) primary key)',
  ])
    await mariadb.sql(each, undefined, database);
  const env = { ...mariadb.env(database), BACKUP_DIR: temporaryFolder() };
  for (const excluded of [
    { BACKUP_SOURCE_SHOP_EXCLUDE_TABLE: '"Log"' },
    { BACKUP_SOURCE_SHOP_EXCLUDE_TABLE_DATA: 'Log' },
  ]) {
    const { code, stderr } = await runVerb('backup', [], { ...env, ...excluded });
    assert.equal(code, 1, stderr);
    assert.match(stderr, /does not tell apart names that differ in their case alone, and would leave out log with Log/);
  }
  await done('backup', [], { ...env, BACKUP_SOURCE_SHOP_EXCLUDE_TABLE: 'Log log' });
  // a view that cannot be read is left out in the same way
  for (const each of ['create table gone (a int)', 'create view `OTHER` as select * from gone', 'drop table gone'])
    await mariadb.sql(each, undefined, database);
  const invalid = await runVerb('backup', [], env);
  assert.equal(invalid.code, 1, invalid.stderr);
  assert.match(invalid.stderr, /would leave out other with OTHER/);
  const sequence = await runVerb('backup', [], { ...env, BACKUP_SOURCE_SHOP_EXCLUDE_TABLE: 'numbers' });
  assert.equal(sequence.code, 1, sequence.stderr);
  assert.match(sequence.stderr, /numbers is left out, and the default of id in table numbered takes its values/);
});
