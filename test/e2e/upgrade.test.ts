import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { backUp } from '../support/backups.ts';
import { hasEngine } from '../support/container.ts';
import { temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { startPostgres } from '../support/postgres.ts';
import { until } from '../support/sessions.ts';
import { createStack, type Outcome, type Settings } from '../support/stack.ts';
import type { Environment } from '../support/verbs.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const skip = hasEngine() ? false : 'no Docker engine: upgrades in images left out';
const OLD = '17';
const NEW = '18';

const { postgres, missing } = await startPostgres();
const { mariadb, missing: noMariaDb } = await startMariaDb();

function succeeded(outcome: Outcome): Outcome {
  assert.equal(outcome.code, 0, outcome.stderr + outcome.stdout);
  return outcome;
}

describe('an upgrade by docs/upgrade.md', { skip, concurrency: false }, () => {
  const base: Settings = {
    POSTGRES_PASSWORD: 'of the test',
    PITR: 'true',
    PITR_INTERVAL: '1s',
    COMPOSE_PROFILES: 'pitr',
    BACKUP_SCHEDULE: '@yearly',
  };
  const stack = createStack(base);
  after(async () => {
    await stack.docker(['image', 'rm', '--force', `${stack.project}-upgrade-check`]);
    assert.deepEqual(await stack.tearDown(), []);
  });
  const sql = (text: string) => stack.psql('postgres', 'myapp', text);
  const make = (...words: string[]) =>
    new Promise<{ code: number; said: string }>((resolve) => {
      const env = { ...stack.environment, BACKUP_ENV_FILE: stack.environment.COMPOSE_ENV_FILES };
      execFile('make', ['--no-print-directory', ...words], { cwd: PROJECT, env }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), said: stdout + stderr }),
      );
    });
  const ROWS = "select count(*) || ' ' || coalesce(sum(n), 0) || ' ' || md5(string_agg(t, ',' order by n)) from orders";
  let rows = '';

  before(async () => {
    succeeded(await stack.up({ POSTGRES_VERSION: OLD }));
    await sql(`create role app login password 'app secret'; create table orders (n int primary key, t text not null);
      insert into orders select n, md5(n::text) from generate_series(1, 2000) n; grant select, insert on orders to app;
      create function flushed() returns numeric language sql as 'select wal_write::numeric from pg_stat_wal'`);
    succeeded(await stack.verb(['backup']));
  });

  test('is rehearsed by make upgrade-check, beside a stack that goes on', async () => {
    const check = await make('upgrade-check', `TO=${NEW}`);
    assert.equal(check.code, 0, check.said);
    assert.match(check.said, /myapp: PASSED/);
    assert.match(check.said, /from 17\.\d+.* to 18:/);
    assert.match(
      check.said,
      /to do: functions whose text this version does not take, if it did before: public\.flushed\(\): column "wal_write" does not exist/,
    );
    assert.match(check.said, /to do: since 18 these columns lie in pg_stat_io: look at public\.flushed\(\)/);
    assert.match(check.said, /to do: the way to 18, and back, is in docs\/upgrade\.md/);
    const wrong = await make('upgrade-check', `TO=${OLD}`);
    assert.equal(wrong.code, 2);
    assert.match(wrong.said, /the newest backup of myapp is of 17\.\d+.*, which is not older than 17/);
  });

  test('brings all of it to the new version, whose log begins anew', async () => {
    await sql('insert into orders select n, md5(n::text) from generate_series(2001, 2100) n');
    succeeded(await stack.verb(['backup']));
    succeeded(await stack.verb(['drill']));
    rows = await sql(ROWS);
    succeeded(await stack.compose(['stop', 'postgres']));
    succeeded(await stack.up({ POSTGRES_VERSION: NEW }));
    assert.match(await sql('show server_version'), /^18\./);
    const restore = await make('restore', 'FILE=latest', 'OTHER_SERVER=yes', 'COMPARE=1');
    assert.equal(restore.code, 0, restore.said);
    assert.equal(await sql(ROWS), rows);
    const asApp = [
      'exec',
      '--no-TTY',
      '--env=PGPASSWORD=app secret',
      'postgres',
      'psql',
      '-h',
      'postgres',
      '-U',
      'app',
    ];
    const seen = succeeded(await stack.compose([...asApp, '-d', 'myapp', '-Atc', 'select count(*) from orders']));
    assert.equal(seen.stdout.trim(), '2100');
    succeeded(await stack.verb(['base']));
    succeeded(await stack.verb(['backup']));
    succeeded(await stack.verb(['drill']));
    await sql("insert into orders values (9000, 'only in the new one')");
    const now = (
      await sql('select to_char(clock_timestamp() at time zone \'UTC\', \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')')
    ).trim();
    await until('the log of the new server reaches it', async () => {
      const query = 'select count(*) from orders';
      const look = await stack.verb(['look', '--at', now, '--query', query, '--csv']);
      if (look.code !== 0 && /is stored up to|stored for less|no base/.test(look.stderr)) return undefined;
      assert.equal(succeeded(look).stdout, 'count\n2101\n');
      return true;
    });
  });

  test('goes back to the old version, which is as it was when it was stopped', async () => {
    succeeded(await stack.compose(['stop', 'postgres']));
    succeeded(await stack.up({ POSTGRES_VERSION: OLD }));
    assert.match(await sql('show server_version'), /^17\./);
    assert.equal(await sql(ROWS), rows);
    succeeded(await stack.verb(['backup']));
    succeeded(await stack.verb(['drill']));
  });
});

