import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changedWords } from '../../../../scripts/lib/engines/postgres/upgrade.ts';

const said = (text: string, from: number, to: number) => changedWords([{ name: 'public.f()', text }], from, to);

test('what a newer version has given up is found in the text of functions, wherever it stands there', () => {
  const statements = 'select total_time from pg_stat_statements order by 1 desc';
  assert.deepEqual(said(statements, 12, 18), [
    'since 13 the columns of pg_stat_statements are named …_exec_time: look at public.f()',
  ]);
  assert.match(said('select checkpoints_timed from pg_stat_bgwriter', 16, 17).join(), /^since 17 these columns lie in/);
  assert.match(
    said('select s.wal_sync from pg_stat_wal s', 17, 18).join(),
    /^since 18 these columns lie in pg_stat_io/,
  );
  assert.match(said('select pg_start_backup($1)', 13, 17).join(), /^since 15 pg_backup_start/);
  assert.match(said('begin return 5 !; end', 13, 14).join(), /^since 14 postfix operators are gone/);
});

test('what was given up before the version that it comes from, or means something else, is not told', () => {
  assert.deepEqual(said('select total_time from pg_stat_statements', 13, 18), []);
  assert.deepEqual(said('select pg_start_backup($1)', 13, 14), []);
  assert.deepEqual(said('select blk_read_time from pg_stat_database', 15, 18), []);
  assert.deepEqual(said('select total_time from races where a != b', 12, 18), []);
  assert.deepEqual(said('', 10, 18), []);
});
