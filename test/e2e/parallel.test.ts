import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { filesIn, manifestsIn, temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { runVerb, startVerb, until } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

/** Sources a, b, c of this server; the dumps of those that are to be held wait half way. */
async function sources(held: readonly string[]) {
  const url = (database: string) => `postgres://${postgres.user}@${postgres.host}:${postgres.port}/${database}`;
  const folder = temporaryFolder();
  const env: Record<string, string> = { BACKUP_DIR: folder };
  const holds: Record<string, Awaited<ReturnType<typeof postgres.holdDump>>> = {};
  for (const name of ['a', 'b', 'c']) {
    const database = postgres.freshName();
    await postgres.create(database);
    env[`BACKUP_SOURCE_${name.toUpperCase()}`] = url(database);
    if (held.includes(name)) holds[name] = await postgres.holdDump(database);
  }
  return { folder, env, url, hold: (name: string) => holds[name] ?? assert.fail(name) };
}

describe('BACKUP_PARALLEL_SOURCES', { skip: missing, concurrency: 2 }, () => {
  test('runs that many at a time: a slow source does not keep the others waiting, results stand in their order', async () => {
    const { env, hold } = await sources(['a', 'b']);
    const running = startVerb('backup', ['--json'], { ...env, BACKUP_PARALLEL_SOURCES: '2' });
    await Promise.all([hold('a').reached(), hold('b').reached()]);
    await hold('b').release();
    // c begins when b is through, while a still waits
    await until('c is through', () => running.stderr().includes('backed up c') || undefined);
    await hold('a').release();
    const { code, json, stderr } = await running.outcome;
    assert.equal(code, 0, stderr);
    assert.deepEqual(
      json.results.map(({ source, ok }: { source: string; ok: boolean }) => `${source} ${ok}`),
      ['a true', 'b true', 'c true'],
    );
    for (const line of stderr.trim().split('\n')) assert.match(line, /Z \[[abc]\] /);
  });

  test('lets the others go on when one fails, and each line of the log says whose it is', async () => {
    const { folder, env, url, hold } = await sources(['b']);
    const running = startVerb('backup', ['--json'], {
      ...env,
      BACKUP_SOURCE_A: url('not_there'),
      BACKUP_SOURCE_B: env.BACKUP_SOURCE_B ?? '',
      BACKUP_PARALLEL_SOURCES: '3',
      LOG_FORMAT: 'json',
    });
    await hold('b').reached();
    await until('c is through', () => running.stderr().includes('backed up c') || undefined);
    process.kill((await running.process('pg_dump')).pid, 'SIGKILL');
    const { code, json, stderr } = await running.outcome;
    await hold('b').release();
    assert.equal(code, 1, stderr);
    assert.deepEqual(
      json.results.map(({ source, ok }: { source: string; ok: boolean }) => `${source} ${ok}`),
      ['a false', 'b false', 'c true'],
    );
    assert.equal(manifestsIn(folder).length, 1);
    const lines = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { level: string; source: string; message: string });
    for (const { level, source, message } of lines.filter((line) => line.level === 'error'))
      assert.match(message, new RegExp(`^backup of ${source} failed`), level);
    assert.deepEqual([...new Set(lines.map(({ source }) => source))].sort(), ['a', 'b', 'c']);
  });

  test('above one, an interrupt ends all that are under way and begins no other', async () => {
    const { folder, env, hold } = await sources(['a', 'b']);
    const running = startVerb('backup', ['--json'], { ...env, BACKUP_PARALLEL_SOURCES: '2' });
    await Promise.all([hold('a').reached(), hold('b').reached()]);
    running.signal('SIGTERM');
    const { code, json } = await running.outcome;
    await Promise.all([hold('a').release(), hold('b').release()]);
    assert.equal(code, 1);
    assert.deepEqual(
      json.results.map(({ source, error }: { source: string; error: string }) => `${source} ${/SIGTERM/.test(error)}`),
      ['a true', 'b true', 'c true'],
    );
    assert.deepEqual(filesIn(folder), []);
    assert.deepEqual(running.processes(), []);
  });

  test('of one, which is the default, dumps one after the other and leaves the lines as they are', async () => {
    const { folder, env, hold } = await sources(['a']);
    const running = startVerb('backup', [], env);
    await hold('a').reached();
    assert.equal(running.processes().filter(({ name }) => name === 'pg_dump').length, 1);
    assert.deepEqual(manifestsIn(folder), []);
    await hold('a').release();
    const { code, stderr } = await running.outcome;
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /\[[abc]\]/);
    assert.deepEqual(
      [...stderr.matchAll(/backed up (\w)/g)].map(([, name]) => name),
      ['a', 'b', 'c'],
    );
    assert.equal((await runVerb('list', ['--json'], env)).json.length, 3);
  });
});
