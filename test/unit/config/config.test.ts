import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { configure, resolveConfig } from '../../../scripts/lib/config/config.ts';
import { OperatorError } from '../../../scripts/lib/errors.ts';
import { placeOf } from '../../../scripts/lib/source.ts';
import { redact } from '../../../scripts/lib/terminal/log.ts';
import { databasesOf } from '../../support/sources.ts';

function problemsOf(environment: Record<string, string>): string[] {
  try {
    configure(environment);
  } catch (error) {
    assert.ok(error instanceof OperatorError && error.code === 'CONFIG' && error.exitCode === 2, String(error));
    const [first = '', ...several] = error.message.split('\n');
    return several.length > 0 ? several : [first.replace('the configuration is wrong: ', '  - ')];
  }
  return [];
}

test('nothing has to be set: the defaults are those of the contract', () => {
  const {
    values,
    sources,
    repository: { storage, prefix },
    retention,
  } = configure({});
  assert.equal(sources.length, 1);
  const { name, engine, host, port, database, user, password, format, compression } =
    databasesOf({ sources })[0] ?? assert.fail();
  assert.deepEqual(
    { name, engine, host, port, database, user, password, format, compression },
    {
      name: 'myapp',
      engine: 'postgres',
      host: 'postgres',
      port: 5432,
      database: 'myapp',
      user: 'postgres',
      password: undefined,
      format: 'sql',
      compression: { method: 'gzip' },
    },
  );
  assert.deepEqual(storage, {
    kind: 's3',
    region: 'garage',
    bucket: 'backups',
    connectTimeoutMs: 15_000,
    silenceMs: 120_000,
  });
  assert.equal(prefix, '');
  assert.deepEqual(retention, {
    keepLast: 3,
    keepHourly: 24,
    keepDaily: 7,
    keepWeekly: 4,
    keepMonthly: 6,
    keepYearly: 2,
    minBackups: 1,
    protectDays: 7,
  });
  assert.equal(values.BACKUP_TIMEOUT, 6 * 3_600_000);
  assert.equal(values.RETENTION_DRY_RUN, false);
  assert.equal(values.BACKUP_SCHEDULE.text, '@hourly');
  assert.equal(values.DRILL_MAX_AGE, 8 * 86_400_000);
  assert.equal(values.RPO_TARGET, undefined);
});

test('an empty source is refused, for who wrote it believes that it is backed up; an empty copy and key are told of', () => {
  const shop = { BACKUP_SOURCE_SHOP: 'postgres://u@h/d' };
  assert.deepEqual(problemsOf({ ...shop, BACKUP_SOURCE_BLOG: '' }), [
    '  - BACKUP_SOURCE_BLOG is empty, and nothing would be backed up for it: give it a URL, or remove it',
  ]);
  assert.equal(problemsOf({ BACKUP_SOURCE_BLOG: '' }).length, 1);
  assert.match(
    problemsOf({ ...shop, PITR_SERVER_A: '' }).join(),
    /PITR_SERVER_A is empty, and nothing would be received/,
  );
  const said = ['PASSWORD', 'PASSWORD_FILE', 'EXCLUDE_TABLE', 'RETENTION_KEEP_LAST', 'RPO_TARGET', 'FILE'];
  assert.deepEqual(
    problemsOf({ ...shop, ...Object.fromEntries(said.map((name) => [`BACKUP_SOURCE_SHOP_${name}`, ''])) }),
    [],
  );
  const { settings } = resolveConfig({ ...shop, COPY_NAS: '', COPY_NAS_SECRET_KEY: '', BACKUP_AGE_RECIPIENTS: '' });
  assert.deepEqual(
    settings.warnings.map((warning) => warning.split(':')[0]),
    ['COPY_NAS is empty', 'BACKUP_AGE_RECIPIENTS is empty'],
  );
});

test('what is understood, and has another effect than its owner may believe, is told of', () => {
  const warningsOf = (environment: Record<string, string>) => resolveConfig(environment).settings.warnings.join();
  const one = { BACKUP_EXCLUDE_TABLE: 'audit', BACKUP_EXCLUDE_SCHEMA: 'scratch' };
  assert.equal(warningsOf(one), '');
  assert.match(
    warningsOf({ ...one, BACKUP_SOURCE_SHOP: 'postgres://u@h/d' }),
    /BACKUP_EXCLUDE_TABLE leaves nothing out.*write BACKUP_SOURCE_<NAME>_EXCLUDE_TABLE,.*BACKUP_EXCLUDE_SCHEMA/,
  );
  for (const [window, says] of [
    ['6m', /PITR_WINDOW 6m is less than an hour.*180d/],
    ['59m59s', /less than an hour/],
    ['1h', /^$/],
    ['7d', /^$/],
  ] as const)
    assert.match(warningsOf({ PITR: 'true', PITR_WINDOW: window }), says, window);
});

