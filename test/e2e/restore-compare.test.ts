import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

describe('a restore that compares', { skip: missing }, () => {
  test('swaps in what is equal, and says how much that is', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const contents = await postgres.contents(database);
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
    await done('backup', [], env);
    const restored = await done('restore', ['latest', '--compare', '--json'], env);
    assert.match(
      restored.stderr,
      /content equal: 12 tables, 853 rows; generated columns .* equal: .*; definitions equal: \d+ statements/,
    );
    assert.deepEqual(await postgres.contents(database), contents);
    assert.equal((await runVerb('restore', ['--undo', '--compare'], env)).code, 2, 'an undo compares nothing');
  });
});
