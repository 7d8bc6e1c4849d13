import assert from 'node:assert/strict';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { filesIn, place, temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import type { DoubleRequest } from '../support/s3-double-requests.ts';
import { startStore } from '../support/stores.ts';
import { done, type Running, runVerb, startVerb, until, untilNextSecond } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

/** Three tables of 60 MiB each: more than an upload keeps in memory. */
const BIG = ['a', 'b', 'c']
  .map((name) => `create table ${name} as select n, repeat(md5(n::text), 96) as text from generate_series(1, 20000) n;`)
  .join('\n');

const FOLDER = { BACKUP_FORMAT: 'folder', BACKUP_JOBS: '2', BACKUP_COMPRESSION: 'none' };

async function bigDatabase(more = ''): Promise<string> {
  const database = postgres.freshName();
  await postgres.create(database, 'empty');
  await postgres.sql(database, BIG + more);
  return database;
}

const isDataPart = ({ operation, key }: DoubleRequest) => operation === 'UploadPart' && key.includes('-data.');

describe('when one of several streams fails, all end and nothing is left', { skip: missing, concurrency: 2 }, () => {
  /** A backup whose two data streams are both under way, and held by a store that does not take their parts. */
  async function heldStreams(more: Record<string, string> = {}) {
    const { double, storeEnv } = await startStore({
      fault: (request) => (isDataPart(request) ? 'hang' : undefined),
    });
    const database = await bigDatabase();
    const env = { ...postgres.env(database), ...storeEnv, ...FOLDER, ...more };
    const running = startVerb('backup', ['--json'], env);
    await until('both streams upload', () =>
      new Set(double.requests.filter(isDataPart).map(({ key }) => key)).size >= 2 ? true : undefined,
    );
    return { double, database, env, running };
  }

  async function assertNothingLeft(
    { double, env, running }: Awaited<ReturnType<typeof heldStreams>>,
    expected: RegExp,
  ) {
    const { code, stderr } = await running.outcome;
    assert.equal(code, 1, stderr);
    assert.match(stderr, expected);
    assert.equal(double.uploads.size, 0);
    assert.deepEqual([...double.objects.keys()], []);
    assert.deepEqual(running.processes(), []);
    assert.deepEqual((await runVerb('list', ['--json'], env)).json, []);
  }

  test('one psql is killed', async () => {
    const held = await heldStreams();
    const before = Date.now();
    process.kill((await held.running.process('psql')).pid, 'SIGKILL');
    await assertNothingLeft(held, /psql was ended by SIGKILL/);
    // each of the others would have gone on until STORAGE_TIMEOUT, two minutes
    assert.ok(Date.now() - before < 60_000, `${Date.now() - before} ms`);
  });

  test("the server ends one stream's session", async () => {
    // a psql that waits to pass rows on sees nothing before the store takes them, or is given up
    const held = await heldStreams({ STORAGE_TIMEOUT: '20s' });
    const [{ ended }] = await postgres.sql(
      held.database,
      `select count(pg_terminate_backend(pid))::int as ended from (
         select pid from pg_stat_activity where datname = current_database() and query ilike 'copy %' limit 1) one`,
    );
    assert.equal(ended, 1);
    held.double.change({ fault: () => undefined });
    // the server's last word is lost where it had been waiting to send rows
    await assertNothingLeft(held, /psql exited with \d: .*(terminating connection|server closed the connection)/s);
  });

  test('a signal comes', async () => {
    const held = await heldStreams();
    held.running.signal('SIGTERM');
    await assertNothingLeft(held, /stopped by SIGTERM/);
  });

  test('the store refuses one part of one stream', async () => {
    let refused: string | undefined;
    const { double, storeEnv } = await startStore({
      fault: (request) => {
        if (!isDataPart(request)) return undefined;
        refused ??= request.key;
        return request.key === refused ? { status: 403, code: 'AccessDenied' } : undefined;
      },
    });
    const env = { ...postgres.env(await bigDatabase()), ...storeEnv, ...FOLDER };
    const running = startVerb('backup', ['--json'], env);
    await assertNothingLeft({ double, database: '', env, running }, /cannot store .*-data\.sql.*AccessDenied/);
    assert.ok(refused);
  });

  test('the last object cannot be stored, all others having been', async () => {
    const { double, storeEnv } = await startStore({
      fault: ({ operation, key }) =>
        operation === 'PutObject' && key.includes('9999-') ? { status: 403, code: 'AccessDenied' } : undefined,
    });
    const env = { ...postgres.env(await bigDatabase()), ...storeEnv, ...FOLDER };
    const running = startVerb('backup', ['--json'], env);
    await assertNothingLeft({ double, database: '', env, running }, /9999-post-data.*AccessDenied/);
  });
});

describe('a folder backup and those who alter tables', { skip: missing, concurrency: 2 }, () => {
  async function heldBackup() {
    const database = postgres.freshName();
    await postgres.create(database);
    const folder = temporaryFolder();
    const env = { ...postgres.env(database), ...FOLDER, BACKUP_DIR: folder, BACKUP_JOBS: '1' };
    const held = await postgres.holdDump(database);
    const running = startVerb('backup', ['--json'], env);
    // with one job, no stream of rows has begun then
    await held.reached();
    return { database, env, folder, held, running };
  }

  test('a table cannot be dropped under it, and can be written to', async () => {
    const { database, held, running, env } = await heldBackup();
    await assert.rejects(
      postgres.sql(database, "set lock_timeout = '200ms'; drop table orders"),
      /canceling statement due to lock timeout/,
    );
    await postgres.sql(database, 'update orders set weight = 1; delete from audit_log');
    await held.release();
    assert.equal((await running.outcome).code, 0);
    await postgres.sql(database, "set lock_timeout = '5s'; drop table orders cascade");
    const copy = `${database}copy`;
    await done('restore', ['latest', '--to', copy, '--json'], env);
    assert.equal((await postgres.contents(copy))['public.orders']?.length, 490);
  });

  test('a statement that waits to alter a table makes it give way at once, and one session dumps it all', async () => {
    const { database, held, running, env } = await heldBackup();
    const altering = postgres.sql(database, 'alter table orders add column new int');
    altering.catch(() => {});
    await until('the statement waits', async () =>
      (
        await postgres.sql(
          database,
          "select from pg_stat_activity where wait_event_type = 'Lock' and query like 'alter%'",
        )
      ).length > 0
        ? true
        : undefined,
    );
    const before = Date.now();
    await held.release();
    await altering;
    assert.ok(Date.now() - before < 5_000, 'BLOCKING_TIMEOUT would be 30 s');
    const { code, stderr, json } = await running.outcome;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /dumped as one object, not as a folder: .*(public\.)?orders/);
    const { key } = json.results[0];
    assert.match(key, /\.sql$/);
    await done('restore', [key, '--to', `${database}copy`, '--json'], env);
  });

  test('a table that is locked before it begins is named after LOCK_TIMEOUT, with none held meanwhile', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const env = { ...postgres.env(database), ...FOLDER, BACKUP_DIR: temporaryFolder(), LOCK_TIMEOUT: '3s' };
    const client = await postgres.connect(database);
    await client.query('begin; lock table customers in access exclusive mode');
    const outcome = await runVerb('backup', [], env);
    await client.end();
    assert.equal(outcome.code, 1, outcome.stderr);
    assert.match(outcome.stderr, /longer than 3\.0s \(LOCK_TIMEOUT\).*customers/);
    assert.deepEqual(filesIn(env.BACKUP_DIR), []);
  });
});