describe('backups of older servers', { skip, concurrency: false }, () => {
  const images: string[] = [];
  const docker = (...words: string[]) =>
    new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      execFile('docker', words, { cwd: PROJECT, maxBuffer: 1e8 }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
      );
    });
  after(async () => {
    for (const image of images) await docker('image', 'rm', '--force', image);
  });
  /** What is checked is the backup alone: the server that it came from is out of reach there. */
  const checked = async (image: string, to: string, { BACKUP_DIR = '', ...env }: Environment) => {
    const variables = Object.entries({ ...env, BACKUP_DIR: '/backups' }).map(
      ([name, value]) => `--env=${name}=${value}`,
    );
    const run = [
      'run',
      '--rm',
      '--network=none',
      '--user=root',
      `--volume=${BACKUP_DIR}:/backups:ro`,
      '--tmpfs=/tmp:mode=1777',
    ];
    const { code, stdout, stderr } = await docker(...run, ...variables, image, 'upgrade-check', to, '--json');
    assert.equal(code, 0, stderr + stdout);
    return JSON.parse(stdout).results[0];
  };
  const built = async (version: string) => {
    const tag = `upgrade-test-${process.pid}-${version}`;
    if (images.includes(tag)) return tag;
    const arguments_ = [
      '--quiet',
      '--tag',
      tag,
      '--file',
      'docker/backup/Dockerfile',
      '--build-arg',
      `POSTGRES_VERSION=${version}`,
    ];
    const { code, stderr } = await docker('build', ...arguments_, '.');
    assert.equal(code, 0, stderr);
    images.push(tag);
    return tag;
  };

  for (const version of ['17', '18'])
    test(`of PostgreSQL are rehearsed on ${version}`, { skip: missing }, async (context) => {
      if (Number.parseInt(postgres.version, 10) >= Number(version))
        return context.skip(`here it is ${postgres.version}`);
      const database = postgres.freshName();
      await postgres.create(database);
      for (const format of ['sql', 'custom', 'folder']) {
        const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder(), BACKUP_FORMAT: format };
        await backUp(env);
        const result = await checked(await built(version), version, env);
        assert.equal(result.ok, true, JSON.stringify(result.checks));
        assert.ok(result.proof.rows > 0);
      }
    });

  test('of MariaDB are rehearsed on the server of the image', { skip: noMariaDb }, async (context) => {
    const database = mariadb.freshName();
    await mariadb.create(database);
    const env = { ...mariadb.env(database), BACKUP_DIR: temporaryFolder() };
    const { manifest } = await backUp(env);
    if (!manifest.serverVersion.startsWith('10.')) return context.skip(`here it is ${manifest.serverVersion}`);
    const result = await checked(await built(NEW), '11.8', env);
    assert.equal(result.ok, true, JSON.stringify(result.checks));
    assert.match(result.from, /^10\.11/);
    assert.ok(result.proof.rows > 0);
  });
});
