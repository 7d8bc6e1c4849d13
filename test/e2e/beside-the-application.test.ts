import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, runVerb } from '../support/verbs.ts';

// as many locks as a small server has: 64 a connection
const { postgres, missing } = await startPostgres(['max_connections=20', 'max_locks_per_transaction=16']);

describe('a dump beside an application', { skip: missing }, () => {
  /** Runs statements one after the other until stopped. @returns the longest that a round took, in milliseconds */
  function keepDoing(database: string, statements: (round: number) => string[]) {
    let isRunning = true;
    const ended = (async () => {
      let longestMs = 0;
      const client = await postgres.connect(database);
      for (let round = 0; isRunning; round += 1) {
        const before = performance.now();
        for (const statement of statements(round)) await client.query(statement);
        longestMs = Math.max(longestMs, performance.now() - before);
      }
      await client.end();
      return longestMs;
    })();
    return async () => {
      isRunning = false;
      return ended;
    };
  }

  for (const format of ['sql', 'custom', 'folder']) {
    test(`${format}: that truncates a table and its sequence again and again does not stand still`, async () => {
      const database = postgres.freshName();
      await postgres.create(database);
      await postgres.sql(database, 'create table queue (id serial primary key, v text)');
      const stop = keepDoing(database, () => [
        'truncate queue restart identity',
        "insert into queue (v) values ('x')",
        'select pg_sleep(0.02)',
      ]);
      const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder(), BACKUP_FORMAT: format };
      const backup = await runVerb('backup', ['--json'], env);
      const longestMs = await stop();
      assert.equal(backup.code, 0, backup.stderr);
      assert.ok(longestMs < 10_000, `${longestMs} ms: it would have waited until BLOCKING_TIMEOUT, 30 s`);
    });

    test(`${format}: a sequence that goes round is restored as it stands in the dump`, async () => {
      const database = postgres.freshName();
      await postgres.create(database);
      await postgres.sql(database, 'create sequence ticket maxvalue 40 cycle');
      const stop = keepDoing(database, () => ["select nextval('ticket') from generate_series(1, 7)"]);
      const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder(), BACKUP_FORMAT: format };
      const backup = await runVerb('backup', ['--json'], env);
      await stop();
      assert.equal(backup.code, 0, backup.stderr);
      await done('restore', ['latest', '--to', `${database}copy`, '--json'], env);
    });

    test(`${format}: tables with more indexes than the server has room for locks are dumped`, async () => {
      const database = postgres.freshName();
      await postgres.create(database, 'empty');
      const indexes = [1, 2, 3, 4, 5, 6].map((n) => `execute format('create index on many_%s ((a + ${n}))', i);`);
      await postgres.sql(
        database,
        `do $$ begin for i in 1..200 loop
           execute format('create table many_%s (a int)', i); ${indexes.join(' ')} commit;
         end loop; end $$`,
      );
      const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder(), BACKUP_FORMAT: format };
      await done('backup', ['--json'], env);
    });
  }
});
