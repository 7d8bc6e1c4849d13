import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bundleVerbs } from '../../docker/backup/bundle.ts';
import { temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, runVerb, type Verb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();
const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

describe('the bundle that the image runs', () => {
  const bundle = temporaryFolder();
  before(() => bundleVerbs(bundle));

  test('has every verb', () => {
    const verbs = readdirSync(`${PROJECT}/scripts`).flatMap((name) => /^(.+)\.ts$/.exec(name)?.[1] ?? []);
    const bundles = new Set(readdirSync(bundle));
    assert.deepEqual(
      verbs.filter((verb) => !bundles.has(`${verb}.mjs`)),
      [],
    );
  });

  test('prints the same help as the source', async () => {
    for (const verb of ['backup', 'restore', 'cleanup', 'list', 'drill', 'status', 'keygen'] satisfies Verb[]) {
      const fromSource = await runVerb(verb, ['--help'], {}, { by: 'tsx' });
      const fromBundle = await runVerb(verb, ['--help'], {});
      assert.deepEqual([fromBundle.code, fromBundle.stdout], [0, fromSource.stdout], fromBundle.stderr);
    }
  });

  test('backs up, lists, drills, restores, undoes and cleans up', { skip: missing }, async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const contents = await postgres.contents(database);
    const env = { ...postgres.env(database), BACKUP_DIR: temporaryFolder() };
    const run = async (verb: Verb, args: readonly string[]) => {
      const outcome = await done(verb, [...args, '--json'], env);
      return outcome.json;
    };
    const { key } = (await run('backup', [])).results[0];
    assert.equal((await run('list', []))[0].key, key);
    assert.equal((await run('drill', [])).ok, true);
    await postgres.sql(database, 'drop table customers cascade');
    assert.equal((await run('restore', [key])).key, key);
    assert.deepEqual(await postgres.contents(database), contents);
    await run('restore', ['--undo']);
    assert.equal((await run('status', [])).ok, true);
    assert.equal((await run('cleanup', [])).dryRun, false);
  });
});
