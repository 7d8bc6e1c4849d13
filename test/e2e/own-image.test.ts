import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { hasEngine } from '../support/container.ts';
import { createStack, type Outcome, type Stack } from '../support/stack.ts';

const skip = hasEngine() ? false : 'no Docker engine: an image of one’s own left out';
const PASSWORD = 'of the test';
const IMAGE = `own-image-test-${randomBytes(5).toString('hex')}`;
const SERVICES = `
  postgres:
    command: [postgres, -c, shared_preload_libraries=pg_cron, -c, cron.database_name=maps]
`;
/** As docs/own-image.md has it. */
const [, DRILL_SERVER = ''] =
  /```yaml\nservices:\n([^`]*)```/.exec(
    readFileSync(new URL('../../docs/own-image.md', import.meta.url), 'utf8').replace('my/postgres:17-alpine', IMAGE),
  ) ?? [];
/** Not on the server that is kept for drills. */
const ON_ITS_OWN = { DRILL_SERVER_URL: '' };
const EXTENSIONS = ['pg_cron', 'pg_partman', 'postgis', 'vector'];

/** As somebody's own Dockerfile would be, from Debian's packages. */
function buildOwn(tag: string): void {
  const dockerfile = `FROM postgres:17-trixie
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-17-postgis-3 postgresql-17-pgvector postgresql-17-cron postgresql-17-partman && rm -rf /var/lib/apt/lists/*
`;
  execFileSync('docker', ['build', '--quiet', '--tag', tag, '-'], {
    input: dockerfile,
    stdio: ['pipe', 'ignore', 'inherit'],
  });
}

function succeeded(outcome: Outcome): Outcome {
  assert.equal(outcome.code, 0, outcome.stderr);
  return outcome;
}

type Check = { name: string; ok: boolean; detail: string };
type Result = { source: string; ok: boolean; from?: string; advice?: string[]; checks: Check[] };

describe('a backup image made from the image of the database', { skip, concurrency: false }, () => {
  let stack: Stack;
  before(async () => {
    stack = createStack(
      {
        POSTGRES_VERSION: '17',
        POSTGRES_PASSWORD: PASSWORD,
        BACKUP_SOURCE_MAPS: 'postgres://postgres@postgres:5432/maps',
        BACKUP_SOURCE_MAPS_PASSWORD: PASSWORD,
        BACKUP_SOURCE_SHOP: 'postgres://postgres@postgres:5432/myapp',
        BACKUP_SOURCE_SHOP_PASSWORD: PASSWORD,
      },
      { services: SERVICES + DRILL_SERVER },
    );
    buildOwn(IMAGE);
    succeeded(await stack.up({ POSTGRES_IMAGE: IMAGE, BACKUP_SCHEDULE: '@yearly' }));
  });
  after(async () => {
    await stack?.docker(['image', 'rm', '--force', `${stack.project}-upgrade-check`]);
    const left = await stack?.tearDown();
    await stack?.docker(['image', 'rm', '--force', IMAGE]);
    assert.deepEqual(left, []);
  });

  for (const [base, says] of [
    ['rclone/rclone:1.76', /POSTGRES_IMAGE has no apt-get: the backup image is built from one of Debian or Ubuntu/],
    ['mariadb:11.8', /POSTGRES_IMAGE has no PostgreSQL server, or no account called postgres/],
  ] as const)
    test(`cannot be made from ${base}, and says why`, async () => {
      const { code, stderr } = await stack.compose(['build', `--build-arg=POSTGRES_IMAGE=${base}`, 'backup']);
      assert.notEqual(code, 0);
      assert.match(stderr, says);
    });

  test('has its extensions, and its preload libraries are loaded by the server of a drill', async () => {
    await stack.psql('postgres', 'postgres', 'create database maps');
    await stack.psql(
      'postgres',
      'maps',
      `create extension postgis; create extension vector; create extension pg_cron; create schema partman; create extension pg_partman schema partman;
       create table places (id int primary key, at geometry(Point, 4326), near vector(3));
       insert into places select n, st_setsrid(st_makepoint(n % 180, n % 90), 4326), array[n, 1, 2]::vector from generate_series(1, 200) n;
       create index on places using gist (at); create index on places using hnsw (near vector_l2_ops);
       create table events (at timestamptz not null, v text) partition by range (at);
       select partman.create_parent('public.events', 'at', '1 day');
       insert into events select now(), 'x' from generate_series(1, 10);
       select cron.schedule('nightly', '0 3 * * *', 'vacuum')`,
    );
    await stack.psql(
      'postgres',
      'myapp',
      `create table kept (n int primary key); insert into kept select generate_series(1, 100);
       create function flushed() returns numeric language sql as 'select wal_write::numeric from pg_stat_wal';
       create function sum_of(a int, b int) returns int language plpgsql as 'begin return a + b; end'`,
    );
    succeeded(await stack.verb(['backup']));
    const drill = succeeded(await stack.verb(['drill', '--json'], ON_ITS_OWN)).json as { results: Result[] };
    assert.deepEqual(drill.results.map(({ source, ok }) => [source, ok]).sort(), [
      ['maps', true],
      ['shop', true],
    ]);
    const checks = drill.results.find(({ source }) => source === 'maps')?.checks ?? [];
    assert.match(checks.find(({ name }) => name === 'extensions')?.detail ?? '', /\d as at the source/);
    assert.equal(
      checks.find(({ name }) => name === 'not rehearsed'),
      undefined,
    );
  });

  test('is looked into with them', async () => {
    const query = 'select count(*) from places where st_x(at) > 100 and near <-> $$[1,1,2]$$ > 1';
    const look = succeeded(
      await stack.verb(['look', 'latest', '--source=maps', '--query', query, '--csv'], ON_ITS_OWN),
    );
    assert.match(look.stdout, /^count\n[1-9]\d*\n$/);
  });

  test('is not needed where a second container of that image is kept for drills', async () => {
    const drill = succeeded(await stack.verb(['drill', '--json'])).json as { results: Result[] };
    for (const { source, ok, checks } of drill.results) assert.equal(ok, true, `${source}: ${JSON.stringify(checks)}`);
    const query = "select current_setting('cluster_name') as server, count(*) from cron.job";
    const look = succeeded(await stack.verb(['look', 'latest', '--source=maps', '--query', query, '--csv']));
    assert.equal(look.stdout, 'server,count\ndrill-server,1\n');
  });

  test('is checked against a newer version, which tells what it lacks and what it does not take', async () => {
    const check = (source: string) =>
      stack.compose([
        'run',
        '--rm',
        '--no-deps',
        '--no-TTY',
        'upgrade-check',
        'upgrade-check',
        '18',
        `--source=${source}`,
        '--json',
      ]);
    // what make hands to Compose by the environment
    succeeded(await stack.up({ POSTGRES_IMAGE: IMAGE, BACKUP_SCHEDULE: '@yearly', UPGRADE_VERSION: '18' }));
    // apart: what building says would stand among what it prints
    succeeded(await stack.compose(['--profile', 'upgrade-check', 'build', '--quiet', 'upgrade-check']));
    const shop = await check('shop');
    assert.equal(shop.code, 0, shop.stderr);
    const [plain] = (shop.json as { results: Result[] }).results;
    assert.match(plain?.from ?? '', /^17\./);
    assert.equal(
      plain?.advice?.some((line) => /public\.flushed\(\): column "wal_write" does not exist/.test(line)),
      true,
      plain?.advice?.join('\n'),
    );
    assert.equal(
      plain?.advice?.some((line) => /since 18 .*pg_stat_io: look at public\.flushed\(\)/.test(line)),
      true,
    );
    assert.equal(
      plain?.advice?.some((line) => /sum_of/.test(line)),
      false,
    );
    const maps = await check('maps');
    assert.equal(maps.code, 1, maps.stderr);
    const [special] = (maps.json as { results: Result[] }).results;
    const missing = special?.checks.find(({ ok }) => !ok)?.detail ?? '';
    for (const name of EXTENSIONS) assert.match(missing, new RegExp(name));
    // none of it is a drill
    const status = (await stack.verb(['status', '--json'])).json as {
      sources: { source: string; lastDrill: { key: string } }[];
    };
    assert.equal(status.sources.filter(({ lastDrill }) => lastDrill !== null).length, 2);
  });
});
