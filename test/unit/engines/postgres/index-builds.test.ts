import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Task } from '../../../../scripts/lib/engines/postgres/split/build-plan.ts';
import { type Begun, IndexBuilds } from '../../../../scripts/lib/engines/postgres/split/index-builds.ts';

const index = (table: string, sql = `index on ${table}`): Task => ({ sql, table, isExclusive: false });
const key = (table: string): Task => ({ sql: `key of ${table}`, table, isExclusive: true });

/** What runs, as it begins; each ends when it is told to. */
function runs() {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const run = ({ task: { sql }, isAlone }: Begun) =>
    new Promise<void>((resolve) => {
      begun.push(isAlone ? `${sql}, alone` : sql);
      ends.set(sql, resolve);
    });
  const end = async (sql: string) => {
    ends.get(sql)?.();
    await settled();
  };
  return { begun, run, end };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('the largest tables come first, and nothing runs beside a constraint on its own table', async () => {
  const { begun, run, end } = runs();
  const builds = new IndexBuilds();
  const sizes: Record<string, number> = { small: 1, large: 3, middle: 2 };
  const tasks = [index('small'), key('large'), index('large'), index('middle')];
  builds.add(tasks, ({ table }) => sizes[table] ?? 0);
  const done = Promise.all([builds.work(run), builds.work(run)]);
  await settled();
  assert.deepEqual(begun, ['key of large', 'index on middle']);
  await end('index on middle');
  assert.deepEqual(begun.slice(2), ['index on small']);
  await end('index on small');
  assert.equal(begun.length, 3);
  await end('key of large');
  assert.deepEqual(begun.slice(3), ['index on large, alone']);
  await end('index on large');
  await done;
});

test('none begins before what it waits for is there, and who finds none waits while one may follow', async () => {
  const { begun, run, end } = runs();
  const here = new Set<string>();
  let isOver = false;
  const builds = new IndexBuilds({ mayBegin: ({ table }) => here.has(table), mayFollow: () => !isOver });
  const done = builds.work(run);
  builds.add([index('a'), index('b'), index('c')], () => 0);
  await settled();
  assert.deepEqual(begun, []);
  here.add('b');
  builds.wake();
  await settled();
  assert.deepEqual(begun, ['index on b']);
  await end('index on b');
  here.add('a');
  isOver = true;
  builds.wake();
  await settled();
  assert.deepEqual(begun, ['index on b', 'index on a']);
  await end('index on a');
  await done;
  assert.deepEqual(
    builds.waiting.map(({ table }) => table),
    ['c'],
  );
});

test('who waits is let go by the signal, and by what fails', async () => {
  const stop = new AbortController();
  const waiting = new IndexBuilds({ mayBegin: () => false, mayFollow: () => true });
  const stopped = waiting.work(async () => {}, stop.signal);
  stop.abort(new Error('enough'));
  await assert.rejects(stopped, /enough/);

  const failing = new IndexBuilds();
  failing.add([key('a'), index('a')], () => 0);
  const fails = async ({ task }: Begun) => {
    await settled();
    throw new Error(task.sql);
  };
  const results = await Promise.allSettled([failing.work(fails), failing.work(fails)]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
});
