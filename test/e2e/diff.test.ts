import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { place, temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { startPostgres } from '../support/postgres.ts';
import { type Environment, type Outcome, runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();
const { mariadb, missing: noMariaDb } = await startMariaDb();

async function backUp(env: Environment): Promise<string> {
  const backup = await runVerb('backup', ['--json'], env);
  assert.equal(backup.code, 0, backup.stderr);
  return backup.json.results[0].key;
}

interface Row {
  readonly kind: string;
  readonly name: string;
  readonly change: string;
  readonly rows: { from: number | null; to: number | null };
  readonly bytes: { from: number | null; to: number | null };
  readonly definition: string[];
}

/** Of each thing that changed: how, its rows, and in which respects it is defined otherwise. */
function told({ code, json, stderr }: Outcome): Record<string, unknown> {
  assert.equal(code, 0, stderr);
  assert.deepEqual(json.notCompared, []);
  return Object.fromEntries(
    (json.changes as Row[]).map(({ kind, name, change, rows, definition }) => [
      `${kind} ${name}`,
      [change, rows.from, rows.to, definition.join(' ')],
    ]),
  );
}

describe('what changed between two backups of PostgreSQL', { skip: missing, concurrency: 2 }, () => {
  for (const format of ['sql', 'custom', 'folder'])
    test(`is told from their manifests alone, in the format ${format}, and against the live database`, async () => {
      const database = postgres.freshName();
      await postgres.create(database);
      const sql = (text: string) => postgres.sql(database, text);
      await sql(`
        create table gone as select 1 as a; create table "Odd Name" (a int); create table still as select 1 as a;
        create table with_rules (a int primary key, b int); create materialized view seen as select count(*) from still;
        create function body_of() returns int language sql as 'select 1';
        create function kept_as_it_was() returns int language sql as 'select 1'`);
      const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder(), BACKUP_FORMAT: format };
      const first = await backUp(env);
      await sql(`
        drop table gone; create table fresh as select generate_series(1, 3000) as a; insert into "Odd Name" values (1), (2);
        alter table with_rules add column c text default 'x'; alter table with_rules add constraint b_is_small check (b < 10);
        create index on with_rules (b); create policy p on with_rules using (true);
        create function noted() returns trigger language plpgsql as 'begin return new; end';
        create or replace function body_of() returns int language sql as 'select 2';
        alter table orders alter column net set default 1; grant select on open_orders to public`);
      // nobody else reads what is stored while it is compared, and no server is asked
      const second = await backUp(env);
      const unreachable = { ...env, POSTGRES_HOST: 'nowhere.invalid' };
      const expected = {
        'table public.fresh': ['added', null, 3000, ''],
        'table public."Odd Name"': ['changed', 0, 2, ''],
        'table public.gone': ['removed', 1, null, ''],
        'table public.orders': ['changed', 490, 490, 'columns'],
        'table public.with_rules': ['changed', 0, 0, 'columns constraints indexes rules'],
        'view public.open_orders': ['changed', null, null, 'rights'],
        'function public.noted()': ['added', null, null, ''],
        'function public.body_of()': ['changed', null, null, 'body'],
      };
      const changed = await runVerb('diff', [first, second, '--json'], unreachable);
      assert.deepEqual(told(changed), expected);
      assert.deepEqual([changed.json.from.key, changed.json.to.key], [first, second]);
      const fresh = changed.json.changes.find(({ name }: Row) => name === 'public.fresh');
      assert.ok(fresh.bytes.to >= 3000 * 30, `${fresh.bytes.to} bytes`);
      assert.deepEqual(
        changed.json.changes.slice(0, 2).map(({ name }: Row) => name),
        ['public.fresh', 'public."Odd Name"'],
      );
      assert.deepEqual(
        told(await runVerb('diff', [second, first, '--json'], unreachable)),
        expected,
        'the older one comes first',
      );
      assert.deepEqual(told(await runVerb('diff', ['latest', '--json'], unreachable)), expected, 'the one before it');

      const before = await postgres.fingerprint(database);
      const same = await runVerb('diff', ['latest', '--live', '--json'], env);
      assert.deepEqual(told(same), {}, 'nothing changed since');
      assert.ok(same.json.unchanged > 10);
      assert.deepEqual(await postgres.fingerprint(database), before);
      await sql('delete from fresh where a > 10');
      const live = await runVerb('diff', [second, '--live', '--json'], env);
      assert.deepEqual(told(live), { 'table public.fresh': ['changed', 3000, 10, ''] });
      assert.equal(live.json.to.key, null);
      const text = await runVerb('diff', [second, '--live'], env);
      assert.match(text.stdout, /public\.fresh +3000 +10 /);
      assert.match(text.stdout, /1 changed, \d+ the same/);
    });

  test('says of a backup of an older version what it cannot tell, and refuses what cannot be compared', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const folder = temporaryFolder();
    const env = { ...postgres.env(database), BACKUP_DIR: folder };
    const first = await backUp(env);
    const path = join(folder, first.replace('.sql.gz', '.json'));
    const { outline, ...older } = JSON.parse(readFileSync(path, 'utf8'));
    assert.ok(Object.keys(outline).length > 5);
    writeFileSync(path, JSON.stringify(older));
    const alone = await runVerb('diff', ['latest'], env);
    assert.equal(alone.code, 1);
    assert.match(alone.stderr, /there is no backup of \w+ before/);
    await postgres.sql(database, 'delete from orders where id < 4');
    const second = await backUp(env);
    const { json, stderr } = await runVerb('diff', [first, second, '--json'], env);
    assert.equal(json.notCompared.length, 1, stderr);
    assert.match(
      json.notCompared[0],
      /^definitions and sizes: .* has none to compare with, for it was made by an older version/,
    );
    assert.deepEqual(json.changes, [
      {
        kind: 'table',
        name: 'public.orders',
        change: 'changed',
        rows: { from: 490, to: 487 },
        bytes: { from: null, to: json.changes[0].bytes.to },
        definition: [],
      },
    ]);
    const refused = async (args: string[], code: number, says: RegExp) => {
      const run = await runVerb('diff', args, env);
      assert.equal(run.code, code, run.stderr);
      assert.match(run.stderr, says);
    };
    await refused([first, first], 2, /is one backup, and there is nothing to compare it with/);
    await refused([first, second, '--live'], 2, /--live goes with one key/);
    await refused([], 2, /what is to be compared/);
    await refused([`${first}x`], 1, /Nearest: /);
    place(folder, '2026/01/02/byhand_030405.sql.gz', 'x');
    await refused([second, '2026/01/02/byhand_030405.sql.gz'], 2, /has no manifest/);
  });
});

