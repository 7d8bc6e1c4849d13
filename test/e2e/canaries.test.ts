import assert from 'node:assert/strict';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { CANARY, type Canary, canariesIn, readable, recipient } from '../support/canaries.ts';
import { filesIn, place, temporaryFolder } from '../support/folders.ts';
import { startMariaDb } from '../support/mariadb.ts';
import { startHttpReceiver, startSmtpReceiver } from '../support/notify-receivers.ts';
import { PASSWORD_ROLE, startPostgres } from '../support/postgres.ts';
import { watchProcesses } from '../support/process-watch.ts';
import { ACCESS_KEY } from '../support/s3-double.ts';
import { startStore } from '../support/stores.ts';
import { done, type Outcome, runVerb, type Verb } from '../support/verbs.ts';

const { postgres, missing: noPostgres } = await startPostgres();
const { mariadb, missing: noMariadb } = await startMariaDb();
const missing = noPostgres || noMariadb;
const watch = watchProcesses();

/** Every kind of notification, one receiver each: the secret of one must not reach another. */
async function startReceivers() {
  const http = ['webhook', 'slack', 'ntfy', 'telegram', 'discord', 'heartbeat'] as const;
  const receivers = Object.fromEntries(
    await Promise.all(http.map(async (name) => [name, await startHttpReceiver({ status: 200, body: '{"ok":true}' })])),
  ) as Record<(typeof http)[number], Awaited<ReturnType<typeof startHttpReceiver>>>;
  const smtp = await startSmtpReceiver(CANARY.smtp, { disabledCommands: ['STARTTLS'] });
  after(() => Promise.all([smtp.close(), ...Object.values(receivers).map((receiver) => receiver.close())]));
  const { webhook, slack, ntfy, telegram, discord, heartbeat } = receivers;
  return {
    receivers,
    smtp,
    env: {
      NOTIFY_ON: 'always',
      HEARTBEAT_URL: `http://${heartbeat.host}/ping/${CANARY.heartbeat}`,
      NOTIFY_URL: [
        `http://me:${CANARY.webhookPassword}@${webhook.host}/hook/${CANARY.webhookToken}`,
        `slack+http://${slack.host}/services/T0/B0/${CANARY.slack}`,
        `ntfy+http://:${CANARY.ntfy}@${ntfy.host}/alerts`,
        `telegram+http://${CANARY.telegram}@${telegram.host}/?chats=1`,
        `discord+http://${discord.host}/api/webhooks/1/${CANARY.discord}`,
        `smtp://backup:${CANARY.smtp}@${smtp.host}/?from=a@example.org&to=b@example.org&starttls=never`,
      ].join(','),
    },
  };
}

type Receivers = Awaited<ReturnType<typeof startReceivers>>;
const told = await startReceivers();

/** What each may get, in its address or its authorization. */
const OWN: Record<keyof Receivers['receivers'], readonly Canary[]> = {
  webhook: ['webhookPassword', 'webhookToken'],
  slack: ['slack'],
  ntfy: ['ntfy'],
  telegram: ['telegram'],
  discord: ['discord'],
  heartbeat: ['heartbeat'],
};

const SECRETS = {
  PG: 'BACKUP_SOURCE_PG_PASSWORD',
  MARIA: 'BACKUP_SOURCE_MARIA_PASSWORD',
} as const;

/** Two databases that want passwords, a store, and everybody who is told, as the variables say it. */
async function scene(encryption: Record<string, string>) {
  const [database, other] = [postgres.freshName(), mariadb.freshName()];
  await postgres.create(database);
  await postgres.sql(
    database,
    `create role ${database}user superuser login in role ${PASSWORD_ROLE} password '${CANARY.postgres}'`,
  );
  await mariadb.create(other);
  await mariadb.sql(
    `create user ${other}user@'%' identified by '${CANARY.mariadb}'; grant all on *.* to ${other}user@'%'`,
  );
  const { double, storeEnv } = await startStore();
  const drills = temporaryFolder();
  chmodSync(drills, 0o755);
  const temporary = temporaryFolder();
  const uploads = temporaryFolder();
  place(uploads, 'a.txt', 'nothing secret');
  const plain: Record<string, string> = {
    BACKUP_SOURCE_PG: `postgres://${database}user@${postgres.host}:${postgres.port}/${database}`,
    BACKUP_SOURCE_MARIA: `mariadb://${other}user@${mariadb.host}:${mariadb.port}/${other}`,
    BACKUP_SOURCE_UPLOADS: `file://${uploads}`,
    S3_ENDPOINT: storeEnv.S3_ENDPOINT ?? '',
    DRILL_DIR: drills,
    TMPDIR: temporary,
    NOTIFY_ON: told.env.NOTIFY_ON,
    RPO_TARGET: '1h',
    ...encryption,
  };
  const secrets: Record<string, string> = {
    [SECRETS.PG]: CANARY.postgres,
    [SECRETS.MARIA]: CANARY.mariadb,
    S3_ACCESS_KEY: ACCESS_KEY,
    S3_SECRET_KEY: CANARY.s3Secret,
    BACKUP_AGE_IDENTITY: CANARY.identity,
    NOTIFY_URL: told.env.NOTIFY_URL,
    HEARTBEAT_URL: told.env.HEARTBEAT_URL,
  };
  return { plain, secrets, double, temporary };
}

