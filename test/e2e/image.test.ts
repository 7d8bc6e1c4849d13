import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hasEngine } from '../support/container.ts';
import { temporaryFolder } from '../support/folders.ts';
import { cases } from '../support/matrix.ts';
import { createStack, type Outcome, type Stack } from '../support/stack.ts';
import { until, untilStill } from '../support/verbs.ts';

const skip = hasEngine() ? false : 'no Docker engine: the image as it is shipped left out';
const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const PASSWORD = 'of the test';

const POSTGRES_SOURCE = {
  BACKUP_SOURCE_SHOP: 'postgres://postgres@postgres:5432/myapp',
  BACKUP_SOURCE_SHOP_PASSWORD: PASSWORD,
};
const MARIADB_SOURCE = {
  ...{ COMPOSE_PROFILES: 'mariadb', MARIADB_ROOT_PASSWORD: PASSWORD, MARIADB_PASSWORD: PASSWORD },
  ...{ BACKUP_SOURCE_BLOG: 'mariadb://root@mariadb:3306/myapp', BACKUP_SOURCE_BLOG_PASSWORD: PASSWORD },
};
const FILES_SOURCE = { BACKUP_SOURCE_CODE: 'file:///app/scripts' };

interface Database {
  readonly source: string;
  /** The version of its server, and of the client in the image. */
  version(stack: Stack): Promise<string>;
  run(stack: Stack, sql: string): Promise<string>;
}

function succeeded(outcome: Outcome): Outcome {
  assert.equal(outcome.code, 0, outcome.stderr);
  return outcome;
}

const said = async (stack: Stack, ...command: string[]) =>
  succeeded(await stack.compose(['exec', '--no-TTY', 'backup', ...command])).stdout.trim();

const SHOP: Database = {
  source: 'shop',
  version: async (stack) =>
    `PostgreSQL ${await stack.psql('postgres', 'myapp', 'show server_version')}, ${await said(stack, 'pg_dump', '--version')}`,
  run: (stack, sql) => stack.psql('postgres', 'myapp', sql),
};
const BLOG: Database = {
  source: 'blog',
  version: async (stack) =>
    `MariaDB ${await BLOG.run(stack, 'select version()')}, ${await said(stack, 'mariadb-dump', '--version')}, ${await said(stack, 'mariadbd', '--version')}`,
  run: async (stack, sql) => {
    const client = ['mariadb', '-uroot', `-p${PASSWORD}`, '--skip-column-names', 'myapp'];
    return succeeded(await stack.compose(['exec', '--no-TTY', 'mariadb', ...client], sql)).stdout.trim();
  },
};

/** Every engine that the image serves, each version of PostgreSQL in an image of its own. */
const IMAGES = cases<{ version: string; databases: readonly Database[]; settings: Readonly<Record<string, string>> }>(
  [{ version: '18', databases: [SHOP, BLOG], settings: { ...POSTGRES_SOURCE, ...MARIADB_SOURCE, ...FILES_SOURCE } }],
  [{ version: '17', databases: [SHOP], settings: POSTGRES_SOURCE }],
);