test('what changed between two backups of MariaDB is told', { skip: noMariaDb }, async () => {
  const database = mariadb.freshName();
  await mariadb.create(database);
  const sql = (text: string) => mariadb.sql(text, undefined, database);
  for (const each of ['create table gone (a int)', 'create table plain (a int)', 'insert into gone values (1)'])
    await sql(each);
  const env = { ...mariadb.env(database), BACKUP_DIR: temporaryFolder() };
  const first = await backUp(env);
  await sleep(1_000);
  for (const each of [
    'drop table gone',
    'create table fresh (a int primary key)',
    'insert into fresh values (1), (2)',
    'alter table plain add column b varchar(10) default "x", add key (b)',
    'create or replace function added_here() returns int return 2',
  ])
    await sql(each);
  const second = await backUp(env);
  const changed = await runVerb('diff', [first, second, '--json'], { ...env });
  // InnoDB estimates sizes, and again whenever it likes
  const { json } = changed;
  const isMore = ({ change, rows, definition }: Row) =>
    change !== 'changed' || rows.from !== rows.to || definition.length > 0;
  assert.deepEqual(told({ ...changed, json: { ...json, changes: json.changes.filter(isMore) } }), {
    'table fresh': ['added', null, 2, ''],
    'table gone': ['removed', 1, null, ''],
    'table plain': ['changed', 0, 0, 'columns indexes'],
    'function added_here': ['added', null, null, ''],
  });
  assert.deepEqual(told(await runVerb('diff', [second, '--live', '--json'], env)), {});
  await sql('delete from fresh');
  assert.deepEqual(told(await runVerb('diff', ['latest', '--live', '--json'], env)), {
    'table fresh': ['changed', 2, 0, ''],
  });
});

test('of a folder it is told how many files and bytes there were and are', async () => {
  const files = temporaryFolder();
  place(files, 'a.txt', 'a');
  const env = { BACKUP_SOURCE_FILES: `file://${files}`, BACKUP_DIR: temporaryFolder() };
  const first = await backUp(env);
  await sleep(1_000);
  place(files, 'b.txt', 'bb');
  const second = await backUp(env);
  const { json } = await runVerb('diff', [first, second, '--json'], env);
  assert.deepEqual(json.changes, [
    {
      kind: 'folder',
      name: 'files',
      change: 'changed',
      rows: { from: 1, to: 2 },
      bytes: { from: 1, to: 3 },
      definition: [],
    },
  ]);
  const live = await runVerb('diff', [second, '--live'], env);
  assert.equal(live.code, 2);
  assert.match(live.stderr, /is a source of files/);
});
