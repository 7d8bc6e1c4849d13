import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { hasEngine } from '../support/container.ts';
import { getObject, listKeys, listUnfinished } from '../support/s3-by-hand.ts';
import { createStack, exampleSettings, type Outcome, type Stack } from '../support/stack.ts';
import { until } from '../support/verbs.ts';

const skip = hasEngine() ? false : 'no Docker engine: the stack left out';

const EXAMPLE = readFileSync(new URL('../support/example.sql', import.meta.url), 'utf8');
const DATABASE = 'Shop & Sons';
// what .env, Compose, a shell, a URL and a connection string would each like to read in a way of its own
// biome-ignore lint/suspicious/noTemplateCurlyInString: not a template, which is the point
const PASSWORD = 'p$HOME $$ ${PATH} #1 "two" \\n %20 @:/? `id` é';
const SETTINGS = { ...exampleSettings(), POSTGRES_DB: DATABASE, POSTGRES_PASSWORD: PASSWORD };

let stack: Stack;
let failed = false;

/** A step of the story: the stack's logs are worth reading only when one of them failed. */
function step(title: string, run: () => Promise<void>): void {
  test(title, async () => {
    try {
      await run();
    } catch (error) {
      failed = true;
      throw error;
    }
  });
}

function succeeded(outcome: Outcome): Outcome {
  assert.equal(outcome.code, 0, outcome.stderr);
  return outcome;
}