test('an empty value is no value, as compose passes on what is not set', () => {
  assert.deepEqual(problemsOf({ POSTGRES_PORT: '', S3_ENDPOINT: '', S3_SECRET_KEY: '', S3_SECRET_KEY_FILE: '' }), []);
});

test('BACKUP_DIR wins over S3', () => {
  const { repository } = configure({ BACKUP_DIR: '/backups', S3_ENDPOINT: 'http://garage:3900' });
  assert.deepEqual(repository.storage, { kind: 'directory', path: '/backups' });
});

test('an address that holds the bucket too is refused: objects would lie below a name of its own', () => {
  for (const S3_ENDPOINT of ['https://shop.s3.eu-central-1.amazonaws.com', 'https://store.example.org/shop']) {
    assert.match(problemsOf({ S3_ENDPOINT, S3_BUCKET: 'shop' }).join(), /S3_ENDPOINT .*leave shop out/);
    assert.deepEqual(problemsOf({ S3_ENDPOINT, S3_BUCKET: 'other' }), []);
  }
});

test('keys in the address of a store are refused, and shown nowhere', () => {
  const own = problemsOf({ S3_ENDPOINT: 'https://key:canary@store.example.org' }).join();
  const copy = problemsOf({ COPY_X: 's3://b/p?endpoint=https://key:canary@store.example.org' }).join();
  for (const said of [own, copy]) {
    assert.match(said, /holds keys/);
    assert.doesNotMatch(said, /canary/);
  }
});

const WRONG = {
  POSTGRES_VERSION: ['latest', '9', '18.1', '-1'],
  POSTGRES_PORT: ['0', '65536', '5432 ', '0x10', '1e3', '५'],
  PGSSLMODE: ['yes', 'Prefer'],
  BACKUP_SCHEDULE: ['0 * * *', '@often', '@every', '@every soon', 'x x x x x x', '61 * * * * *', '0 0 0 1 1 * *'],
  // longer steps than there are minutes, and Amazon's dialect with a year at its end
  COPY_SCHEDULE: ['*/90 * * * *', '0 */36 * * *', '0 2 * * ? *', '0 2 ? * * *'],
  CLEANUP_SCHEDULE: ['hourly'],
  DRILL_SCHEDULE: [' '],
  S3_ENDPOINT: [
    'garage:3900',
    'ftp://x',
    'http//x',
    '//x',
    'https://s3.example.com/?region=eu',
    'https://s3.example.com/#b',
  ],
  S3_BUCKET: ['s3://backups', 'backups/prod', '/backups', 'backups ', 'https://store/backups'],
  BACKUP_DIR: ['~/backups', '~', 'file:///mnt/backups', 's3://backups', ' /mnt/backups', '/mnt/backups\n'],
  S3_PREFIX: ['..', 'a/../b', 'a//b', './a', 'prod\n', ' prod', 'a\tb'],
  RETENTION_KEEP_LAST: ['-2', '1.5', 'all', '9'.repeat(400)],
  RETENTION_MIN_BACKUPS: ['-1', 'unlimited'],
  RETENTION_DRY_RUN: ['maybe', '2', 'tru'],
  BACKUP_FORMAT: ['SQL', 'csv'],
  BACKUP_COMPRESSION: ['bzip2', 'gzip:', 'gzip:10', 'zstd:0', 'zstd:20', 'none:1', 'gzip:-1'],
  BACKUP_JOBS: ['0', '65'],
  BACKUP_PARALLEL_SOURCES: ['0', '65', '2.5', 'all'],
  BACKUP_TIMEOUT: ['6', '0s', '1.5h', '-1h', '25d', '6H'],
  RTO_TARGET: ['fast'],
  RESTORE_PROTECT_DAYS: ['7d'],
  NOTIFY_ON: ['success'],
  LOG_FORMAT: ['xml'],
  TZ: ['Mars', 'CET-1CEST', 'europe/berlin', 'EUROPE/BERLIN', 'us/eastern'],
  S3_FORCE_PATH_STYLE: ['virtual'],
  S3_STORAGE_CLASS: ['standard', 'DEEP_ARCHIVE'],
  BACKUP_SOURCE_A: [
    'nonsense',
    'oracle://h/d',
    'postgres://h',
    'postgres:///d',
    'postgres://h/d?jobs=2',
    'postgres://h/%zz',
    'postgres://h:99999/d',
    'postgres://h/d?format=csv',
    'postgres://h/d#1',
    'mariadb://h/d#1',
    'postgres://h/my\tdata',
    'postgres://h/my\ndata',
    'postgres://h/d?sslmode=disable&sslmode=allow',
  ],
  BACKUP_SOURCE_F: [
    'file://data/uploads',
    'file:///',
    'file:///data/..',
    'file:///data/a#b',
    'file:///data/a%00b',
    'file:///data/100%',
    'file:///data?format=sql',
    'file:///data?format=custom',
    'file:///data?compression=lz4',
    'file:///data?sslmode=require',
  ],
  BACKUP_SOURCE__A: ['postgres://h/d'],
  BACKUP_SOURCE_A__B: ['postgres://h/d'],
  BACKUP_SOURCE_Ä: ['postgres://h/d'],
  'BACKUP_SOURCE_A-B': ['postgres://h/d'],
} as const;

