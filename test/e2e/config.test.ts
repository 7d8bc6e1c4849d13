import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { filesIn, temporaryFolder } from '../support/folders.ts';
import { done, runVerb } from '../support/verbs.ts';

interface Document {
  readonly variables: readonly { name: string; value: string | null; secret: boolean; origin: string; where: string }[];
  readonly sources: readonly { name: string; engine: string; hasPassword: boolean }[];
}

describe('config', () => {
  test('shows what is in force and whence each value comes, without a secret', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'key'), 'canary-in-file\n');
    const { json, stdout, stderr } = await done(
      'config',
      ['--json'],
      {
        BACKUP_DIR: folder,
        S3_SECRET_KEY_FILE: join(folder, 'key'),
        S3_ACCESS_KEY: 'canary-in-environment',
        PGHOST: 'db.internal',
        HEARTBEAT_URL: 'https://hc.example.org/canary-in-heartbeat',
      },
      {
        dotenv:
          "\uFEFF# of the application\r\nexport RETENTION_KEEP_DAILY=9\r\nBACKUP_SOURCE_A='postgres://u:canary-in-url@h/d?schema=public'\r\nBACKUP_SOURCE_B=file:///data\r\n",
      },
    );
    assert.doesNotMatch(stdout + stderr, /canary/);
    const { variables, sources } = json as Document;
    const of = (name: string) => variables.find((each) => each.name === name) ?? assert.fail(name);
    assert.deepEqual(of('RETENTION_KEEP_DAILY'), {
      name: 'RETENTION_KEEP_DAILY',
      value: '9',
      secret: false,
      origin: '.env',
      where: '.env:2',
    });
    assert.deepEqual([of('POSTGRES_HOST').value, of('POSTGRES_HOST').where], ['db.internal', 'PGHOST (environment)']);
    assert.deepEqual([of('S3_SECRET_KEY').value, of('S3_SECRET_KEY').origin], ['[secret]', 'file']);
    assert.deepEqual([of('BACKUP_DIR').origin, of('BACKUP_JOBS').origin], ['environment', 'default']);
    assert.deepEqual(
      sources.map((each) => [each.name, each.engine, each.hasPassword]),
      [
        ['a', 'postgres', true],
        ['b', 'files', false],
      ],
    );
    assert.equal(json.encrypted, false);
    assert.match(json.warnings.join(), /BACKUP_SOURCE_A: \?schema is another program's/);
    const table = await runVerb('config', [], { BACKUP_DIR: folder, TZ: 'Europe/Berlin' });
    assert.match(table.stdout, /^TZ +Europe\/Berlin +environment$/m);
    assert.match(table.stdout, /^not encrypted/m);
  });

  test('a backup that its owner believes to be encrypted, or elsewhere, is not made', async () => {
    const folder = temporaryFolder();
    for (const wrong of [
      { BACKUP_AGE_RECIPIENT: 'age1x' },
      { PASSPHRASE: 'x' },
      { BACKUP_SOURCES_APP: 'file:///etc' },
      { S3_LOCK: 'compliance:30d' },
      { COPY_NAS: 's3://nas:9000/backups' },
    ]) {
      const [name = ''] = Object.keys(wrong);
      const { code, stderr } = await runVerb('backup', [], {
        BACKUP_DIR: folder,
        BACKUP_SOURCE_X: 'file:///etc/hostname',
        ...wrong,
      });
      assert.equal(code, 2, stderr);
      assert.ok(stderr.includes(name), stderr);
    }
    assert.deepEqual(filesIn(folder), []);
  });

  test('what is none of ours is told of once, and the verb does its work', async () => {
    const env = {
      BACKUP_DIR: temporaryFolder(),
      BACKUP_FOO: '1',
      TMPDIR: '/nowhere',
      PGOPTIONS: '-c x=y',
      LANG: 'de_DE.UTF-8',
    };
    const { stderr } = await done('list', [], env);
    assert.equal(stderr.match(/BACKUP_FOO/g)?.length, 1, stderr);
  });

  test('a $ that one reader of .env puts a value in for, and another takes as it is, is refused by its line', async () => {
    const folder = temporaryFolder();
    const read = (dotenv: string) => runVerb('list', [], { BACKUP_DIR: folder }, { dotenv });
    // biome-ignore lint/suspicious/noTemplateCurlyInString: as somebody writes it into .env
    for (const value of ['${HOSTNAME}', '$HOSTNAME', 'a/$$b', '"a/$b"', 'prod-$STAGE # of ours']) {
      const { code, stderr } = await read(`APP=$x\nS3_PREFIX=${value}\n`);
      assert.equal(code, 2, value);
      assert.match(stderr, /\.env:2: S3_PREFIX has a \$ in it.*\n.*single quotes/, value);
    }
    for (const value of ["'a$b'", 'plain # $x', '5$', '$5'])
      assert.equal((await read(`S3_PREFIX=${value}\n`)).code, 0, value);
  });

  test('a # that one reader of .env takes for a comment, and another for a part of the value, is refused by its line', async () => {
    const folder = temporaryFolder();
    const read = (dotenv: string) => runVerb('list', [], { BACKUP_DIR: folder }, { dotenv });
    const { code, stderr } = await read('APP=a#b\nPOSTGRES_PASSWORD=ab#canary\n');
    assert.equal(code, 2);
    assert.match(stderr, /\.env:2: POSTGRES_PASSWORD has a # in it/);
    assert.doesNotMatch(stderr, /canary/);
    for (const line of [
      "POSTGRES_PASSWORD='ab#c'",
      'POSTGRES_DB=shop # a#b',
      'S3_PREFIX= #x',
      '# S3_PREFIX=a#b',
      'APP=a#b',
    ])
      assert.equal((await read(`${line}\n`)).code, 0, line);
  });

  test('a .env that no reader of it understands is named, not passed over', async () => {
    const folder = temporaryFolder();
    const utf16 = Buffer.from('\uFEFFBACKUP_AGE_RECIPIENTS=age1x\n', 'utf16le').toString('latin1');
    const { code, stderr } = await runVerb('list', [], { BACKUP_DIR: folder }, { dotenv: `${utf16}\0` });
    assert.equal(code, 2);
    assert.match(stderr, /\.env.*UTF-8/);
  });
});