interface Listed {
  readonly key: string;
  readonly createdAt: string;
  readonly kind: string;
  readonly manifest: boolean;
}
const list = async (): Promise<Listed[]> => succeeded(await stack.verb(['list', '--json'])).json;
/** Of backups: the log's grow by themselves. */
const keysIn = async () => (await listKeys(await stack.access())).filter((key) => !/^(wal|base)\//.test(key));
const logOf = async () => succeeded(await stack.verb(['list', '--pitr', '--json'])).json.servers[0];
const ofelia = async () => (await stack.compose(['logs', '--no-log-prefix', 'ofelia'])).stdout;
const MOMENT = `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
const serverTime = async () => new Date(await stack.psql('postgres', DATABASE, 'select now()'));

describe('the stack', { skip }, () => {
  before(async () => {
    stack = createStack(SETTINGS);
  });
  after(async () => {
    if (!stack) return;
    if (failed) process.stderr.write(await stack.logs());
    assert.deepEqual(await stack.tearDown(), []);
  });

  let scheduled: Listed;
  let original: string;

  step('comes up healthy with what .env.example sets', async () => {
    succeeded(await stack.up({ BACKUP_SCHEDULE: '@every 5s' }));
    await stack.psql('postgres', DATABASE, EXAMPLE);
    original = await stack.dump('postgres', DATABASE);
    assert.match(original, /Zoë/);
  });

  step('keeps the backup container unprivileged', async () => {
    const look = 'id -un; grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status; touch /app/x || true';
    const { stdout, stderr } = await stack.compose(['exec', '--no-TTY', 'backup', 'sh', '-c', look]);
    assert.match(stdout, /^postgres\nCapEff:\t0+\nNoNewPrivs:\t1$/m);
    assert.match(stderr, /Read-only file system/);
    const { stdout: environment } = await stack.compose(['exec', '--no-TTY', 'backup', 'env']);
    assert.doesNotMatch(environment, /^GARAGE_RPC_SECRET=./m);
  });

  step('has the log of its server taken, with a base, unasked', async () => {
    await until('a base is stored, and log that goes on from it', async () =>
      (await logOf())?.recoverable.length > 0 ? true : undefined,
    );
    assert.equal(await stack.psql('postgres', DATABASE, 'show max_slot_wal_keep_size'), '10GB');
  });

  step('is backed up by Ofelia', async () => {
    const filled = await serverTime();
    scheduled = await until('Ofelia has taken a backup', async () =>
      (await list()).find(({ createdAt, manifest }) => manifest && new Date(createdAt) > filled),
    );
    await until(
      'Ofelia says that it has',
      async () => /"backup".*Finished in .*failed: false/.test(await ofelia()) || undefined,
    );
    assert.match(scheduled.key, /^\d{4}\/\d\d\/\d\d\/Shop%20%26%20Sons_\d{6}\.sql\.gz$/);
  });

  step('finds the backup in the store without our help', async () => {
    const keys = await keysIn();
    assert.ok(keys.includes(scheduled.key), keys.join('\n'));
    assert.ok(keys.includes(scheduled.key.replace('.sql.gz', '.json')), keys.join('\n'));
    assert.deepEqual(await listUnfinished(await stack.access()), []);
  });

  step('loads the backup with gunzip and psql alone into another server', async () => {
    const sql = gunzipSync(await getObject(await stack.access(), scheduled.key));
    await stack.psql('elsewhere', 'postgres', 'create database by_hand');
    await stack.psql('elsewhere', 'by_hand', sql);
    assert.equal(await stack.dump('elsewhere', 'by_hand'), original);
  });

  step('restores onto another server that has no such database', async () => {
    const restored = succeeded(
      await stack.verb(['restore', '--json', '--', scheduled.key], { POSTGRES_HOST: 'elsewhere' }),
    );
    assert.equal(restored.json.previousDatabase, null);
    assert.equal(await stack.dump('elsewhere', DATABASE), original);
  });

  step('brings back what was lost on the live one', async () => {
    await stack.psql(
      'postgres',
      DATABASE,
      'truncate customers cascade; drop table vehicles cascade; select lo_unlink(50001)',
    );
    succeeded(await stack.verb(['restore', '--json', '--', scheduled.key]));
    assert.equal(await stack.dump('postgres', DATABASE), original);
  });

  step('brings back what was written after the last backup: the second before the mistake', async () => {
    // the log notes sequences ahead, as after a crash, and has nothing of the rows of an unlogged table
    const content = async () =>
      (await stack.dump('postgres', DATABASE)).replaceAll(
        /^SELECT pg_catalog\.setval.*$|^COPY public\.sessions [\s\S]*?^\\\.$/gm,
        '',
      );
    await stack.psql('postgres', DATABASE, "insert into customers (name, mail) values ('Late', 'late@example.com')");
    const whole = await content();
    const moment = await stack.psql('postgres', DATABASE, MOMENT);
    await stack.psql('postgres', DATABASE, 'truncate customers cascade');
    await until('the log is stored up to then', async () =>
      new Date((await logOf())?.recoverable.at(-1)?.to) > new Date(moment) ? true : undefined,
    );
    const restored = succeeded(await stack.verb(['restore', '--json', '--at', moment]));
    assert.ok(restored.json.moment.firstOut > moment, JSON.stringify(restored.json.moment));
    assert.equal(await content(), whole);
  });

  step('rehearses a restore in the backup container', async () => {
    const drill = succeeded(await stack.verb(['drill', '--json', '--', scheduled.key]));
    assert.equal(drill.json.ok, true);
  });

  step('needs a key that may write, and nothing else, for a backup', async () => {
    const garage = async (...args: string[]) =>
      succeeded(await stack.compose(['exec', '--no-TTY', 'garage', '/garage', ...args])).stdout;
    const created = await garage('key', 'create', 'writer');
    const id = /GK[0-9a-f]{24}/.exec(created)?.[0] ?? '';
    const secret = /\b[0-9a-f]{64}\b/.exec(created)?.[0] ?? '';
    await garage('bucket', 'allow', '--write', 'backups', '--key', id);
    const writer = { S3_ACCESS_KEY: id, S3_SECRET_KEY: secret };
    const backup = await until('no other run holds the lock', async () => {
      const outcome = await stack.verb(['backup', '--json'], writer);
      return outcome.code === 4 ? undefined : outcome;
    });
    const { key } = succeeded(backup).json.results[0];
    assert.ok((await keysIn()).includes(key));
    const listing = await stack.verb(['list'], writer);
    assert.equal(listing.code, 1);
    assert.match(listing.stderr, /AccessDenied|may read/);
  });

  step('has Ofelia read a changed schedule, and takes a backup at the start when told to', async () => {
    const serverId = (await stack.compose(['ps', '--quiet', 'postgres'])).stdout;
    succeeded(
      await stack.up({ BACKUP_SCHEDULE: '@every 1h', CLEANUP_SCHEDULE: '30 15 3 * * *', BACKUP_ON_START: 'true' }),
    );
    const log = await ofelia();
    assert.match(log, /New job registered "backup" - "backup --scheduled" - "@every 1h"/);
    assert.match(log, /New job registered "cleanup" - "cleanup" - "30 15 3 \* \* \*"/);
    assert.doesNotMatch(log, /@every 5s/);
    assert.equal((await stack.compose(['ps', '--quiet', 'postgres'])).stdout, serverId, 'the database was restarted');

    const said = async () => (await stack.compose(['logs', '--no-log-prefix', 'backup'])).stdout;
    await until('the backup at the start is done', async () => /backed up Shop & Sons/.test(await said()) || undefined);
    const count = (await list()).length;
    const since = Date.now();
    await until('the old schedule would have run', () => Date.now() - since > 6_000 || undefined);
    assert.equal((await list()).length, count, 'the old schedule still runs');
  });

  step('comes up though its backups are stale, and is called unhealthy for it later', async () => {
    succeeded(await stack.up({ BACKUP_SCHEDULE: '@every 1h', RPO_TARGET: '1s' }));
    const later = 'touch -d "6 minutes ago" /tmp/health; /app/docker/backup/healthcheck.sh';
    const { code, stdout } = await stack.compose(['exec', '--no-TTY', 'backup', 'sh', '-c', later]);
    assert.equal(code, 1);
    assert.match(stdout, /^Shop & Sons: no backup in the last 1\.0s$/m);
  });

  step('ends a backup under way when it is stopped, and leaves no unfinished upload', async () => {
    const keys = await keysIn();
    const holder = stack.psql(
      'postgres',
      DATABASE,
      'begin; lock table pg_catalog.pg_largeobject in access exclusive mode; select pg_sleep(60)',
    );
    holder.catch(() => {});
    const held = `select count(*) from pg_locks where not granted and relation = 'pg_catalog.pg_largeobject'::regclass`;
    const running = stack.verb(['backup']);
    await until('the backup waits half way', async () =>
      (await stack.psql('postgres', DATABASE, held)) === '0' ? undefined : true,
    );
    const began = Date.now();
    succeeded(await stack.compose(['stop', 'backup']));
    assert.ok(Date.now() - began < 15_000, 'it had to be killed');
    const { code, stderr } = await running;
    assert.notEqual(code, 0);
    assert.match(stderr, /SIGTERM/);
    assert.deepEqual(await keysIn(), keys);
    assert.deepEqual(await listUnfinished(await stack.access()), []);
    await stack.psql(
      'postgres',
      'postgres',
      `select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'`,
    );
    await holder.catch(() => {});
  });

  step('has the log taken no more, and nothing kept for it on the server, by one line', async () => {
    const slots = "select count(*) from pg_replication_slots where slot_name like 'cdb%'";
    assert.equal(await stack.psql('postgres', DATABASE, slots), '1');
    succeeded(await stack.up({ BACKUP_SCHEDULE: '@every 1h', PITR: 'false' }));
    await until('the slot is gone', async () => (await stack.psql('postgres', DATABASE, slots)) === '0' || undefined);
    const said = (await stack.compose(['logs', '--no-log-prefix', 'receiver'])).stdout;
    assert.match(said, /postgres keeps no log for us any more/);
  });

  step('says in its logs what is wrong with a configuration, and is not healthy', async () => {
    const { stdout, stderr } = await stack.compose([
      ...[
        'run',
        '--rm',
        '--no-deps',
        '--env=BACKUP_TIMEOUT=soon',
        '--env=S3_ENDPOINT=garage',
        '--entrypoint=sh',
        'backup',
        '-c',
      ],
      'timeout -s KILL 5 /app/docker/backup/entrypoint.sh; /app/docker/backup/healthcheck.sh; echo "health: $?"',
    ]);
    assert.match(stderr, /BACKUP_TIMEOUT "soon"/);
    assert.match(stderr, /S3_ENDPOINT "garage"/);
    assert.match(stdout, /health: 1/);
  });

  step(
    'notes a job that begins while the container still checks its configuration, where it outlives the container',
    async () => {
      const slow = '/var/lib/postgresql/slow';
      const { stdout, stderr } = await stack.compose([
        ...['run', '--rm', '--no-deps', '--env=DRILL_DIR=/tmp', '--entrypoint=sh', 'backup', '-c'],
        `mkdir ${slow}; printf '#!/bin/sh\nsleep 15; exec /usr/local/bin/node "$@"' >${slow}/node; chmod +x ${slow}/node
       PATH=${slow}:$PATH timeout -s KILL 60 /app/docker/backup/entrypoint.sh & sleep 2; backup; rm -r ${slow}
       until [ -e /tmp/configuration-is-valid ] || [ $((n += 1)) -gt 120 ]; do sleep 0.5; done; sort /tmp/.jobs/backup; ls /tmp/jobs`,
      ]);
      // by their times; which of the last two came first depends on the machine
      assert.match(stdout, /^\S+ began \d+\n(\S+ ended \d+ \d\n\S+ waits .*|\S+ waits .*\n\S+ ended \d+ \d)\n/, stderr);
      assert.doesNotMatch(stdout, /^backup$/m, 'what was in memory was moved');
    },
  );

  step('runs no job in a container whose schedule Ofelia would read as every second', async () => {
    const { stdout, stderr } = await stack.compose([
      ...['run', '--rm', '--no-deps', '--env=BACKUP_SCHEDULE=* * * * *', '--entrypoint=sh', 'backup', '-c'],
      'timeout -s KILL 5 /app/docker/backup/entrypoint.sh; backup; echo "backup: $?"; status --json',
    ]);
    assert.match(stderr, /this container runs no backup: .*'\* \* \* \* \*' would have to be '0 \* \* \* \* \*'/);
    assert.match(stdout, /backup: 2/);
    const { ok, jobs } = JSON.parse(stdout.slice(stdout.indexOf('{')));
    assert.equal(ok, false);
    assert.match(jobs[0].reasons[0], /backup does not run in this container/);
  });
});