for (const [name, texts] of Object.entries(WRONG)) {
  for (const text of texts) {
    test(`${name}=${text} is a problem, the only one, and says what is wanted`, () => {
      const problems = problemsOf({ [name]: text });
      assert.equal(problems.length, 1, problems.join());
      assert.ok(problems[0]?.startsWith(`  - ${name}`), problems[0]);
      assert.ok((problems[0]?.length ?? 0) > name.length + text.length + 15, problems[0]);
    });
  }
}

test('all problems are told in one message', () => {
  const wrong = Object.fromEntries(Object.entries(WRONG).map(([name, [text]]) => [name, text]));
  const problems = problemsOf({ ...wrong, S3_ACCESS_KEY: 'alone' }).join('\n');
  for (const name of [...Object.keys(wrong), 'S3_ACCESS_KEY']) assert.ok(problems.includes(`- ${name}`), name);
});

test('a secret is read from its file, without the line break at the end, and only from one place', () => {
  const folder = mkdtempSync(join(tmpdir(), 'config-test-'));
  try {
    const file = join(folder, 'secret');
    for (const [content, secret] of [
      ['p$a#s s\n', 'p$a#s s'],
      ['two\nlines\r\n', 'two\nlines'],
      [' spaces stay ', ' spaces stay '],
      ['one\n\n', 'one'],
      ['\uFEFFone\r\n', 'one'],
    ]) {
      writeFileSync(file, content ?? '');
      assert.equal(databasesOf(configure({ POSTGRES_PASSWORD_FILE: file }))[0]?.password, secret);
      const sourced = configure({ BACKUP_SOURCE_A: 'postgres://h/d', BACKUP_SOURCE_A_PASSWORD_FILE: file });
      assert.equal(databasesOf(sourced)[0]?.password, secret);
    }
    const both = problemsOf({ POSTGRES_PASSWORD_FILE: file, POSTGRES_PASSWORD: 'x' });
    assert.match(both.join(), /POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are both set/);
    assert.match(problemsOf({ S3_SECRET_KEY_FILE: join(folder, 'gone') }).join(), /S3_SECRET_KEY_FILE: .*ENOENT/);
    writeFileSync(file, 'owner\n');
    assert.equal(
      databasesOf(configure({ POSTGRES_USER_FILE: file }))[0]?.user,
      'owner',
      'what is no secret is read too',
    );
    writeFileSync(file, 'postgres://u@h/d\n');
    assert.equal(databasesOf(configure({ BACKUP_SOURCE_A_FILE: file }))[0]?.database, 'd', 'a source too');
    assert.equal(configure({ BACKUP_SOURCE_A_FILE: 'postgres://u@h/d' }).sources[0]?.name, 'a-file');
    for (const [content, said] of [
      ['', /POSTGRES_PASSWORD_FILE: .* is empty/],
      ['\n', /is empty/],
      [Buffer.from('\uFEFFsecret', 'utf16le'), /NUL bytes.*UTF-8/],
    ] as const) {
      writeFileSync(file, content);
      assert.match(problemsOf({ POSTGRES_PASSWORD_FILE: file }).join(), said);
    }
    assert.match(problemsOf({ POSTGRES_PASSWORD_FILE: folder }).join(), /is a folder; Docker makes one/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a source is its URL, with what it does not say from the other variables', () => {
  const { sources } = configure({
    POSTGRES_USER: 'backup',
    BACKUP_COMPRESSION: 'zstd',
    BACKUP_SOURCE_MY_SHOP_2: 'postgres://h/d',
    BACKUP_SOURCE_B: 'postgresql://a%40b:p%2Fw@[::1]:6543/a%2Fb%20%C3%B6?format=custom&compression=gzip:9',
    BACKUP_SOURCE_C: 'postgres://u@h/*',
    BACKUP_SOURCE_C_PASSWORD: 'pw-of-c',
  });
  const shown = databasesOf({ sources }).map(({ name, host, port, database, user, password, format, compression }) => ({
    ...{ name, host, port, database, user, password, format, compression },
  }));
  const gzip9 = { method: 'gzip', level: 9 };
  const zstd = { method: 'zstd' };
  assert.deepEqual(shown, [
    {
      name: 'b',
      host: '::1',
      port: 6543,
      database: 'a/b ö',
      user: 'a@b',
      password: 'p/w',
      format: 'custom',
      compression: gzip9,
    },
    {
      name: 'c',
      host: 'h',
      port: 5432,
      database: '*',
      user: 'u',
      password: 'pw-of-c',
      format: 'sql',
      compression: zstd,
    },
    {
      name: 'my-shop-2',
      host: 'h',
      port: 5432,
      database: 'd',
      user: 'backup',
      password: undefined,
      format: 'sql',
      compression: zstd,
    },
  ]);
});

test('a folder is its path, and is compressed by zstd unless it or BACKUP_COMPRESSION says otherwise', () => {
  const read = (more: Record<string, string>) =>
    configure({ BACKUP_FORMAT: 'custom', BACKUP_SOURCE_A: 'file:///data/my%20up%23loads/%C3%B6/', ...more }).sources;
  const [folder] = read({});
  assert.deepEqual(
    [folder?.name, folder?.engine, folder && placeOf(folder), folder?.format, folder?.compression],
    ['a', 'files', '/data/my up#loads/ö', 'tar', { method: 'zstd' }],
  );
  assert.deepEqual(read({ BACKUP_COMPRESSION: 'gzip' })[0]?.compression, { method: 'gzip' });
  const own = read({ BACKUP_COMPRESSION: 'gzip', BACKUP_SOURCE_A: 'file:///a?compression=zstd:9&format=tar' });
  assert.deepEqual(own[0]?.compression, { method: 'zstd', level: 9 });
  assert.match(problemsOf({ BACKUP_SOURCE_A: 'file:///a', BACKUP_SOURCE_A_PASSWORD: 'x' }).join(), /has no password/);
});

test('two sources of one name, two passwords of one source, and a password of none are problems', () => {
  const url = 'postgres://h/d';
  assert.match(problemsOf({ BACKUP_SOURCE_A_B: url, BACKUP_SOURCE_a_b: url }).join(), /both named a-b/);
  assert.match(
    problemsOf({ BACKUP_SOURCE_A: 'postgres://u:canary-1@h/d', BACKUP_SOURCE_A_PASSWORD: 'canary-2' }).join(),
    /holds a password, and BACKUP_SOURCE_A_PASSWORD is set too/,
  );
  assert.match(problemsOf({ BACKUP_SOURCE_A_PASSWORD: 'x' }).join(), /BACKUP_SOURCE_A is not/);
});

test('no problem shows a secret', () => {
  const problems = problemsOf({
    BACKUP_SOURCE_A: 'postgres://u:canary-in-url@h',
    BACKUP_SOURCE_B: 'oracle://u:canary-in-url@h/d',
    BACKUP_SOURCE_C: 'not a url canary-in-url',
    POSTGRES_PASSWORD: 'canary-in-variable',
    HEARTBEAT_URL: 'canary-in-heartbeat',
    // the secret half of a pair where its public half belongs
    BACKUP_AGE_RECIPIENTS: 'AGE-SECRET-KEY-1canary',
  });
  assert.match(problems.join(), /BACKUP_AGE_RECIPIENTS: holds an identity, which is secret/);
  assert.ok(problems.length >= 3);
  assert.doesNotMatch(problems.join('\n'), /canary/);
});

test('the passwords of the configuration are never printed', () => {
  configure({
    BACKUP_SOURCE_A: 'postgres://u:first%2Fcanary@h/d',
    BACKUP_SOURCE_B: 'postgres://u@h/d',
    BACKUP_SOURCE_B_PASSWORD: 'second "canary"',
    S3_ACCESS_KEY: 'third-canary',
    S3_SECRET_KEY: 'fourth-canary',
  });
  const text =
    'first/canary first%2Fcanary second "canary" second \\"canary\\" second%20%22canary%22 third-canary fourth-canary';
  assert.doesNotMatch(redact(text), /canary/);
});

test('the configuration cannot be changed', () => {
  const config = configure({});
  assert.throws(() => Object.assign(config.retention, { keepLast: 0 }), TypeError);
  assert.throws(() => Object.assign(config.sources[0] ?? {}, { database: 'other' }), TypeError);
});

test('an env file that only the container was given, and Compose itself was not, is refused', () => {
  const file = { COMPOSE_READ: 'prod.env', BACKUP_ENV_FILE: 'prod.env' };
  assert.doesNotThrow(() => configure(file));
  assert.doesNotThrow(() => configure({ COMPOSE_READ: '.env' }));
  assert.throws(() => configure({ COMPOSE_READ: 'prod.env' }), /docker compose --env-file prod\.env up/);
});

describe('the servers whose log is taken', () => {
  const serversOf = (environment: Record<string, string>) =>
    configure(environment).servers.map(({ name, source }) => [
      name,
      source.host,
      source.port,
      source.user,
      source.database,
      source.password,
    ]);
  test('none without PITR; with it the one of POSTGRES_*, in a database that nobody restores', () => {
    const environment = { POSTGRES_HOST: 'db', POSTGRES_USER: 'me', POSTGRES_DB: 'shop', POSTGRES_PASSWORD: 'secret' };
    assert.deepEqual(serversOf(environment), []);
    assert.deepEqual(serversOf({ ...environment, PITR: 'true' }), [['db', 'db', 5432, 'me', 'postgres', 'secret']]);
  });
  test('each server once, however many of its databases are sources, and folders and MariaDB not at all', () => {
    assert.deepEqual(
      serversOf({
        PITR: 'true',
        BACKUP_SOURCE_A: 'postgres://u@h/a',
        BACKUP_SOURCE_B: 'postgres://v@h/b',
        BACKUP_SOURCE_C: 'postgres://v@h:5433/*',
        BACKUP_SOURCE_D: 'mariadb://v@m/d',
        BACKUP_SOURCE_E: 'file:///data/e',
      }).map(([name, , , user]) => [name, user]),
      [
        ['h', 'u'],
        ['h-5433', 'v'],
      ],
    );
  });
  test('none where no source is PostgreSQL: of that it is told, since MariaDB and folders are backed up all the same', () => {
    const { config, settings } = resolveConfig({ PITR: 'true', BACKUP_SOURCE_D: 'mariadb://v@m/d' });
    assert.deepEqual(config.servers, []);
    assert.match(
      settings.warnings.join('\n'),
      /PITR is on, and no source is PostgreSQL.*PITR_SERVER_<NAME>.*PITR=false/,
    );
  });
  test('one that is named has a role of its own, and is not taken twice', () => {
    assert.deepEqual(
      serversOf({
        PITR: 'true',
        BACKUP_SOURCE_A: 'postgres://u@h/a',
        PITR_SERVER_MAIN_ONE: 'postgres://replicator@h:5432',
        PITR_SERVER_MAIN_ONE_PASSWORD: 'secret',
      }),
      [['main-one', 'h', 5432, 'replicator', 'postgres', 'secret']],
    );
  });
  test('what cannot be taken is refused, with what to write', () => {
    const cases: [Record<string, string>, RegExp][] = [
      [
        { PITR_SERVER_A: 'postgres://u@h/shop' },
        /PITR_SERVER_A: names a database, and a log is that of the whole server/,
      ],
      [{ PITR_SERVER_A: 'mariadb://u@h' }, /PITR_SERVER_A: is MariaDB, whose log is not taken yet/],
      [{ PITR_SERVER_A: 'db' }, /PITR_SERVER_A: wants a URL such as postgres:\/\/user@host:5432/],
      [
        { PITR_SERVER_A: 'postgres://u@h', PITR_SERVER_B: 'postgres://v@h:5432' },
        /PITR_SERVER_B: is the same server as PITR_SERVER_A/,
      ],
      [{ PITR_SERVER_A_PASSWORD: 'x' }, /PITR_SERVER_A_PASSWORD is set, but PITR_SERVER_A is not/],
      [{ PITR_INTERVAL: '100d' }, /PITR_INTERVAL "100d": wants a duration from 1s to 1h/],
      [{ PITR_SLOT_LIMIT: '1M' }, /PITR_SLOT_LIMIT "1M": wants bytes such as 500M or 10G, at least 64M/],
    ];
    for (const [environment, message] of cases) assert.throws(() => configure(environment), message);
  });
});
