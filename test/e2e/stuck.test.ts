import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { filesIn, temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { startPostgres } from '../support/postgres.ts';
import { type Environment, runVerb, startVerb, type Verb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();
const { mariadb, missing: withoutMariaDb } = await startMariaDb();

/** So slow that no backup ends before it is frozen. */
const SLOW = { BACKUP_MAX_RATE: '64K' };
const IMPATIENT = { BACKUP_TIMEOUT: '1s', RESTORE_TIMEOUT: '1s' };

interface Frozen {
  readonly verb: Verb;
  /** Once this runs, the verb is in the middle of it. */
  readonly program: string;
  readonly env: Environment;
}

/** What status says of a verb of which every process is frozen, with the usual patience and without; and after its end. */
async function statusOfFrozen({ verb, program, env }: Frozen, later: Environment = {}) {
  const running = startVerb(verb, verb === 'restore' ? ['latest'] : [], { ...env, ...SLOW });
  await running.process(program);
  for (const { pid } of running.processes()) process.kill(pid, 'SIGSTOP');
  await sleep(2_500);
  const patient = await runVerb('status', ['--json'], env);
  const stuck = await runVerb('status', ['--json'], { ...env, ...IMPATIENT, ...later });
  assert.ok(running.processes().length > 0, `it has ended: ${running.stderr()}`);
  for (const { pid } of running.processes()) process.kill(pid, 'SIGKILL');
  await running.outcome;
  const after = await runVerb('status', ['--json'], env);
  return { patient, stuck, after };
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
  const { code, stderr } = await runVerb('backup', [], env);
  assert.equal(code, 0, stderr);
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
    const next = await runVerb('drill', [], env);
    assert.equal(next.code, 0, next.stderr);
    assert.deepEqual(filesIn(env.DRILL_DIR ?? ''), []);
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

  for (const verb of ['backup', 'restore', 'drill'] as const) {
    test(`a ${verb} of a folder`, async () => {
      await isReported({ verb, program: 'zstd', env: await inFolder() });
    });
  }
});