describe('a run that was killed leaves a folder that', { skip: missing }, () => {
  test('is not listed, and is removed by the next backup of the source', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const folder = temporaryFolder();
    const env = { ...postgres.env(database), ...FOLDER, BACKUP_DIR: folder, BACKUP_JOBS: '1' };
    const held = await postgres.holdDump(database);
    const running: Running = startVerb('backup', [], env);
    await held.reached();
    await until('its first object is stored', () =>
      filesIn(folder).some((name) => /^\d{4}\/.*0000-pre-data/.test(name)) ? true : undefined,
    );
    running.signal('SIGKILL');
    await running.outcome;
    await held.release();
    assert.deepEqual((await runVerb('list', ['--json'], env)).json, []);
    // in the same second it would have the same key, and would refuse to overwrite what is there
    await untilNextSecond();
    await done('backup', [], env);
    const folders = new Set(filesIn(folder).map((name) => name.split('/').slice(0, 4).join('/').replace(/\..*/, '')));
    assert.equal(folders.size, 1, `${[...folders]}`);
  });

  test('is removed by cleanup once no run can be at it, and not before', async () => {
    const folder = temporaryFolder();
    const now = new Date();
    const stem = (ms: number) => {
      const [day = '', time = ''] = new Date(now.getTime() - ms).toISOString().split('T');
      return `${day.replaceAll('-', '/')}/x_${time.slice(0, 8).replaceAll(':', '')}`;
    };
    const [dead, running, whole] = [stem(7 * 3_600_000), stem(3_600_000), stem(8 * 3_600_000)];
    for (const one of [dead, running, whole]) place(folder, `${one}/0000-pre-data.sql`, 'x');
    place(folder, `${dead}.pre-restore`);
    place(folder, `${whole}/9999-post-data.sql`, 'x');
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    const env = { ...postgres.env(database), BACKUP_DIR: folder };
    const cleanup = await done('cleanup', ['--json'], env);
    assert.match(cleanup.stderr, new RegExp(`deleting what killed runs left unfinished: ${dead}/`));
    assert.deepEqual(
      filesIn(folder),
      [`${running}/0000-pre-data.sql`, `${whole}/0000-pre-data.sql`, `${whole}/9999-post-data.sql`].sort(),
    );
    const [listed] = (await runVerb('list', ['--json'], env)).json;
    assert.deepEqual({ key: listed.key, manifest: listed.manifest }, { key: `${whole}/`, manifest: false });
  });
});

