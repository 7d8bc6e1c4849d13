import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { filesIn, temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, runVerb, startVerb, until } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();
const SCRIPT = fileURLToPath(new URL('../../scripts/backup.ts', import.meta.url));

/** A database whose dump stays as large as it is. */
async function incompressible(sizeBytes: number): Promise<string> {
  const database = postgres.freshName();
  await postgres.create(database);
  await postgres.sql(
    database,
    `create table noise (line text);
     alter table noise alter line set storage external;
     insert into noise values ('${randomBytes(sizeBytes / 2).toString('hex')}')`,
  );
  // the server's own estimate of a table's size is as old as its last vacuum
  await postgres.sql(database, 'vacuum analyze noise');
  return database;
}

/** The nice value of a process, as the kernel has it. */
function niceOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
}

describe('a backup that minds its neighbours', { skip: missing }, () => {
  test('runs everything that it starts at BACKUP_NICE, and at no other priority without it', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const own = niceOf(process.pid);
    for (const [nice, expected] of [
      ['', own],
      ['15', 15],
    ] as const) {
      const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder(), BACKUP_NICE: nice };
      const held = await postgres.holdDump(database);
      const running = startVerb('backup', [], env);
      await held.reached();
      const dump = await running.process('pg_dump');
      assert.equal(niceOf(dump.pid), expected);
      assert.equal(niceOf((await running.process('perl')).pid), expected);
      await held.release();
      assert.equal((await running.outcome).code, 0, running.stderr());
    }
  });

  test('uploads no faster than BACKUP_MAX_RATE, and what it stores is whole', async () => {
    const database = await incompressible(1_200_000);
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder(), BACKUP_COMPRESSION: 'none' };
    const outcome = await done('backup', ['--json'], { ...env, BACKUP_MAX_RATE: '400K' });
    const [result] = outcome.json.results;
    // but for the burst and what the pipes hold
    assert.ok(result.durationMs >= ((result.sizeBytes - 300_000) / (400 * 1024)) * 1_000, `${result.durationMs} ms`);
    await done('restore', [result.key, '--to', `${database}_2`], env);
  });

  test('stops at once when it is told to, also while it waits for its rate', async () => {
    const database = await incompressible(1_000_000);
    const folder = temporaryFolder();
    const running = startVerb('backup', [], {
      ...postgres.env(database),
      BACKUP_DIR: folder,
      BACKUP_COMPRESSION: 'none',
      BACKUP_MAX_RATE: '1K',
    });
    await running.process('pg_dump');
    await until('some of it is stored', () => filesIn(folder).length > 0 || undefined);
    running.signal('SIGTERM');
    const stopped = await running.outcome;
    assert.equal(stopped.code, 1);
    await until('nothing is left running', () => (running.processes().length === 0 ? true : undefined));
    assert.equal((await runVerb('list', ['--json'], { ...postgres.env(database), BACKUP_DIR: folder })).stdout, '[]\n');
  });

  for (const format of ['sql', 'folder']) {
    test(`is given up once others have waited for it: ${format}`, async () => {
      const database = postgres.freshName();
      await postgres.create(database);
      const folder = temporaryFolder();
      const held = await postgres.holdDump(database);
      const running = startVerb('backup', ['--json'], {
        ...postgres.env(database),
        BACKUP_DIR: folder,
        BACKUP_FORMAT: format,
        BLOCKING_TIMEOUT: '1s',
      });
      await held.reached();
      const altering = postgres.sql(database, "alter table customers add column note text default 'new'");
      // behind the one that waits for the dump
      const reading = until('somebody waits', async () => {
        const [row] = await postgres.sql(database, 'select count(*)::int as n from pg_locks where not granted');
        return row?.n > 1 ? true : undefined;
      }).then(() => postgres.sql(database, 'select count(*) from customers'));
      const outcome = await running.outcome;
      assert.equal(outcome.code, 1, outcome.stderr);
      assert.match(outcome.json.results[0].error, /has waited for public\.customers for 1\.0s \(alter table customers/);
      await Promise.all([altering, reading]);
      await held.release();
      assert.equal(
        (await runVerb('list', ['--json'], { ...postgres.env(database), BACKUP_DIR: folder })).stdout,
        '[]\n',
      );
    });
  }

  test('a wrong rate or priority is a wrong configuration', async () => {
    for (const [name, value] of [
      ['BACKUP_MAX_RATE', 'fast'],
      ['BACKUP_MAX_RATE', '10'],
      ['BACKUP_NICE', '-5'],
      ['BACKUP_NICE', '20'],
    ] as const) {
      const outcome = await runVerb('backup', [], { BACKUP_DIR: '/nowhere', POSTGRES_PASSWORD: 'x', [name]: value });
      assert.equal(outcome.code, 2, outcome.stderr);
      assert.match(outcome.stderr, new RegExp(`${name} "${value}": wants`));
    }
  });
});

const noTerminal = spawnSync('script', ['--version']).error ? 'script(1) is not installed' : false;

describe('a backup on a terminal', { skip: missing || noTerminal }, () => {
  test('shows how far it is, with --json too, whose document stays one document', async () => {
    // some times what the pipes hold: what is in them counts as passed
    const database = await incompressible(8_000_000);
    const env = {
      ...postgres.env(database),
      BACKUP_DIR: temporaryFolder(),
      BACKUP_COMPRESSION: 'none',
      BACKUP_MAX_RATE: '2M',
      PATH: process.env.PATH ?? '',
      TERM: 'xterm',
    };
    const folder = temporaryFolder();
    const command = `stty cols 120 rows 30; "${process.execPath}" --import tsx "${SCRIPT}" --json >"${folder}/document"`;
    const seen = spawnSync('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
      env,
      encoding: 'utf8',
      cwd: fileURLToPath(new URL('../../', import.meta.url)),
    });
    assert.equal(seen.status, 0, seen.stdout);
    assert.match(seen.stdout, new RegExp(`backup of ${database}: [\\d.]+ \\S+ of about [\\d.]+ \\S+ \\(\\d+ %\\)`));
    assert.match(seen.stdout, /[KM]iB\/s/);
    const document = JSON.parse(readFileSync(`${folder}/document`, 'utf8'));
    assert.equal(document.results[0].ok, true);
  });
});
