import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { configure } from '../../../scripts/lib/config/config.ts';
import { EXCEPTIONS, foreignName } from '../../../scripts/lib/config/foreign-names.ts';
import { resolveSettings } from '../../../scripts/lib/config/settings.ts';
import { VARIABLES } from '../../../scripts/lib/config/variables.ts';
import { OperatorError } from '../../../scripts/lib/errors.ts';
import { databasesOf } from '../../support/sources.ts';

type Env = Record<string, string>;

function problemsOf(environment: Env): string[] {
  try {
    configure(environment);
  } catch (error) {
    assert.ok(error instanceof OperatorError && error.code === 'CONFIG', String(error));
    const [first = '', ...several] = error.message.split('\n');
    return several.length > 0 ? several : [first.replace('the configuration is wrong: ', '  - ')];
  }
  return [];
}
const warningsOf = (environment: Env) => resolveSettings(environment, []).warnings;

describe('a variable that is nearly one of ours', () => {
  for (const [written, meant] of [
    ['BACKUP_AGE_RECIPIENT', 'BACKUP_AGE_RECIPIENTS'],
    ['BACKUP_AGE_RECEPIENTS', 'BACKUP_AGE_RECIPIENTS'],
    ['BACKUP_AGE_RECIPIENT_FILE', 'BACKUP_AGE_RECIPIENTS'],
    ['BAKCUP_AGE_RECIPIENTS', 'BACKUP_AGE_RECIPIENTS'],
    ['backup_age_recipients', 'BACKUP_AGE_RECIPIENTS'],
    ['BACKUP-AGE-RECIPIENTS', 'BACKUP_AGE_RECIPIENTS'],
    ['BACKUP_SOURCES_APP', 'BACKUP_SOURCE_APP'],
    ['BACKUP_SORCE_APP', 'BACKUP_SOURCE_APP'],
    ['BACKUPSOURCE_APP', 'BACKUP_SOURCE_APP'],
    ['RETENTION_KEEP_DALIY', 'RETENTION_KEEP_DAILY'],
    ['RETENTION_KEEP_DAYLY', 'RETENTION_KEEP_DAILY'],
    ['RETENTON_DRYRUN', 'RETENTION_DRY_RUN'],
    ['BACKUP_SHEDULE', 'BACKUP_SCHEDULE'],
    ['S3_ENPOINT', 'S3_ENDPOINT'],
    ['S3_BUKET', 'S3_BUCKET'],
    ['POSTGRES_PASSWROD', 'POSTGRES_PASSWORD'],
    ['POSTGRES_DATABSE', 'POSTGRES_DATABASE'],
    ['NOTIFY_URLS', 'NOTIFY_URL'],
    ['RPO_TARGETS', 'RPO_TARGET'],
    ['STORAGE_TIMOUT', 'STORAGE_TIMEOUT'],
    ['CONNECT_TIMEOUTS', 'CONNECT_TIMEOUT'],
    ['PGSSL_MODE', 'PGSSLMODE'],
  ] as const) {
    test(`${written} is refused, and ${meant} offered`, () => {
      const problems = problemsOf({ [written]: 'x' });
      assert.equal(problems.length, 1, problems.join());
      assert.ok(problems[0]?.includes(`${written} is no variable of this program; is ${meant} meant?`), problems[0]);
    });
  }

  test('all of them are told in one message, beside the values that are wrong', () => {
    const problems = problemsOf({ BACKUP_AGE_RECIPIENT: 'x', RETENTION_KEEP_DALIY: '3', POSTGRES_PORT: 'x' });
    assert.equal(problems.length, 3);
  });

  test('is passed over where BACKUP_IGNORE_VARIABLES says that it is another program’s', () => {
    const env = { S3_BUCKETS: 'a,b', PAGE_SIZE: '10', BACKUP_IGNORE_VARIABLES: 'PAGE_SIZE, S3_BUCKETS' };
    assert.deepEqual(problemsOf(env), []);
    assert.deepEqual(warningsOf(env), []);
  });
});