describe('the stack with docker-compose.secrets.yml', { skip }, () => {
  test('takes its secrets from files: they are in the description of no container', async (t) => {
    if (process.getuid?.() !== 0) return t.skip('only root can give the files to the user of the container');
    const own = createStack(
      { POSTGRES_DB: 'shop', POSTGRES_PASSWORD: 'of another' },
      { secretFiles: { postgres_password: PASSWORD } },
    );
    try {
      // no backup but this one, also at the full hour
      succeeded(await own.up({ BACKUP_SCHEDULE: '@every 24h' }));
      succeeded(await own.verb(['backup']));
      assert.equal(succeeded(await own.verb(['list', '--json'])).json.length, 1);
      const { secretKey } = await own.access();
      for (const service of ['backup', 'postgres']) {
        const { stdout: id } = await own.compose(['ps', '--quiet', service]);
        const description = execFileSync('docker', ['inspect', id.trim()], { encoding: 'utf8' });
        assert.ok(description.includes('POSTGRES_PASSWORD_FILE'));
        assert.ok(!description.includes(secretKey));
        assert.ok(!description.includes(JSON.stringify(PASSWORD).slice(1, -1)));
      }
      const wrong = await own.verb(['backup'], { POSTGRES_PASSWORD: 'given twice' });
      assert.equal(wrong.code, 2);
      assert.match(wrong.stderr, /POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are both set; keep one/);
    } finally {
      assert.deepEqual(await own.tearDown(), []);
    }
  });
});
