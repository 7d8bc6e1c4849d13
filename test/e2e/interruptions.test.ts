import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { describe, test } from 'node:test';
import { filesIn, manifestsIn, temporaryFolder } from '../support/folders.ts';
import { type HeldDump, startPostgres } from '../support/postgres.ts';
import { startStore } from '../support/stores.ts';
import { done, type Outcome, type Running, runVerb, startVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

/** 40 MiB of rows that come before the large objects, so that parts are under way when a dump is held. */
const BIG = `create table bulk as select n, repeat(md5(n::text), 32) as text from generate_series(1, 40000) n;
  select lo_from_bytea(0, 'x')`;

/** A backup into a directory that has come half way and waits. */
async function heldBackup(more: Readonly<Record<string, string>> = {}) {
  const database = postgres.freshName();
  await postgres.create(database);
  const folder = temporaryFolder();
  const env: Record<string, string> = { ...postgres.env(database), BACKUP_DIR: folder, ...more };
  const held = await postgres.holdDump(database);
  const running = startVerb('backup', ['--json'], env);
  await held.reached();
  return { env, folder, held, running };
}

/** Exit 1, nothing listed, nothing left, the thing named and the next step told; and the next backup is fine. */
async function failedCleanly(
  { env, folder, held, running }: { env: Record<string, string>; folder: string; held: HeldDump; running: Running },
  expected: RegExp,
): Promise<Outcome> {
  const outcome = await running.outcome;
  await held.release();
  assert.equal(outcome.code, 1, outcome.stderr);
  assert.match(outcome.stderr, expected);
  assert.deepEqual(filesIn(folder), []);
  assert.deepEqual(running.processes(), []);
  assert.deepEqual((await runVerb('list', ['--json'], env)).json, []);
  await done('backup', [], env);
  return outcome;
}

describe('a backup fails, and leaves nothing, when half way', { skip: missing, concurrency: 3 }, () => {
  for (const [program, compression] of [
    ['perl', 'gzip'],
    ['igzip', 'gzip'],
    ['gzip', 'gzip:6'],
    ['zstd', 'zstd'],
  ] as const) {
    test(`${program} is killed (compression ${compression})`, async (t) => {
      if (program === 'igzip' && !isInstalled('igzip')) return t.skip('igzip is not installed here');
      const backup = await heldBackup({ BACKUP_COMPRESSION: compression });
      process.kill((await backup.running.process(program)).pid, 'SIGKILL');
      const name = program === 'perl' ? 'meter' : program;
      const outcome = await failedCleanly(backup, new RegExp(`${name} was ended by SIGKILL.*memory`));
      assert.equal(outcome.json.results[0].ok, false);
      assert.equal(outcome.json.results[0].key, null);
    });
  }

  test('BACKUP_TIMEOUT is over', async () => {
    const backup = await heldBackup({ BACKUP_TIMEOUT: '6s' });
    const outcome = await backup.running.outcome;
    await backup.held.release();
    assert.equal(outcome.code, 1, outcome.stderr);
    assert.match(outcome.stderr, /took longer than BACKUP_TIMEOUT \(6\.0s\).*Raise BACKUP_TIMEOUT/);
    assert.deepEqual(filesIn(backup.folder), []);
    assert.deepEqual(backup.running.processes(), []);
  });

  test('it is killed outright: what it left is removed by cleanup once no run can need it', async () => {
    const backup = await heldBackup();
    backup.running.signal('SIGKILL');
    assert.equal((await backup.running.outcome).signal, 'SIGKILL');
    await backup.held.release();
    assert.deepEqual((await runVerb('list', ['--json'], backup.env)).json, []);
    const next = await done('backup', ['--json'], backup.env);
    assert.match(next.stderr, /removed what a killed run left unfinished: .*\.sql\.gz/);
    assert.deepEqual(
      filesIn(backup.folder).filter((name) => name.startsWith('.')),
      [],
    );
    assert.equal(manifestsIn(backup.folder).length, 1);
  });

  test('the disk is full', async (t) => {
    const folder = temporaryFolder();
    if (process.getuid?.() !== 0) return t.skip('only root can mount a small disk');
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'pipe' });
    } catch (error) {
      return t.skip(`a small disk cannot be mounted here: ${error}`);
    }
    try {
      const database = postgres.freshName();
      await postgres.create(database, 'empty');
      await postgres.sql(database, BIG.replace('40000', '4000'));
      const env = { ...postgres.env(database), BACKUP_DIR: folder, BACKUP_COMPRESSION: 'none' };
      const running = startVerb('backup', [], env);
      const outcome = await running.outcome;
      assert.equal(outcome.code, 1, outcome.stderr);
      assert.match(
        outcome.stderr,
        /cannot store .*: the disk is full \(ENOSPC\)\. Free space on the disk of BACKUP_DIR/,
      );
      assert.deepEqual(filesIn(folder), []);
      assert.deepEqual(running.processes(), []);
      assert.deepEqual((await runVerb('list', ['--json'], env)).json, []);
    } finally {
      execFileSync('umount', [folder]);
    }
  });

  test('the directory goes away', async () => {
    const backup = await heldBackup();
    rmSync(backup.folder, { recursive: true });
    await backup.held.release();
    const outcome = await backup.running.outcome;
    assert.equal(outcome.code, 1, outcome.stderr);
    assert.match(outcome.stderr, /cannot store .*BACKUP_DIR/);
    assert.deepEqual(backup.running.processes(), []);
  });
});