test('a source’s URL, or a word of encryption, in a variable of our prefix that nobody reads is refused', () => {
  assert.match(problemsOf({ BACKUP_DATABASE_URL: 'postgres://u@h/d' }).join(), /BACKUP_SOURCE_<NAME> meant/);
  assert.match(problemsOf({ BACKUP_SOURCE: 'postgres://u@h/d' }).join(), /BACKUP_SOURCE/);
  for (const name of ['BACKUP_ENCRYPTION_KEY', 'BACKUP_GPG_RECIPIENT', 'S3_SSE', 'BACKUP_PASSPHRASE']) {
    assert.match(problemsOf({ [name]: 'x' }).join(), /encrypts nothing/, name);
  }
});

test('other names of our prefixes are told of once, in one line, and stop nothing', () => {
  const env = { BACKUP_FOO: '1', S3_ADDRESSING: 'x', BASE_URL: 'https://example.org', GUNICORN_TIMEOUT: '3' };
  assert.deepEqual(problemsOf(env), []);
  const warnings = warningsOf(env);
  assert.equal(warnings.length, 1);
  for (const name of Object.keys(env)) assert.ok(warnings[0]?.includes(name), name);
});

test('what other programs have in a shared .env is no slip of ours', () => {
  const env = {
    POSTGRES_DB2: 'x',
    POSTGRES_INITDB_ARGS: '--data-checksums',
    POSTGRES_HOST_AUTH_METHOD: 'trust',
    POSTGRES_SERVICE_HOST: '10.0.0.1',
    BACKUP_PORT_8080_TCP_ADDR: '10.0.0.1',
    PGOPTIONS: '-c x=y',
    PGSERVICE: 'none',
    PGCONNECT_TIMEOUT: '3',
    GARAGE_RPC_SECRET: 'x',
    MARIADB_DATABASE: 'x',
    COMPOSE_HTTP_TIMEOUT: '60',
    PIP_DEFAULT_TIMEOUT: '60',
    BACKUP_ENV_FILE: '.env',
    DATABASE_URL: 'postgres://x',
    NODE_ENV: 'development',
  };
  assert.deepEqual(problemsOf(env), []);
  assert.deepEqual(warningsOf(env), []);
});

describe('encryption of another tool', () => {
  for (const name of [
    'PASSPHRASE',
    'GPG_PASSPHRASE',
    'AGE_PUBLIC_KEYS',
    'AGE_PASSPHRASE',
    'AGE_RECIPIENTS',
    'GPG_PUBLIC_KEY_RING',
    'DB01_ENCRYPT_PASSPHRASE',
    'DEFAULT_ENCRYPT',
  ]) {
    test(`${name} without BACKUP_AGE_RECIPIENTS is refused: backups would be plain text`, () => {
      assert.match(problemsOf({ [name]: 'true' }).join(), /plain text; set BACKUP_AGE_RECIPIENTS/);
      const key = 'age1qsudcjvhcunnktlx7xug7zppvfxjjllzdl8azmydmu5s5nv40vxqmr0gud';
      assert.deepEqual(problemsOf({ [name]: 'true', BACKUP_AGE_RECIPIENTS: key }), []);
    });
  }
  test('and a plain no to it is none', () => assert.deepEqual(problemsOf({ DEFAULT_ENCRYPT: 'FALSE' }), []));
});

