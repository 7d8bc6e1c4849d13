import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { takeLog } from '../support/moments.ts';
import { startPostgres } from '../support/postgres.ts';
import { WITH_LOG } from '../support/recovery.ts';
import { runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres(
  [...WITH_LOG, 'max_prepared_transactions=5'],
  ['host replication all 127.0.0.1/32 trust'],
);
const log = missing ? undefined : await takeLog(postgres);

describe('what was committed around a time', { skip: missing }, () => {
  if (!log) return;
  const database = postgres.freshName();
  const env = () => log.env(database);
  let middle = '';

  before(async () => {
    await postgres.create(database, 'empty');
    for (const table of ['orders', 'customers', '"Odd name"', 'rewritten'])
      await postgres.sql(database, `create table ${table} (n int primary key, v text)`);
    await postgres.sql(database, 'insert into rewritten select n from generate_series(1, 50) n');
    await postgres.sql(database, 'insert into "Odd name" select n from generate_series(1, 5) n');
    await log.base();
    // names of what is dropped come from here
    assert.equal((await runVerb('backup', [], env())).code, 0);
    // what runs now began before
    await postgres.sql(database, 'checkpoint');
    await postgres.sql(database, 'insert into orders select n from generate_series(1, 2000) n');
    await postgres.sql(
      database,
      "begin; update orders set v = 'x' where n <= 3; savepoint s; delete from orders where n = 4; release s; savepoint t; delete from orders where n = 5; rollback to t; commit",
    );
    await postgres.sql(database, 'begin; insert into orders values (9999); rollback');
    await postgres.sql(database, "begin; insert into orders values (3000); prepare transaction 'later'");
    await postgres.sql(database, "commit prepared 'later'");
    middle = await log.now();
    await postgres.sql(database, 'drop table customers');
    await postgres.sql(database, 'truncate "Odd name"');
    await postgres.sql(database, 'vacuum full rewritten');
    await postgres.sql(database, 'delete from orders where n <= 1500');
    await postgres.sql('postgres', 'create database gone');
    await postgres.sql('postgres', 'drop database gone');
    await log.take();
    await log.stop();
  });

  test('transactions in the order of the log: rows by table, tables and databases dropped and emptied', async () => {
    const done = await runVerb('commits', ['--at', middle, '--for', '10m', '--json'], env());
    assert.equal(done.code, 0, done.stderr);
    const { transactions } = done.json;
    // biome-ignore lint/suspicious/noExplicitAny: a document
    const of = (table: string, what: (each: any) => boolean = () => true) =>
      // biome-ignore lint/suspicious/noExplicitAny: a document
      transactions.filter((each: any) => each.tables.some((row: any) => row.table === table && what(row)));
    const [insert, mixed, prepared, mass] = of('public.orders');
    assert.deepEqual(insert.tables, [{ database, table: 'public.orders', inserted: 2000, updated: 0, deleted: 0 }]);
    assert.equal(insert.isWhole, true);
    // a part that was rolled back counts as rows that it deleted no more than others that were
    assert.deepEqual(mixed.tables, [{ database, table: 'public.orders', inserted: 0, updated: 3, deleted: 1 }]);
    assert.deepEqual(prepared.tables, [{ database, table: 'public.orders', inserted: 1, updated: 0, deleted: 0 }]);
    assert.equal(mass.tables[0].deleted, 1499);
    // biome-ignore lint/suspicious/noExplicitAny: a document
    const dropping = transactions.filter((each: any) => each.dropped.length > 0);
    assert.deepEqual(
      // biome-ignore lint/suspicious/noExplicitAny: a document
      dropping.map((each: any) => each.dropped),
      [[{ database, table: 'public.customers' }]],
    );
    // biome-ignore lint/suspicious/noExplicitAny: a document
    const emptying = transactions.filter((each: any) => each.emptied.length > 0);
    assert.deepEqual(
      // biome-ignore lint/suspicious/noExplicitAny: a document
      emptying.map((each: any) => each.emptied),
      [[{ database, table: 'public."Odd name"' }]],
      'what VACUUM FULL writes anew is not empty',
    );
    // biome-ignore lint/suspicious/noExplicitAny: a document
    assert.equal(transactions.filter((each: any) => each.droppedDatabases.length > 0).length, 1);
    // biome-ignore lint/suspicious/noExplicitAny: a document
    const times = transactions.map((each: any) => each.at);
    assert.deepEqual(times, times.toSorted());
  });

  test('the moment before the accident is one that restores what it destroyed, and no more', async () => {
    const done = await runVerb('commits', ['--at', middle, '--for', '10m'], env());
    assert.equal(done.code, 0, done.stderr);
    const hint = new RegExp(
      `^before (\\d+) \\(DROPPED ${database}: public\\.customers.*\\): make restore AT=(\\S+)$`,
      'm',
    ).exec(done.stdout);
    assert.ok(hint, done.stdout);
    const to = postgres.freshName();
    const restored = await runVerb('restore', ['--at', hint[2] ?? '', '--to', to, '--json'], env());
    assert.equal(restored.code, 0, restored.stderr);
    assert.equal(restored.json.moment.firstOutXid, hint[1]);
    const [row] = await postgres.sql(to, "select to_regclass('customers') is not null as there");
    assert.equal(row.there, true);
  });

  test('a time of which no log is stored, and words that are none, are refused', async () => {
    const refused: [string[], number, RegExp][] = [
      [['--at', '2020-01-01T00:00:00Z'], 1, /no log of 127\.0\.0\.1 is stored from 2019.*\n.*There is: 20/],
      [['--at', 'noon'], 2, /is not a time such as/],
      [[], 2, /around which time\?/],
      [['--at', middle, '--for', 'a while'], 2, /is no duration such as 5m/],
      [['--at', middle, '--server', 'other'], 2, /there is no log of a server "other"/],
    ];
    for (const [words, code, why] of refused) {
      const done = await runVerb('commits', words, env());
      assert.equal(done.code, code, `${words.join(' ')}: ${done.stderr}`);
      assert.match(done.stderr, why);
    }
  });
});