/**
 * What was given the secrets: node that runs a verb, a child of it before it has become another program, and the
 * translator of TypeScript, which tsx starts before any line of a verb runs.
 */
const OURSELVES = /\/(backup|list|restore|cleanup|drill|status|keygen|notify-test)\.(ts|mjs) |\/esbuild --service/;

type Scene = Awaited<ReturnType<typeof scene>>;

function assertSilent(what: string, { stdout, stderr, code }: Outcome): void {
  assert.deepEqual(canariesIn(stdout + stderr), [], `${what} (exit ${code}) shows a secret:\n${stdout}\n${stderr}`);
  assert.ok(!(stdout + stderr).includes(ACCESS_KEY), what);
  assert.doesNotMatch(stderr, /internal error/, what);
}

/** The ways in which a secret comes to a verb. */
const WAYS = {
  'the environment': ({ secrets }: Scene) => ({ env: secrets }),
  'files (_FILE)': ({ secrets }: Scene) => {
    const folder = temporaryFolder();
    const env = Object.entries(secrets).map(([name, value]) => [`${name}_FILE`, place(folder, name, `${value}\n`)]);
    return { env: Object.fromEntries(env) as Record<string, string> };
  },
  '.env': ({ secrets }: Scene) => ({
    env: {},
    dotenv: Object.entries(secrets)
      .map(([name, value]) => `${name}='${value}'`)
      .join('\n'),
  }),
  'the URL of the source': ({ plain, secrets }: Scene) => {
    const { [SECRETS.PG]: pg = '', [SECRETS.MARIA]: maria = '', ...rest } = secrets;
    const withPassword = (url: string, secret: string) => url.replace('@', `:${encodeURIComponent(secret)}@`);
    return {
      env: {
        ...rest,
        BACKUP_SOURCE_PG: withPassword(plain.BACKUP_SOURCE_PG ?? '', pg),
        BACKUP_SOURCE_MARIA: withPassword(plain.BACKUP_SOURCE_MARIA ?? '', maria),
      },
    };
  },
} as const;

const ENCRYPTED = { BACKUP_AGE_RECIPIENTS: recipient(), BACKUP_MANIFEST_PRIVATE: 'true' };

const EVERY_VERB: readonly (readonly [Verb, ...string[]])[] = [
  ['backup'],
  ['list'],
  ['restore', 'latest', '--source', 'pg'],
  ['restore', 'latest', '--source', 'maria'],
  ['restore', '--undo', '--source', 'pg'],
  ['restore', '--undo', '--source', 'maria'],
  ['drill'],
  ['status'],
  ['cleanup', '--dry-run'],
  ['cleanup'],
  ['keygen'],
  ['notify-test'],
];

describe('a secret is shown by no verb that succeeds', { skip: missing, concurrency: 2 }, () => {
  for (const [way, format, encryption] of [
    ['the environment', 'text', ENCRYPTED],
    ['files (_FILE)', 'json', {}],
    ['.env', 'json', ENCRYPTED],
    ['the URL of the source', 'text', {}],
  ] as const) {
    test(`given by ${way} (${format})`, async () => {
      const it = await scene(encryption);
      const { env, dotenv } = { dotenv: '', ...WAYS[way](it) };
      for (const [verb, ...args] of EVERY_VERB) {
        const words = format === 'json' ? [...args, '--json'] : args;
        const outcome = await done(verb, words, { ...it.plain, ...env }, { dotenv });
        assertSilent(`${verb} ${args.join(' ')}`, outcome);
      }
      assert.ok(it.double.objects.size >= 10);
      for (const [key, { bytes }] of it.double.objects) {
        assert.deepEqual(canariesIn(key + readable(key, bytes)), [], key);
        assert.ok(!readable(key, bytes).includes(ACCESS_KEY), key);
      }
      for (const file of filesIn(it.temporary))
        assert.deepEqual(canariesIn(readFileSync(join(it.temporary, file), 'latin1')), [], file);
    });
  }
});