describe('a backup into S3 ends its upload, and fails, when half way', { skip: missing, concurrency: 2 }, () => {
  async function heldUpload() {
    const { double, storeEnv } = await startStore();
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    await postgres.sql(database, BIG);
    const held = await postgres.holdDump(database);
    const env = { ...postgres.env(database), ...storeEnv, BACKUP_COMPRESSION: 'none' };
    const running = startVerb('backup', ['--json'], env, { by: 'node' });
    await held.reached();
    assert.equal(double.count('CreateMultipartUpload'), 1);
    return { double, env, held, running };
  }

  for (const [what, breakIt] of [
    ['pg_dump is killed', async (running: Running) => process.kill((await running.process('pg_dump')).pid, 'SIGKILL')],
    ['SIGTERM comes', async (running: Running) => running.signal('SIGTERM')],
    ['SIGINT comes', async (running: Running) => running.signal('SIGINT')],
  ] as const) {
    test(what, async () => {
      const { double, env, held, running } = await heldUpload();
      await breakIt(running);
      const { code, stderr } = await running.outcome;
      await held.release();
      assert.equal(code, 1, stderr);
      assert.equal(double.uploads.size, 0);
      assert.equal(double.objects.size, 0);
      assert.equal(double.count('AbortMultipartUpload'), 1);
      assert.deepEqual(running.processes(), []);
      assert.deepEqual((await runVerb('list', ['--json'], env)).json, []);
    });
  }

  test('the storage refuses a part', async () => {
    const { double, env, held, running } = await heldUpload();
    double.change({
      fault: ({ operation }) =>
        operation === 'UploadPart' || operation === 'CompleteMultipartUpload'
          ? { status: 403, code: 'AccessDenied' }
          : undefined,
    });
    await held.release();
    const { code, stderr } = await running.outcome;
    assert.equal(code, 1, stderr);
    assert.match(stderr, /cannot store .*AccessDenied.*S3_ACCESS_KEY/);
    assert.equal(double.uploads.size, 0);
    assert.equal(double.objects.size, 0);
    assert.deepEqual(running.processes(), []);
    assert.deepEqual((await runVerb('list', ['--json'], env)).json, []);
  });

  test('the storage goes away for good; what it kept of the upload is named', async () => {
    const { double, held, running } = await heldUpload();
    await double.stop();
    await held.release();
    const { code, stderr } = await running.outcome;
    assert.equal(code, 1, stderr);
    assert.match(stderr, /cannot store .*S3_ENDPOINT/);
    assert.ok(stderr.includes([...double.uploads.keys()][0] ?? 'none'), stderr);
    assert.equal(double.objects.size, 0);
    assert.deepEqual(running.processes(), []);
  });

  test('the manifest cannot be stored: the object is taken back', async () => {
    const { double, storeEnv } = await startStore({
      fault: ({ operation, key }) =>
        operation === 'PutObject' && key.endsWith('.json') ? { status: 403, code: 'AccessDenied' } : undefined,
    });
    const database = postgres.freshName();
    await postgres.create(database);
    const env = { ...postgres.env(database), ...storeEnv, BACKUP_COMPRESSION: 'none' };
    const outcome = await runVerb('backup', ['--json'], env);
    assert.equal(outcome.code, 1, outcome.stderr);
    assert.equal(double.objects.size, 0);
  });
});

function isInstalled(program: string): boolean {
  try {
    execFileSync('which', [program]);
    return true;
  } catch {
    return false;
  }
}