describe('names that users of other tools have', () => {
  test('libpq’s are read where ours are unset, and ours win without a word', () => {
    const env = { PGHOST: 'h', PGPORT: '6543', PGDATABASE: 'd', PGUSER: 'u', PGPASSWORD: 'p' };
    const [read] = databasesOf(configure(env));
    assert.deepEqual([read?.host, read?.port, read?.database, read?.user, read?.password], ['h', 6543, 'd', 'u', 'p']);
    const [own] = databasesOf(configure({ ...env, POSTGRES_HOST: 'own', POSTGRES_PASSWORD: 'secret' }));
    assert.deepEqual([own?.host, own?.password], ['own', 'secret']);
    assert.deepEqual(warningsOf({ ...env, POSTGRES_HOST: 'own' }), []);
  });

  test('PGPASSFILE has the password of a source without one', () => {
    const folder = mkdtempSync(join(tmpdir(), 'pgpass-'));
    const PGPASSFILE = join(folder, 'pgpass');
    writeFileSync(PGPASSFILE, '# mine\nother:5432:*:*:no\ndb:5432:my\\:app:*:p\\:w\\\\x\n*:*:*:backup:other\n');
    try {
      assert.equal(
        databasesOf(configure({ PGPASSFILE, POSTGRES_HOST: 'db', POSTGRES_DB: 'my:app' }))[0]?.password,
        'p:w\\x',
      );
      assert.equal(
        databasesOf(configure({ PGPASSFILE, BACKUP_SOURCE_A: 'postgres://backup@h/d' }))[0]?.password,
        'other',
      );
      assert.equal(databasesOf(configure({ PGPASSFILE }))[0]?.password, undefined);
      assert.equal(databasesOf(configure({ PGPASSFILE: '/nothing' }))[0]?.password, undefined);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('S3_ACCESS_KEY_ID, POSTGRES_DATABASE and their like are read, and refused when ours say something else', () => {
    const {
      repository: { storage },
      sources,
    } = configure({
      S3_ACCESS_KEY_ID: 'k',
      S3_SECRET_ACCESS_KEY: 's',
      POSTGRES_DATABASE: 'shop',
    });
    assert.ok(storage.kind === 's3');
    assert.deepEqual([storage.accessKey, storage.secretKey, databasesOf({ sources })[0]?.database], ['k', 's', 'shop']);
    assert.match(
      problemsOf({ POSTGRES_DATABASE: 'a', POSTGRES_DB: 'b' }).join(),
      /POSTGRES_DATABASE .* different values/,
    );
    assert.deepEqual(problemsOf({ POSTGRES_DATABASE: 'a', POSTGRES_DB: 'a' }), []);
    const secret = problemsOf({
      S3_SECRET_ACCESS_KEY: 'canary-1',
      S3_SECRET_KEY: 'canary-2',
      S3_ACCESS_KEY: 'k',
    }).join();
    assert.match(secret, /S3_SECRET_ACCESS_KEY/);
    assert.doesNotMatch(secret, /canary/);
  });

  test('AWS_REGION comes before the default, unless the store is the Garage of the compose file', () => {
    const regionOf = (env: Env) => {
      const { storage } = configure(env).repository;
      return storage.kind === 's3' ? storage.region : undefined;
    };
    assert.equal(regionOf({ AWS_REGION: 'eu-west-1' }), 'eu-west-1');
    assert.equal(regionOf({ AWS_DEFAULT_REGION: 'eu-west-2' }), 'eu-west-2');
    assert.equal(regionOf({ AWS_REGION: 'eu-west-1', S3_REGION: 'us-east-2' }), 'us-east-2');
    assert.equal(regionOf({ AWS_REGION: 'eu-west-1', S3_ENDPOINT: 'http://garage:3900' }), 'garage');
    assert.equal(regionOf({}), 'garage');
  });

  test('a pair of AWS keys is read whole, with its token, or not at all', () => {
    const storageOf = (env: Env) => {
      const { storage } = configure(env).repository;
      assert.ok(storage.kind === 's3');
      return [storage.accessKey, storage.secretKey, storage.sessionToken];
    };
    const keys = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_SESSION_TOKEN: 'c' };
    assert.deepEqual(storageOf(keys), ['a', 'b', 'c']);
    assert.deepEqual(storageOf({ ...keys, S3_ACCESS_KEY: 'k', S3_SECRET_KEY: 's' }), ['k', 's', undefined]);
    assert.deepEqual(storageOf({ AWS_ACCESS_KEY_ID: 'a' }), [undefined, undefined, undefined]);
    assert.match(problemsOf({ ...keys, S3_ACCESS_KEY: 'k' }).join(), /one is set without the other/);
  });

  test('AWS_ENDPOINT_URL, AWS_ENDPOINT, AWS_S3_BUCKET_NAME and AWS_S3_PATH say where', () => {
    const { storage, prefix } = configure({
      AWS_ENDPOINT: 's3.example.org',
      AWS_S3_BUCKET_NAME: 'b',
      AWS_S3_PATH: 'p',
    }).repository;
    assert.ok(storage.kind === 's3');
    assert.deepEqual([storage.endpoint, storage.bucket, prefix], ['https://s3.example.org', 'b', 'p']);
    const aws = configure({ AWS_ENDPOINT_URL: 'https://a', AWS_ENDPOINT_URL_S3: 'https://b' }).repository.storage;
    assert.equal(aws.kind === 's3' && aws.endpoint, 'https://b');
    const wrong = problemsOf({ AWS_ENDPOINT_URL: 'nonsense' }).join();
    assert.match(wrong, /S3_ENDPOINT "nonsense" \(from AWS_ENDPOINT_URL/);
  });

  test('a schedule under another name is read with a word, retention under another name is told of', () => {
    assert.equal(configure({ SCHEDULE: '@daily' }).values.BACKUP_SCHEDULE.text, '@daily');
    assert.match(warningsOf({ SCHEDULE: '@daily' }).join(), /read as BACKUP_SCHEDULE/);
    assert.match(warningsOf({ SCHEDULE: '@daily', BACKUP_SCHEDULE: '@hourly' }).join(), /BACKUP_SCHEDULE is in force/);
    assert.match(warningsOf({ BACKUP_KEEP_DAYS: '7' }).join(), /here it is RETENTION_KEEP_DAILY/);
    assert.match(warningsOf({ DB01_HOST: 'x' }).join(), /BACKUP_SOURCE_<NAME>/);
  });

  test('several databases in one name are refused with the way to have them', () => {
    assert.match(problemsOf({ POSTGRES_DB: 'a,b' }).join(), /BACKUP_SOURCE_<NAME>/);
    assert.match(problemsOf({ POSTGRES_BACKUP_ALL: 'true' }).join(), /BACKUP_SOURCE_ALL/);
    assert.deepEqual(problemsOf({ POSTGRES_CLUSTER: 'FALSE' }), []);
  });

  test('the URL of a framework is taken, TLS in it too', () => {
    const { sources } = configure({
      BACKUP_SOURCE_A: 'postgresql://u:p@h/d?schema=public&sslmode=require&connection_limit=5',
    });
    assert.deepEqual([databasesOf({ sources })[0]?.database, databasesOf({ sources })[0]?.sslMode], ['d', 'require']);
    assert.match(problemsOf({ BACKUP_SOURCE_A: 'postgres://h/d?jobs=2' }).join(), /\?jobs is unknown/);
  });
});

describe('what is not built yet', () => {
  test('the rest is told of', () => {
    for (const name of ['PAGE_PASSWORD']) {
      assert.match(warningsOf({ [name]: 'true' }).join(), new RegExp(`^${name} is not available yet`), name);
      assert.deepEqual(problemsOf({ [name]: 'true' }), []);
    }
    assert.deepEqual(warningsOf({ PAGE_OPEN: 'false' }), []);
  });
});

test('every variable that the compose file hands on or reads is known', () => {
  const compose = readFileSync(new URL('../../../docker-compose.yml', import.meta.url), 'utf8');
  const names = [...compose.matchAll(/\$\{([A-Z0-9_]+)/g)].map(([, name = '']) => name);
  const unknown = names.filter(
    (name) => !Object.hasOwn(VARIABLES, name) && !foreignName(name) && !EXCEPTIONS.some((each) => each.test(name)),
  );
  assert.deepEqual([...new Set(unknown)], []);
});
