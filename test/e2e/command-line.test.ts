import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { filesIn, place, temporaryFolder } from '../support/folders.ts';
import { done, runVerb, type Verb } from '../support/verbs.ts';

// none of these reaches a server
const NOWHERE = { POSTGRES_HOST: '127.0.0.1', POSTGRES_PORT: '1' };

const VERBS = ['backup', 'list', 'restore', 'cleanup'] as const satisfies readonly Verb[];
const ALL = readdirSync(new URL('../../scripts/', import.meta.url))
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.slice(0, -'.ts'.length) as Verb);

describe('every script', { concurrency: 2 }, () => {
  for (const verb of ALL) {
    test(`${verb} --help says what it does, its options and its exit codes, and needs no configuration`, async () => {
      // as users start it
      const outcome = await done(verb, ['--help'], { POSTGRES_PORT: 'wrong' }, { by: 'tsx' });
      assert.equal(outcome.stderr, '');
      assert.match(outcome.stdout, new RegExp(`^${verb}\\b`));
      assert.match(outcome.stdout, /Exit codes: 0/);
    });
  }

  for (const verb of VERBS) {
    test(`${verb} ends with 2 for an option that it does not know, and touches nothing`, async () => {
      const folder = temporaryFolder();
      const outcome = await runVerb(verb, ['--no-such-option'], { ...NOWHERE, BACKUP_DIR: folder });
      assert.equal(outcome.code, 2, outcome.stderr);
      assert.equal(outcome.stdout, '');
      assert.match(outcome.stderr, /--no-such-option.*\n.*--help/);
      assert.doesNotMatch(outcome.stderr, /internal error|at .*\.ts:\d/);
      assert.deepEqual(filesIn(folder), []);
    });

    test(`${verb} --json prints one document and nothing else, also when it fails`, async () => {
      const args = verb === 'restore' ? ['latest', '--json'] : ['--json'];
      const good = await runVerb(verb, args, { ...NOWHERE, BACKUP_DIR: temporaryFolder() });
      assert.equal(typeof good.json, 'object');
      const { json, code } = await runVerb(verb, args, {
        ...NOWHERE,
        BACKUP_DIR: '/nowhere/at/all',
        LOG_FORMAT: 'json',
      });
      assert.equal(code, 1);
      const error = verb === 'backup' ? json.results[0].error : json.error.message;
      assert.ok(error.length > 10, JSON.stringify(json));
    });

    test(`${verb} names every wrong variable in one message, ends with 2, and touches nothing`, async () => {
      const folder = temporaryFolder();
      const wrong = {
        POSTGRES_PORT: '5432x',
        BACKUP_TIMEOUT: '6 hours',
        BACKUP_SCHEDULE: '0 * * *',
        CLEANUP_SCHEDULE: '@fortnightly',
        RETENTION_KEEP_DAILY: 'many',
        RETENTION_DRY_RUN: 'maybe',
        BACKUP_COMPRESSION: 'gzip:42',
        BACKUP_FORMAT: 'csv',
        S3_ENDPOINT: 'garage:3900',
        S3_PREFIX: 'a/../b',
        S3_ACCESS_KEY: 'GK-without-its-secret',
        BACKUP_SOURCE_X: 'oracle://a/b',
        BACKUP_SOURCE_Y_PASSWORD: 'canary-password',
        LOG_FORMAT: 'xml',
      };
      const args = verb === 'restore' ? ['latest', '--json'] : ['--json'];
      const outcome = await runVerb(verb, args, { ...NOWHERE, BACKUP_DIR: folder, ...wrong });
      assert.equal(outcome.code, 2, outcome.stderr);
      for (const name of Object.keys(wrong)) assert.ok(outcome.json.error.message.includes(name), name);
      assert.match(outcome.json.error.hint, /Nothing was touched/);
      assert.doesNotMatch(outcome.stdout + outcome.stderr, /canary/);
      assert.deepEqual(filesIn(folder), []);
    });
  }
});

test('the environment wins over .env, and an empty value is none', async () => {
  const [inEnv, inFile] = [temporaryFolder(), temporaryFolder()];
  place(inEnv, '2026/01/01/env_000000.sql.gz');
  place(inFile, '2026/01/01/file_000000.sql.gz');
  const dotenv = `BACKUP_DIR='${inFile}'\n`;
  const keysOf = async (env: Record<string, string>) =>
    (await runVerb('list', ['--json'], env, { dotenv })).json.map((row: { key: string }) => row.key);
  assert.deepEqual(await keysOf({ BACKUP_DIR: inEnv }), ['2026/01/01/env_000000.sql.gz']);
  assert.deepEqual(await keysOf({}), ['2026/01/01/file_000000.sql.gz']);
  assert.deepEqual(await keysOf({ POSTGRES_PORT: '' }), ['2026/01/01/file_000000.sql.gz']);
});
