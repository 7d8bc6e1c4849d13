import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { localNotesHeldForMs } from '../../scripts/lib/machine/local-lock.ts';
import { CLEANUP_NOTE } from '../../scripts/lib/machine/run-notes.ts';
import { temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, type Environment, runVerb, startVerb, until, type Verb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();
const { mariadb, missing: withoutMariaDb } = await startMariaDb();

/** So slow that no backup ends before it is frozen. */
const SLOW = { BACKUP_MAX_RATE: '64K' };
const IMPATIENT = { BACKUP_TIMEOUT: '1s', RESTORE_TIMEOUT: '1s' };

interface Frozen {
  readonly verb: Verb;
  readonly words?: readonly string[];
  /** Once this runs, the verb is in the middle of it. */
  readonly program: string;
  readonly env: Environment;
  /** For the verb that is frozen alone. */
  readonly more?: Environment;
}

/** What status says of a verb of which every process is frozen, with the usual patience and without; and after its end. */
async function statusOfFrozen({ verb, words, program, env, more }: Frozen, later: Environment = {}) {
  const running = startVerb(verb, words ?? (verb === 'restore' ? ['latest'] : []), { ...env, ...SLOW, ...more });
  try {
    await running.process(program);
    // its socket is there before anybody listens on it
    const noted = async () => (await localNotesHeldForMs(env.DRILL_DIR ?? '', CLEANUP_NOTE))[0];
    if (verb === 'cleanup') await until('its note', noted);
    running.signalAll('SIGSTOP');
    const patient = await until('it has run for longer than the impatient waits, of a restore two', async () => {
      const status = await runVerb('status', ['--json'], env);
      return status.json.sources[0].running[0]?.forMs > 2_000 ? status : undefined;
    });
    const stuck = await runVerb('status', ['--json'], { ...env, ...IMPATIENT, ...later });
    assert.ok(running.processes().length > 0, `it has ended: ${running.stderr()}`);
    running.signalAll('SIGKILL');
    await running.outcome;
    const after = await runVerb('status', ['--json'], env);
    return { patient, stuck, after };
  } finally {
    // what is frozen would keep this file from its end
    running.signalAll('SIGKILL');
  }
}

/** Of any kind: locks and notes are sockets. */
function entriesOf(folder = ''): string[] {
  return readdirSync(folder, { encoding: 'utf8' });
}

async function isReported(frozen: Frozen): Promise<void> {
  const { patient, stuck, after } = await statusOfFrozen(frozen);
  assert.equal(patient.code, 0, patient.stderr + patient.stdout);
  const [run, ...others] = patient.json.sources[0].running;
  assert.deepEqual([run?.purpose, run?.isStuck, others], [frozen.verb, false, []]);
  assert.equal(stuck.code, 3);
  const expected = new RegExp(`a ${frozen.verb} has been running for .* and hangs: make logs-backup`);
  assert.match(stuck.json.sources[0].reasons.join(), expected);
  assert.deepEqual(after.json.sources[0].running, []);
}

async function inPostgres(more: Environment = {}): Promise<Environment> {
  const database = postgres.freshName();
  await postgres.create(database);
  // what no compressor makes small
  await postgres.sql(
    database,
    "create table bulk as select n, (select string_agg(md5(n::text || i), '') from generate_series(1, 30) i) t from generate_series(1, 3000) n",
  );
  return backedUp({ ...postgres.env(database), ...more });
}

async function inMariaDb(): Promise<Environment> {
  const database = mariadb.freshName();
  await mariadb.create(database);
  await mariadb.sql(
    'create table bulk (id int primary key, t longtext); insert into bulk select seq, repeat(sha2(seq, 512), 10) from seq_1_to_1000',
    undefined,
    database,
  );
  return backedUp({ ...mariadb.env(database), BACKUP_COMPRESSION: 'none' });
}

async function inFolder(): Promise<Environment> {
  const folder = join(temporaryFolder(), 'uploads');
  mkdirSync(folder);
  writeFileSync(join(folder, 'random'), randomBytes(3_000_000));
  return backedUp({ BACKUP_SOURCE_UPLOADS: `file://${folder}` });
}

async function backedUp(more: Environment): Promise<Environment> {
  const env = { ...more, BACKUP_DIR: temporaryFolder(), DRILL_DIR: temporaryFolder() };
  chmodSync(env.DRILL_DIR, 0o777);
  await done('backup', [], env);
  return env;
}

describe('status reports a run that hangs, while it hangs', { concurrency: 2 }, () => {
  test('a backup of PostgreSQL', { skip: missing }, async () => {
    await isReported({ verb: 'backup', program: 'pg_dump', env: await inPostgres() });
  });

  test('a backup of PostgreSQL in several objects', { skip: missing }, async () => {
    const env = await inPostgres({ BACKUP_FORMAT: 'folder', BACKUP_JOBS: '2' });
    await isReported({ verb: 'backup', program: 'psql', env });
  });

  test('a restore of PostgreSQL', { skip: missing }, async () => {
    await isReported({ verb: 'restore', program: 'psql', env: await inPostgres() });
  });

  test('a restore of PostgreSQL from several objects', { skip: missing }, async () => {
    const env = await inPostgres({ BACKUP_FORMAT: 'folder', BACKUP_JOBS: '2' });
    await isReported({ verb: 'restore', program: 'psql', env });
  });

  test('a drill of PostgreSQL, also while its server is down; and the next one leaves no lock of it', {
    skip: missing,
  }, async () => {
    const env = await inPostgres();
    await isReported({ verb: 'drill', program: 'psql', env });
    const { stuck } = await statusOfFrozen({ verb: 'drill', program: 'psql', env }, { POSTGRES_PORT: '1' });
    assert.match(stuck.json.sources[0].reasons.join(), /a drill has been running for/);
    await done('drill', [], env);
    assert.deepEqual(entriesOf(env.DRILL_DIR), []);
  });

  for (const [verb, program] of [
    ['backup', 'mariadb-dump'],
    ['restore', 'mariadb'],
    ['drill', 'mariadb'],
  ] as const) {
    test(`a ${verb} of MariaDB`, { skip: withoutMariaDb }, async () => {
      await isReported({ verb, program, env: await inMariaDb() });
    });
  }

  test('a restore beside the live database, of PostgreSQL', { skip: missing }, async () => {
    const env = await inPostgres();
    const words = ['latest', '--to', postgres.freshName()];
    await isReported({ verb: 'restore', words, program: 'psql', env });
  });

  test('a restore beside the live folder; and the next one leaves no note of it', async () => {
    const env = await inFolder();
    await isReported({ verb: 'restore', words: ['latest', '--to', 'uploads_look'], program: 'zstd', env });
    assert.notDeepEqual(entriesOf(env.DRILL_DIR), []);
    await done('restore', ['latest', '--to', 'uploads_again'], env);
    assert.deepEqual(entriesOf(env.DRILL_DIR), []);
  });

  test('a cleanup; and the next one leaves no note of it', { skip: missing }, async () => {
    const env = await inPostgres();
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const more = { POSTGRES_HOST: '127.0.0.1', POSTGRES_PORT: String(port), CONNECT_TIMEOUT: '60s' };
    await isReported({ verb: 'cleanup', program: 'node', env, more }).finally(() => silent.close());
    await done('cleanup', [], env);
    assert.deepEqual(entriesOf(env.DRILL_DIR), []);
  });

  test('two cleanups at a time do not hinder each other, nor does a folder in which nothing can be noted', {
    skip: missing,
  }, async () => {
    const env = await inPostgres();
    const both = await Promise.all([runVerb('cleanup', [], env), runVerb('cleanup', [], env)]);
    assert.deepEqual(
      both.map(({ code }) => code),
      [0, 0],
    );
    await done('cleanup', [], { ...env, DRILL_DIR: '/nowhere' });
  });

  for (const verb of ['backup', 'restore', 'drill'] as const) {
    test(`a ${verb} of a folder`, async () => {
      await isReported({ verb, program: 'zstd', env: await inFolder() });
    });
  }
});
