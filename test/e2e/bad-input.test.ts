import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { filesIn, handMadeDump, place, temporaryFolder } from '../support/folders.ts';
import { PASSWORD_ROLE, startPostgres } from '../support/postgres.ts';
import { startStore } from '../support/stores.ts';
import { done, runVerb, startVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

/** A user that the server lets in with this password alone, and a database of theirs. */
async function guardedShop(password: string) {
  const database = postgres.freshName();
  const user = `${database}user`;
  await postgres.create(database, 'empty');
  await postgres.sql(
    database,
    `create role ${user} login createdb in role ${PASSWORD_ROLE} password ${quoted(password)};
     alter database "${database}" owner to ${user}; create table t as select 1 as a; alter table t owner to ${user};
     select lo_create(4711); alter large object 4711 owner to ${user}`,
  );
  const folder = temporaryFolder();
  const env: Record<string, string> = { ...postgres.env(database), POSTGRES_USER: user, BACKUP_DIR: folder };
  return { database, folder, env };
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

describe('a PostgreSQL server that refuses fails the backup, and what to check is named', {
  skip: missing,
  concurrency: 3,
}, () => {
  const cases = [
    ['no password', {}, /asks for a password, and none is set.*POSTGRES_PASSWORD/s],
    ['an unknown user', { POSTGRES_USER: 'nobody_here' }, /role "nobody_here" does not exist|POSTGRES_USER/],
    ['TLS where the server has none', { PGSSLMODE: 'require', POSTGRES_PASSWORD: 'right' }, /does not support SSL/],
  ] as const;
  for (const [what, wrong, expected] of cases) {
    test(what, async () => {
      const { database, folder, env } = await guardedShop('right');
      for (const verb of ['backup', 'restore'] as const) {
        if (verb === 'restore') {
          place(folder, `2026/01/01/${database}_000000.sql`, handMadeDump('select 1;'));
        }
        const args = verb === 'restore' ? ['latest', '--json'] : ['--json'];
        const outcome = await runVerb(verb, args, { ...env, ...(wrong as Record<string, string>) });
        assert.equal(outcome.code, 1, outcome.stderr);
        assert.match(outcome.stderr, expected);
        assert.doesNotMatch(outcome.stdout + outcome.stderr, /wrong-canary|internal error/);
      }
      assert.equal(filesIn(folder).filter((name) => name.endsWith('.json')).length, 0);
    });
  }
});

describe('an S3 storage that cannot be used fails every verb and names what to check', {
  skip: missing,
  concurrency: 2,
}, () => {
  const cases = [
    ['an unknown key', { S3_ACCESS_KEY: 'GKother' }, /S3_ACCESS_KEY/],
    ['an unknown bucket', { S3_BUCKET: 'other' }, /S3_BUCKET/],
    ['an unknown host', { S3_ENDPOINT: 'http://nowhere.invalid' }, /S3_ENDPOINT/],
    ['a port where nothing listens', { S3_ENDPOINT: 'http://127.0.0.1:9' }, /S3_ENDPOINT/],
  ] as const;
  for (const [what, wrong, expected] of cases) {
    test(what, async () => {
      const { double, storeEnv } = await startStore();
      const database = postgres.freshName();
      await postgres.create(database, 'empty');
      const env = {
        ...postgres.env(database),
        ...storeEnv,
        S3_SECRET_KEY: 'secret-canary-0123',
        ...wrong,
      };
      const before = await postgres.fingerprint(database);
      for (const [verb, ...args] of [['backup'], ['list'], ['restore', 'latest'], ['cleanup']] as const) {
        const outcome = await runVerb(verb, args, env);
        assert.equal(outcome.code, 1, `${verb}: ${outcome.stderr}`);
        assert.match(outcome.stderr, expected, verb);
        assert.doesNotMatch(outcome.stdout + outcome.stderr, /secret-canary|internal error/);
      }
      assert.equal(double.objects.size + double.uploads.size, 0);
      assert.deepEqual(await postgres.fingerprint(database), before);
    });
  }

  test('a key that may only write is enough for a backup', async () => {
    const { double, storeEnv } = await startStore({
      allow: ['PutObject', 'CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload', 'AbortMultipartUpload'],
    });
    const database = postgres.freshName();
    await postgres.create(database);
    const env = { ...postgres.env(database), ...storeEnv };
    await done('backup', [], env);
    const list = await runVerb('list', [], env);
    assert.equal(list.code, 1);
    assert.match(list.stderr, /S3_ACCESS_KEY/);
    double.change({ allow: ['ListObjectsV2'] });
    assert.equal((await runVerb('list', ['--json'], env)).json.length, 1);
  });
});

describe('a directory that cannot be used', { skip: missing }, () => {
  test('fails every verb, and is not made', async () => {
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    const folder = temporaryFolder();
    for (const BACKUP_DIR of [join(folder, 'not', 'mounted'), place(folder, 'a-file', 'x')]) {
      const env = { ...postgres.env(database), BACKUP_DIR };
      for (const [verb, ...args] of [['backup'], ['list'], ['restore', 'latest'], ['cleanup']] as const) {
        const outcome = await runVerb(verb, args, env);
        assert.equal(outcome.code, 1, `${verb}: ${outcome.stderr}`);
        assert.match(outcome.stderr, /BACKUP_DIR/);
      }
    }
    assert.deepEqual(filesIn(folder), ['a-file']);
  });
});

describe('FILE', { skip: missing, concurrency: 2 }, () => {
  test('with shell characters is no such backup, and nothing is run', async () => {
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    const folder = temporaryFolder();
    place(folder, `2026/01/01/${database}_000000.sql`, handMadeDump('select 1;'));
    const env = { ...postgres.env(database), BACKUP_DIR: folder };
    const pwned = join(folder, 'pwned');
    for (const wanted of [
      `x; touch ${pwned}`,
      `$(touch ${pwned})`,
      `\`touch ${pwned}\``,
      `' ; touch ${pwned} #`,
      `" | touch ${pwned}`,
      '../../etc/passwd',
      '/etc/passwd',
      '\\\n\t\u0007',
      'x'.repeat(100_000),
      `2026/01/01/${database}_000000`,
      'Latest',
    ]) {
      const outcome = await runVerb('restore', [wanted, '--json'], env);
      assert.equal(outcome.code, 1, outcome.stderr);
      assert.equal(outcome.json.error.code, 'NO_SUCH_BACKUP', outcome.stderr);
      assert.ok(outcome.json.error.message.includes('no such backup'));
      assert.ok(outcome.json.error.hint.includes(`2026/01/01/${database}_000000.sql`));
    }
    for (const nothing of ['']) assert.equal((await runVerb('restore', [nothing], env)).code, 2);
    assert.deepEqual(filesIn(folder), [`2026/01/01/${database}_000000.sql`]);
  });

  test('that is unknown is answered with the nearest keys', async () => {
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    const folder = temporaryFolder();
    const env = { ...postgres.env(database), BACKUP_DIR: folder };
    for (const day of ['01', '02', '03', '04', '05']) place(folder, `2026/01/${day}/${database}_000000.sql.gz`, 'x');
    place(folder, '2025/12/31/other_235959.sql.gz', 'x');
    const { json } = await runVerb('restore', [`2026/01/04/${database}_000001.sql.gz`, '--json'], env);
    assert.match(json.error.hint, new RegExp(`^Nearest: 2026/01/04/${database}_000000\\.sql\\.gz, `));
    assert.doesNotMatch(json.error.hint, /other/);
    assert.equal(json.error.hint.match(/\.sql\.gz/g).length, 3);
  });

  test('when there are no backups at all is told to take one', async () => {
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    const folder = temporaryFolder();
    mkdirSync(join(folder, '2026/01'), { recursive: true });
    writeFileSync(join(folder, 'README.txt'), 'foreign');
    const env = { ...postgres.env(database), BACKUP_DIR: folder };
    for (const wanted of ['latest', '2026/01/01/x_000000.sql.gz']) {
      const outcome = await runVerb('restore', [wanted, '--json'], env);
      assert.equal(outcome.code, 1, outcome.stderr);
      assert.deepEqual(outcome.json.error.code, 'NO_SUCH_BACKUP');
      assert.match(outcome.json.error.hint, /make backup/);
    }
    const list = await done('list', [], env);
    assert.equal(list.stdout, '');
    assert.match(list.stderr, /no backups in .* yet; take one with: make backup/);
    assert.deepEqual((await runVerb('list', ['--json'], env)).json, []);
    assert.equal((await runVerb('cleanup', [], env)).stdout, '0 kept, 0 deleted\n');
    assert.equal((await runVerb('restore', ['--undo'], env)).code, 1);
  });
});

describe('secrets', { skip: missing, concurrency: 3 }, () => {
  const SECRETS = [
    // biome-ignore lint/suspicious/noTemplateCurlyInString: as compose would take it
    'can$ary$HOME ${HOME} #1 "double" `back`',
    "can'ary it's $$ # 'single'",
    ' can ary\\n%41+&?=/@: ä€ ',
  ];
  for (const [n, secret] of SECRETS.entries()) {
    test(`are read from .env as they are, and shown nowhere: ${secret}`, async () => {
      const { database, env } = await guardedShop(secret);
      const { POSTGRES_USER, BACKUP_DIR, POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB } = env as Record<string, string>;
      const file = place(temporaryFolder(), 'password', `${secret}\n`);
      const ways: Record<string, string>[] = [
        { dotenv: `POSTGRES_PASSWORD=${n === 1 ? `"${secret}"` : `'${secret}'`}\n` },
        { dotenv: '', POSTGRES_PASSWORD: secret },
        { dotenv: `POSTGRES_PASSWORD_FILE=${file}\n` },
        {
          dotenv: '',
          BACKUP_SOURCE_SHOP: `postgres://${POSTGRES_USER}:${encodeURIComponent(secret)}@${POSTGRES_HOST}:${POSTGRES_PORT}/${POSTGRES_DB}`,
        },
      ];
      for (const { dotenv = '', ...more } of ways) {
        const held = await postgres.holdDump(database);
        const running = startVerb('backup', ['--json'], { ...env, ...more, LOG_FORMAT: 'json' }, { dotenv });
        await Promise.race([held.reached(), running.outcome]);
        const commandLines = running.processes().map(({ commandLine }) => commandLine);
        await held.release();
        const outcome = await running.outcome;
        assert.equal(outcome.code, 0, outcome.stderr);
        assert.ok(commandLines.some((line) => line.includes('pg_dump')));
        const shown = [outcome.stdout, outcome.stderr, ...commandLines].join('\n');
        for (const form of [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]) {
          assert.ok(!shown.includes(form), shown);
        }
      }
      const restore = await done('restore', ['latest', '--source', database], env, {
        dotenv: `POSTGRES_PASSWORD_FILE=${file}`,
      });
      assert.ok(!(restore.stdout + restore.stderr).includes(secret));
      assert.ok(filesIn(BACKUP_DIR ?? '').length > 0);
    });
  }
});