for (const { version, databases, settings } of IMAGES) {
  describe(`the image for PostgreSQL ${version} as it is shipped`, { skip, concurrency: false }, () => {
    let stack: Stack;
    const sources = Object.keys(settings).flatMap(
      (name) => /^BACKUP_SOURCE_([A-Z]+)$/.exec(name)?.[1]?.toLowerCase() ?? [],
    );
    before(async () => {
      stack = createStack({ POSTGRES_VERSION: version, POSTGRES_PASSWORD: PASSWORD, ...settings });
      succeeded(await stack.up({ BACKUP_SCHEDULE: '@every 5s' }));
    });
    after(async () => {
      assert.deepEqual(await stack?.tearDown(), []);
    });

    test('backs up every source by the schedule', async (t: TestContext) => {
      for (const database of databases) {
        await database.run(
          stack,
          "create table kept (n int primary key, text varchar(20)); insert into kept values (1, 'kept')",
        );
        t.diagnostic(`ran inside the image: ${await database.version(stack)}`);
      }
      const filled = new Date();
      await until('each source is backed up', async () => {
        const listed: { source: string; createdAt: string; manifest: boolean }[] = (
          await stack.verb(['list', '--json'])
        ).json;
        const recent = listed.filter(({ createdAt, manifest }) => manifest && new Date(createdAt) > filled);
        return sources.every((source) => recent.some((each) => each.source === source)) || undefined;
      });
      // what follows is about the verbs, and no run of Ofelia's is to hold a lock meanwhile
      succeeded(await stack.compose(['stop', 'ofelia']));
      await until('no run holds a lock', async () => ((await stack.verb(['backup'])).code === 0 ? true : undefined));
    });

    test('rehearses, restores and undoes each of them', async () => {
      const drill = succeeded(await stack.verb(['drill', '--json'])).json;
      assert.deepEqual(
        drill.results.map(({ source, ok }: { source: string; ok: boolean }) => [source, ok]).sort(),
        sources.map((source) => [source, true]).sort(),
      );
      for (const { source, run } of databases) {
        await run(stack, "update kept set text = 'newer'");
        succeeded(await stack.verb(['restore', `--source=${source}`, '--', 'latest']));
        assert.equal(await run(stack, 'select text from kept'), 'kept', source);
        succeeded(await stack.verb(['restore', '--undo', `--source=${source}`]));
        assert.equal(await run(stack, 'select text from kept'), 'newer', source);
      }
      // stale by now, for the schedule of five seconds has been stopped
      const { jobs } = (await stack.verb(['status', '--json'])).json;
      assert.deepEqual(
        jobs.map(({ job }: { job: string }) => job),
        ['backup', 'cleanup', 'drill'],
      );
    });

    test('gives a new server the order of letters and the memberships that the old one had, and no more', async () => {
      const of = (server: string) => ({
        BACKUP_SOURCE_RULES: `postgres://postgres@${server}:5432/rules`,
        BACKUP_SOURCE_RULES_PASSWORD: PASSWORD,
      });
      const statements = `create database rules template template0 locale_provider icu icu_locale 'de-u-co-phonebk' icu_rules '&V << w <<< W';
        create role staff; create role alice; create role bob;
        grant staff to alice with admin true, inherit false, set false; grant staff to bob with inherit true, set false`;
      for (const statement of statements.split(';')) await stack.psql('postgres', 'postgres', statement);
      await stack.psql('postgres', 'rules', 'create table t (i int); grant select on t to alice, bob, staff');
      succeeded(await stack.verb(['backup', 'rules'], of('postgres')));
      succeeded(await stack.verb(['restore', '--source=rules', '--', 'latest'], of('elsewhere')));
      const asked = `select datlocprovider, to_jsonb(d) ->> 'daticurules', (select string_agg(format('%s %s %s %s', member::regrole, admin_option,
        inherit_option, set_option), ', ' order by member::regrole::text) from pg_auth_members where roleid = 'staff'::regrole)
        from pg_database d where datname = 'rules'`;
      const before = await stack.psql('postgres', 'rules', asked);
      assert.match(before, /^i\|&V << w <<< W\|alice t f f, bob f t f$/);
      assert.equal(await stack.psql('elsewhere', 'rules', asked), before);
    });

    // signals and env files do not depend on the version of PostgreSQL
    if (version !== '18') return;
    test('does the same by a plain docker run, whose env file keeps the quotes of .env', async () => {
      const run = ['run', '--rm', '--network', `${stack.project}_default`];
      const file = stack.environment.COMPOSE_ENV_FILES ?? '';
      const image = `${stack.project}-backup`;
      const store = ['--env', 'S3_ENDPOINT=http://garage:3900'];
      const backup = succeeded(await stack.docker([...run, '--env-file', file, ...store, image, 'backup', '--json']));
      assert.deepEqual(
        backup.json.results.map(({ source, ok }: { source: string; ok: boolean }) => [source, ok]).sort(),
        sources.map((source) => [source, true]).sort(),
      );
      succeeded(await stack.docker([...run, '--env-file', file, ...store, image, 'drill', '--source=shop']));
      // an account of its own, and nothing of the image's user
      succeeded(
        await stack.docker([...run, '--user=1000:1000', '--env-file', file, ...store, image, 'drill', '--source=shop']),
      );
      const nowhere = await stack.docker([...run, '--env-file', file, image, 'backup']);
      assert.equal(nowhere.code, 2);
      assert.match(nowhere.stderr, /S3_ENDPOINT is not set/);
    });

    test('leads to the cause of what only a container has', async () => {
      const file = stack.environment.COMPOSE_ENV_FILES ?? '';
      const said = async (options: readonly string[], ...words: string[]) => {
        const image = `${stack.project}-backup`;
        const store = ['--network', `${stack.project}_default`, '--env', 'S3_ENDPOINT=http://garage:3900'];
        const { code, stderr } = await stack.docker([
          ...['run', '--rm', '--env-file', file, ...store, ...options, image, ...words],
        ]);
        assert.notEqual(code, 0);
        return stderr;
      };
      const here = ['--env', 'BACKUP_SOURCE_SHOP=postgres://postgres@localhost:5432/myapp'];
      assert.match(await said(here, 'backup', 'shop'), /localhost[\s\S]*this container[\s\S]*host\.docker\.internal/);
      const secret = join(temporaryFolder(), 'secret');
      writeFileSync(secret, 'x', { mode: 0o600 });
      const closed = ['--volume', `${secret}:/run/secrets/shop:ro`, '--env', 'BACKUP_SOURCE_SHOP_PASSWORD='];
      assert.match(
        await said([...closed, '--env', 'BACKUP_SOURCE_SHOP_PASSWORD_FILE=/run/secrets/shop'], 'list'),
        /BACKUP_SOURCE_SHOP_PASSWORD_FILE: .* may not be read by user 999.*chown 999/,
      );
      const root = await said(['--user=root', '--cap-drop=ALL'], 'drill', '--source=shop');
      assert.match(root, /user postgres|--user/);
    });

    for (const [what, end] of [
      ['Ctrl-C', (pid: number) => process.kill(-pid, 'SIGINT')],
      ['the end of all that waits for it', (pid: number) => process.kill(-pid, 'SIGKILL')],
    ] as const) {
      test(`ends a restore by ${what}, behind a pipe, before it swaps`, async () => {
        const slow =
          'create or replace function slow(int) returns bool language plpgsql as $$ begin perform pg_sleep(4); return true; end $$';
        await SHOP.run(stack, `drop table if exists held; ${slow}; create table held (n int check (public.slow(n)))`);
        await SHOP.run(stack, "insert into held values (1); update kept set text = 'backed up'");
        succeeded(await stack.verb(['backup', 'shop']));
        await SHOP.run(stack, "update kept set text = 'live'");
        const child = spawn('scripts/make/run-verb.sh', ['restore', '--source=shop', '--', 'latest'], {
          cwd: PROJECT,
          env: { ...stack.environment, BACKUP_ENV_FILE: stack.environment.COMPOSE_ENV_FILES },
          detached: true,
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        let stderr = '';
        child.stderr.on('data', (chunk) => {
          stderr += chunk;
        });
        await until('the restore loads', async () => /restoring/.test(stderr) || undefined);
        end(child.pid ?? 0);
        await once(child, 'exit');
        const restores = 'cat /proc/[0-9]*/cmdline | tr "\\0" " " | grep -q "dist/[r]estore.mjs"';
        await until(
          'no restore runs in the container',
          async () =>
            (await stack.compose(['exec', '--no-TTY', 'backup', 'sh', '-c', restores])).code === 1 || undefined,
        );
        const kept = await untilStill('what is live', () => SHOP.run(stack, 'select text from kept'));
        assert.equal(kept, 'live', stderr);
      });
    }
  });
}
