import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { freePort } from '../../scripts/lib/engines/database/throwaway.ts';
import { findPrograms } from '../../scripts/lib/engines/postgres/server/programs.ts';
import { temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, runVerb } from '../support/verbs.ts';

// a throwaway server writes neither the WAL that a standby follows, nor has it anybody to send it
const { postgres, missing } = await startPostgres(
  ['wal_level=replica', 'max_wal_senders=4'],
  ['host replication all 127.0.0.1/32 trust'],
);

/** A hot standby of the server, for as long as the tests run. @returns its port */
async function startStandby(): Promise<number> {
  const major = Number.parseInt(postgres.version, 10);
  const program = (await findPrograms('postgres')).find((one) => one.major === major);
  const bin = dirname(program?.path ?? '');
  const folder = mkdtempSync(join(tmpdir(), 'standby-'));
  const port = await freePort();
  const as = process.getuid?.() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'] : [];
  const run = (...command: string[]) => {
    const [first = '', ...rest] = [...as, ...command];
    execFileSync(first, rest, { stdio: 'ignore', cwd: '/' });
  };
  chmodSync(folder, 0o777);
  const data = join(folder, 'data');
  const { host, user } = postgres;
  run(join(bin, 'pg_basebackup'), '-h', host, '-p', String(postgres.port), '-U', user, '-D', data, '-R', '-c', 'fast');
  const settings = `-p ${port} -k ${folder} -c hba_file=${data}/pg_hba.conf -c listen_addresses=127.0.0.1`;
  run(join(bin, 'pg_ctl'), '-D', data, '-w', '-o', settings, '-l', join(folder, 'log'), 'start');
  after(() => {
    run(join(bin, 'pg_ctl'), '-D', data, '-m', 'immediate', 'stop');
    rmSync(folder, { recursive: true, force: true });
  });
  return port;
}

describe('a hot standby as the source', { skip: missing }, () => {
  test('is backed up in every format, rehearsed, and restored on its primary alone', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    await postgres.sql(
      database,
      `create unlogged table visits (id serial, at timestamptz); insert into visits (at) values (now())`,
    );
    const POSTGRES_PORT = String(await startStandby());
    const DRILL_DIR = temporaryFolder();
    chmodSync(DRILL_DIR, 0o755);
    const before = await postgres.contents(database);
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder(), DRILL_DIR };
    for (const BACKUP_FORMAT of ['sql', 'custom', 'folder']) {
      const backup = await done('backup', ['--json'], { ...env, POSTGRES_PORT, BACKUP_FORMAT });
      const { key } = backup.json.results[0];
      await done('drill', [key], { ...env, POSTGRES_PORT });
      const refused = await runVerb('restore', [key], { ...env, POSTGRES_PORT });
      assert.equal(refused.code, 1, refused.stderr);
      assert.match(refused.stderr, /the server is a standby[\s\S]*next: Restore on the primary/);
      await done('restore', [key, '--compare'], env);
      const logged = (contents: Readonly<Record<string, string[]>>) =>
        Object.entries(contents).filter(([name]) => !/^public\.(visits|sessions)/.test(name));
      assert.deepEqual(logged(await postgres.contents(database)), logged(before));
    }
  });
});