describe('a restore of a folder fails, and leaves the live database as it was', {
  skip: missing,
  concurrency: 2,
}, () => {
  async function backedUp(more = '') {
    const database = await bigDatabase(more);
    const folder = temporaryFolder();
    const env = { ...postgres.env(database), ...FOLDER, BACKUP_DIR: folder };
    const backup = await done('backup', ['--json'], env);
    const { key } = backup.json.results[0];
    const parts = filesIn(join(folder, key));
    return { database, env, folder, key, parts, path: (part: string) => join(folder, key, part) };
  }

  async function assertUntouched(database: string, running: Running, expected: RegExp) {
    const { code, stderr } = await running.outcome;
    assert.equal(code, 1, stderr);
    assert.match(stderr, expected);
    assert.deepEqual(await postgres.beside(database), [database]);
    assert.deepEqual(running.processes(), []);
  }

  for (const [what, spoil, expected] of [
    [
      'one byte of one object differs',
      (path: string) => flip(path),
      /02-data\.sql is not what was stored: its SHA-256/,
    ],
    [
      'one object is cut',
      (path: string) => truncateSync(path, 100_000),
      /02-data\.sql is not what was stored: it has 100000 bytes/,
    ],
    ['one object is not there', (path: string) => rmSync(path), /is not whole: .*02-data\.sql is not there/],
  ] as const) {
    test(what, async () => {
      const { database, env, key, path } = await backedUp();
      spoil(path('0002-data.sql'));
      await assertUntouched(database, startVerb('restore', [key], env), expected);
    });
  }

  test('one of the sessions that load is ended', async () => {
    const { database, env, key } = await backedUp();
    const running = startVerb('restore', [key], env);
    await until('two sessions load', async () => {
      const rows = await postgres.sql(
        'postgres',
        "select pid from pg_stat_activity where datname like $1 || '_restoring_%' and query like 'COPY%' and state = 'active'",
        [database],
      );
      if (rows.length < 2) return undefined;
      await postgres.sql('postgres', 'select pg_terminate_backend($1)', [rows[0].pid]);
      return true;
    });
    await assertUntouched(database, running, /could not be restored: psql exited with \d.*terminating connection/s);
  });

  test('an index cannot be built', async () => {
    const { database, env, key, path, folder } = await backedUp('create unique index on a (n); create index on b (n);');
    const last = path('9999-post-data.sql');
    const spoilt = readFileSync(last, 'utf8').replace(
      'ON public.a USING btree (n)',
      'ON public.a USING btree ((n % 2))',
    );
    assert.notEqual(spoilt, readFileSync(last, 'utf8'));
    writeFileSync(last, spoilt);
    // without a manifest nothing tells that the object is another
    rmSync(join(folder, `${key.slice(0, -1)}.json`));
    await assertUntouched(
      database,
      startVerb('restore', [key], env),
      /could not create unique index.*\(CREATE UNIQUE INDEX/s,
    );
  });

  test('what is built upon the tables holds a command of psql’s, which is not run', async () => {
    const { database, env, key, path, folder } = await backedUp();
    const proof = join(temporaryFolder(), 'proof');
    const last = path('9999-post-data.sql');
    writeFileSync(
      last,
      readFileSync(last, 'utf8').replace('SET row_security = off;', `\\! touch ${proof}\nSET row_security = off;`),
    );
    rmSync(join(folder, `${key.slice(0, -1)}.json`));
    await assertUntouched(database, startVerb('restore', [key], env), /it has \\! touch/);
    assert.throws(() => readFileSync(proof), { code: 'ENOENT' });
  });

  test('a database that was there is not begun to be filled with a backup that is not whole', async () => {
    const { database, env, key, path } = await backedUp();
    const other = `${database}other`;
    await postgres.create(other, 'empty');
    flip(path('9999-post-data.sql'));
    const { code, stderr } = await runVerb('restore', [key, '--to', other], env);
    assert.equal(code, 1);
    assert.match(stderr, /9999-post-data\.sql is not what was stored/);
    assert.deepEqual(await postgres.contents(other), { 'large objects': [] });
  });
});

function flip(path: string): void {
  const bytes = readFileSync(path);
  const at = bytes.length - 200;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}
