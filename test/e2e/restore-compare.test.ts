import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

describe('a restore that compares', { skip: missing }, () => {
  test('swaps in what is equal, and says how much that is', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const contents = await postgres.contents(database);
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
    await done('backup', [], env);
    const restored = await done('restore', ['latest', '--compare', '--json'], env);
    assert.match(
      restored.stderr,
      /content equal: 12 tables, 853 rows; generated columns .* equal: .*; definitions equal: \d+ statements/,
    );
    assert.deepEqual(await postgres.contents(database), contents);
    assert.equal((await runVerb('restore', ['--undo', '--compare'], env)).code, 2, 'an undo compares nothing');
  });

  test('reads times as they were dumped, whatever time zone who restores has', async () => {
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    await postgres.sql(
      database,
      `create table times (id int primary key, at timestamptz default '2026-01-01 00:00:00+00', check (at > '2020-06-01 12:00:00+00'));
       insert into times values (1, '2026-07-01 12:00:00+00')`,
    );
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
    await done('backup', [], env);
    await postgres.sql(
      'postgres',
      `create role elsewhere superuser login; alter role elsewhere set timezone = 'Asia/Kolkata'`,
    );
    const restored = await done('restore', ['latest', '--compare'], { ...env, POSTGRES_USER: 'elsewhere' });
    assert.match(restored.stderr, /content equal: 1 table, 1 row; definitions equal: \d+ statements/);
  });
});
