import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, runVerb, until } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

/** Clients that write all the time and come back whenever they are thrown out. */
function startWriters(database: string, count: number) {
  const committed = new Set<string>();
  let stopped = false;
  let reconnections = 0;
  const write = async (writer: number) => {
    for (let n = 0; !stopped; ) {
      try {
        const client = await postgres.connect(database);
        try {
          for (; !stopped; n += 1) {
            await client.query('insert into ticks values ($1)', [`${writer}-${n}`]);
            committed.add(`${writer}-${n}`);
            await sleep(1);
          }
        } finally {
          await client.end().catch(() => {});
        }
      } catch {
        // the one under way may or may not have been committed
        n += 1;
        reconnections += 1;
        await sleep(5);
      }
    }
  };
  const ended = Promise.all(Array.from({ length: count }, (_, writer) => write(writer)));
  return {
    committed: () => new Set(committed),
    reconnections: () => reconnections,
    stop: async () => {
      stopped = true;
      await ended;
    },
  };
}

/** Everything but what the writers write. */
async function quiet(database: string): Promise<Record<string, string[]>> {
  const { 'public.ticks': _, ...rest } = await postgres.contents(database);
  return rest;
}

describe('with clients that write throughout', { skip: missing }, () => {
  test('a restore and its undo are each whole, no commit before them is lost, and a second undo is a clear word', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    await postgres.sql(database, 'create table ticks (tick text primary key)');
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
    await done('backup', [], env);
    const good = await quiet(database);
    await postgres.sql(database, 'delete from orders where id > 10; drop table "Back Office"."Notes; drop table x"');
    const bad = await quiet(database);
    assert.notDeepEqual(bad, good);

    const writers = startWriters(database, 3);
    try {
      await sleep(200);
      const beforeRestore = writers.committed();
      assert.ok(beforeRestore.size > 0);
      const restore = await done('restore', ['latest', '--json'], env);
      assert.match(restore.stderr, /ending the connections to/);
      assert.deepEqual(await quiet(database), good);

      await done('restore', ['--undo', '--json'], env);
      assert.deepEqual(await quiet(database), bad);
      const ticks = new Set((await postgres.sql(database, 'select tick from ticks')).map(({ tick }) => tick as string));
      const lost = [...beforeRestore].filter((tick) => !ticks.has(tick));
      assert.deepEqual(lost, []);

      const again = await runVerb('restore', ['--undo', '--json'], env);
      assert.equal(again.code, 1, again.stderr);
      assert.match(again.json.error.message, /there is nothing to undo/);
      assert.deepEqual(await quiet(database), bad);
      const after = writers.committed().size;
      await until('the writers are back at work', () => writers.committed().size > after || undefined);
      assert.ok(writers.reconnections() >= 3);
    } finally {
      await writers.stop();
    }
  });
});