describe('a secret is shown by no verb that fails', { skip: missing, concurrency: 2 }, () => {
  const dead = 'http://127.0.0.1:9';
  const other = 'AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ';
  const cases: readonly (readonly [what: string, code: number, env: Record<string, string>, ...Verb[]])[] = [
    ['wrong passwords', 1, { [SECRETS.PG]: CANARY.s3Secret, [SECRETS.MARIA]: CANARY.s3Secret }, 'backup', 'restore'],
    [
      'servers that are gone',
      1,
      { BACKUP_SOURCE_PG: 'postgres://u@127.0.0.1:9/d', BACKUP_SOURCE_MARIA: 'mariadb://u@127.0.0.1:9/d' },
      'backup',
      'restore',
    ],
    ['a store that is gone', 1, { S3_ENDPOINT: dead }, 'backup', 'list', 'restore', 'drill', 'status', 'cleanup'],
    ['a key that the store does not know', 1, { S3_ACCESS_KEY: CANARY.discord }, 'backup', 'list', 'drill'],
    [
      'nobody who can be told',
      1,
      {
        HEARTBEAT_URL: `${dead}/${CANARY.heartbeat}`,
        NOTIFY_URL: `${dead.replace('//', `//me:${CANARY.webhookPassword}@`)}/${CANARY.webhookToken},ntfy+http://:${CANARY.ntfy}@127.0.0.1:9/x,smtp://backup:${CANARY.smtp}@127.0.0.1:9/?from=a@b.c&to=a@b.c`,
        BACKUP_SOURCE_PG: 'postgres://u@127.0.0.1:9/d',
      },
      'notify-test',
      'backup',
    ],
    [
      'values that are wrong',
      2,
      {
        BACKUP_AGE_IDENTITY: CANARY.webhookToken,
        BACKUP_AGE_RECIPIENTS: `${recipient()},${CANARY.identity}`,
        NOTIFY_URL: `bad://${CANARY.slack}, slack://${CANARY.slack}, smtp://a:${CANARY.smtp}@`,
        HEARTBEAT_URL: CANARY.heartbeat,
        BACKUP_SOURCE_PG: `postgres://u:${CANARY.postgres}@h:99999/d`,
        BACKUP_SOURCE_MARIA: `mariadb://u:${CANARY.webhookPassword}@h/d?what=1`,
        BACKUP_SOURCE_LOST_PASSWORD: CANARY.telegram,
        S3_SECRET_KEY_FILE: '/nowhere',
      },
      'backup',
      'status',
      'keygen',
    ],
    ['an identity that opens nothing', 1, { BACKUP_AGE_IDENTITY: other }, 'restore', 'drill'],
  ];
  for (const [what, code, wrong, ...verbs] of cases) {
    test(what, async () => {
      const it = await scene(ENCRYPTED);
      const env = { ...it.plain, ...it.secrets };
      await done('backup', [], env);
      for (const [i, verb] of verbs.entries()) {
        const args = verb === 'restore' ? ['latest', '--source', i % 2 === 0 ? 'maria' : 'pg'] : [];
        for (const format of [[], ['--json']]) {
          const outcome = await runVerb(verb, [...args, ...format], { ...env, ...wrong });
          assert.equal(outcome.code, code, `${verb}: ${outcome.stdout}${outcome.stderr}`);
          assertSilent(`${verb} with ${what}`, outcome);
        }
      }
      for (const [key, { bytes }] of it.double.objects) assert.deepEqual(canariesIn(readable(key, bytes)), [], key);
    });
  }
});

describe('after all of that', { skip: missing }, () => {
  test('nobody was told the secret of another, or a secret in words', () => {
    for (const [name, { requests }] of Object.entries(told.receivers)) {
      assert.ok(requests.length >= 8, `${name} got ${requests.length}`);
      const own = OWN[name as keyof typeof OWN];
      for (const { path, headers, body } of requests) {
        assert.deepEqual(canariesIn(body), [], body);
        const { authorization = '', ...others } = headers;
        const basic = Buffer.from(authorization.replace(/^Basic /, ''), 'base64').toString();
        assert.deepEqual(
          canariesIn([path, basic, JSON.stringify(others)].join('\n')).filter((canary) => !own.includes(canary)),
          [],
        );
      }
    }
    assert.ok(told.smtp.mails.length >= 8);
    for (const { raw } of told.smtp.mails) assert.deepEqual(canariesIn(raw), []);
  });

  test('no command line of any process had one, and each environment at most the one that it needs', async () => {
    const sightings = await watch.stop();
    const seen = (program: RegExp) => sightings.filter(({ commandLine }) => program.test(commandLine));
    const needs: readonly (readonly [RegExp, readonly Canary[]])[] = [
      // with what becomes one of them
      [/^(bash --norc -c exec .*)?(\S*stdbuf -o1M )?\S*(pg_dump|psql) /, ['postgres']],
      [/mariadb(-dump)? .*--no-defaults .*--user=/, ['mariadb']],
      [OURSELVES, Object.keys(CANARY) as Canary[]],
    ];
    for (const { commandLine, environment } of sightings) {
      assert.deepEqual(canariesIn(commandLine), [], commandLine);
      const allowed = needs.flatMap(([program, canaries]) => (program.test(commandLine) ? canaries : []));
      assert.deepEqual(
        canariesIn(environment).filter((canary) => !allowed.includes(canary)),
        [],
        commandLine,
      );
      if (!OURSELVES.test(commandLine)) assert.ok(!environment.includes(ACCESS_KEY), commandLine);
    }
    // that it looked, and at all of them
    for (const program of [
      'pg_dump',
      'psql',
      'mariadb-dump',
      'mariadb',
      'perl',
      'age',
      'bash',
      'initdb',
      'mariadbd',
      'tar',
    ])
      assert.ok(seen(new RegExp(`^\\S*${program} `)).length > 0, `${program} was never seen`);
    for (const canary of ['postgres', 'mariadb'] as const)
      assert.ok(
        sightings.some((one) => !OURSELVES.test(one.commandLine) && canariesIn(one.environment).includes(canary)),
      );
  });
});
