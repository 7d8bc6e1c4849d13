import assert from 'node:assert/strict';
import fs, { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { cleanUpLogs } from '../../../scripts/lib/cleanup/log.ts';
import { configure } from '../../../scripts/lib/config/config.ts';
import { copyLog } from '../../../scripts/lib/copy/log.ts';
import { openCopies, primaryStore } from '../../../scripts/lib/copy/stores.ts';
import { readServerLogs } from '../../../scripts/lib/log/server-log.ts';
import { openLog } from '../../../scripts/lib/log/store.ts';
import { openServerLog, planMoment } from '../../../scripts/lib/moment/plan.ts';
import { stretchesBetween } from '../../../scripts/lib/moment/stretch.ts';
import { openRepository } from '../../../scripts/lib/repository/repository.ts';
import { logOfDays } from '../../support/long-log.ts';
import { startStore } from '../../support/stores.ts';

// 5,184 parts: as many as a server that is written to without a pause has in seven hours
const DAYS = 0.3;
const PAGES = 6;
const END = new Date(Date.now() - 2_000);
const { signal } = new AbortController();
const SERVER = '127.0.0.1';

async function stored(t: TestContext) {
  const { double, storeEnv } = await startStore();
  const folder = mkdtempSync(join(tmpdir(), 'long-log-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const env = { PATH: process.env.PATH, PITR: 'true', ...storeEnv, COPY_NAS: `file://${folder}` };
  const objects = [...logOfDays({ server: SERVER, days: DAYS, end: END })];
  for (const { key, text } of objects) double.seed(key, text);
  const config = configure(env);
  const repository = await openRepository(config.repository);
  t.after(() => repository.close());
  /** How many pages of the log's listing were asked for while this was done. */
  const pages = async (work: () => Promise<unknown>) => {
    const before = double.requests.length;
    await work();
    const asked = double.requests.slice(before).filter(({ operation }) => operation === 'ListObjectsV2');
    return asked.filter(({ query }) => query.get('prefix')?.startsWith('wal/')).length;
  };
  return { config, repository, store: openLog(repository), pages, objects, folder };
}

const gc: () => void = (() => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc');
})();

test('a long log is listed once, whatever is found out of it', { timeout: 120_000 }, async (t) => {
  const { config, repository, store, pages } = await stored(t);
  const now = new Date();
  const status = () => readServerLogs(store, now, signal);
  assert.equal(await pages(status), PAGES, 'status, list');
  assert.equal(await pages(() => cleanUpLogs(config, repository, { dryRun: true, now }, signal)), PAGES, 'cleanup');
  const at = new Date(END.getTime() - 3_600_000);
  const restore = async () => {
    const plan = await planMoment(await openServerLog(store, SERVER, signal), { kind: 'time', time: '', at });
    assert.ok('path' in plan && plan.path.segments.length > 100, 'there is a plan');
  };
  assert.equal(await pages(restore), PAGES, 'restore');
  const commits = async () => {
    const { chains } = await openServerLog(store, SERVER, signal);
    const [stretch, ...more] = stretchesBetween(chains, { from: at, to: new Date(at.getTime() + 60_000) });
    assert.ok(stretch && more.length === 0 && stretch.segments.length < 5);
    assert.ok(stretch.segments.every(({ objects }) => objects.length > 0));
  };
  assert.equal(await pages(commits), PAGES, 'commits');
  assert.equal(
    await pages(() => store.hasAny(SERVER, signal)),
    1,
    'a receiver that only wants to know whether there is any',
  );
});

test('what is known of a long log takes a few bytes an object, and its keys none', { timeout: 120_000 }, async (t) => {
  const { store, objects } = await stored(t);
  const at = new Date(END.getTime() - 60_000);
  const find = async () => {
    const log = await openServerLog(store, SERVER, signal);
    return { log, plan: await planMoment(log, { kind: 'time', time: '', at }) };
  };
  // what is loaded and compiled on the way is no part of it, and what lies about is little beside five of them
  await find();
  gc();
  const before = process.memoryUsage().heapUsed;
  const found = [await find(), await find(), await find(), await find(), await find()];
  gc();
  const kept = (process.memoryUsage().heapUsed - before) / found.length / objects.length;
  for (const { log, plan } of found) assert.ok('path' in plan && log.chains[0]?.objects === objects.length - 2);
  // a key alone has 110
  t.diagnostic(`${kept.toFixed(0)} bytes an object`);
  assert.ok(kept < 110, `${kept.toFixed(0)} bytes an object`);
});

test('a copy that has all of a long log but one object is given that one, and nothing is kept of the others', async (t) => {
  const { config, repository, objects, folder } = await stored(t);
  const missing = objects[2_999]?.key ?? '';
  for (const { key, text } of objects) {
    if (key === missing) continue;
    mkdirSync(dirname(join(folder, key)), { recursive: true });
    writeFileSync(join(folder, key), text);
  }
  const [copy] = await openCopies(config);
  assert.ok(copy);
  t.after(() => copy.repository.close());
  const added = t.mock.method(Map.prototype, 'set');
  const copied = await copyLog(primaryStore(config, repository), copy, signal);
  const keys = new Set(added.mock.calls.map(({ arguments: [key] }) => key));
  added.mock.restore();
  assert.deepEqual([copied.objects, copied.failed], [1, []]);
  assert.equal(objects.filter(({ key }) => key.startsWith('wal/') && keys.has(key)).length, 1);
});

test('the folders of a long log are read side by side: waited for one by one they take minutes on a busy machine', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'long-log-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const objects = [...logOfDays({ server: SERVER, days: 0.05, end: END })];
  for (const { key, text } of objects) {
    mkdirSync(dirname(join(folder, key)), { recursive: true });
    writeFileSync(join(folder, key), text);
  }
  const repository = await openRepository(configure({ PATH: process.env.PATH, BACKUP_DIR: folder }).repository);
  let [underWay, most] = [0, 0];
  const { readdir } = fs;
  const counted = t.mock.method(
    fs,
    'readdir',
    (path: string, options: object, done: (...answer: unknown[]) => void) => {
      underWay += 1;
      most = Math.max(most, underWay);
      return readdir(path, options as never, (...answer: unknown[]) => {
        underWay -= 1;
        done(...answer);
      });
    },
  );
  syncBuiltinESMExports();
  const keys: string[] = [];
  for await (const { key } of repository.shelf.storage.list('wal/', { signal })) keys.push(key);
  counted.mock.restore();
  syncBuiltinESMExports();
  assert.deepEqual(keys, objects.flatMap(({ key }) => (key.startsWith('wal/') ? [key] : [])).sort());
  assert.ok(most >= 32, `at most ${most} at a time`);
});
