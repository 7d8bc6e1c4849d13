import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { done } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres([
  'max_locks_per_transaction=10',
  'max_connections=20',
  // what it locks would come and go in the little room that is left
  'autovacuum=off',
]);
// with its sequences twice what the server has room for, without them little enough to leave room for other sessions
const TABLES = 380;

describe('a database of more tables and sequences than its server has locks', { skip: missing }, () => {
  test('is dumped part by part, rehearsed, restored and compared, with materialized views', async () => {
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    await postgres.sql(
      database,
      `do $$ begin for i in 1..${TABLES} loop
         execute format('create table t%s (id serial primary key, a text)', i);
         execute format('insert into t%s (a) values (''x'')', i);
         if i % 50 = 0 then commit; end if;
       end loop; end $$`,
    );
    await postgres.sql(database, 'create materialized view counted as select count(*) as n from t1');
    const DRILL_DIR = temporaryFolder();
    chmodSync(DRILL_DIR, 0o755);
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder(), DRILL_DIR };
    const backup = await done('backup', ['--json'], env);
    assert.match(backup.stderr, /dumped as a folder, part by part.*max_locks_per_transaction/);
    const { key } = backup.json.results[0];
    const drill = await done('drill', [key], env);
    assert.match(drill.stderr, /passed, equal: 380 tables, 380 rows/);
    await postgres.sql(database, 'update t7 set a = null');
    const restored = await done('restore', [key, '--compare'], env);
    assert.match(restored.stderr, /content equal: 380 tables, 380 rows/);
    assert.deepEqual(await postgres.sql(database, 'select a, n from t7, counted'), [{ a: 'x', n: '1' }]);
    assert.deepEqual(await postgres.sql(database, "select nextval('t9_id_seq')::int as n"), [{ n: 2 }]);
  });
});
