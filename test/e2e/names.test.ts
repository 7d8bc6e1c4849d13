import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { manifestsIn, temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { runVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

/** Names of databases, and as what they stand in a key. */
const NAMES: readonly (readonly [name: string, inKey: string, format: 'sql' | 'custom'])[] = [
  ['it\'s "mine"', 'it%27s%20%22mine%22', 'sql'],
  ['O\'Re"illy\\', 'O%27Re%22illy%5C', 'custom'],
  ['two words ', 'two%20words%20', 'custom'],
  ['a/../b', 'a%2F..%2Fb', 'sql'],
  ['..', '%2E%2E', 'sql'],
  ['MyApp', 'MyApp', 'sql'],
  ['Größe 日本 😀', 'Gr%C3%B6%C3%9Fe%20%E6%97%A5%E6%9C%AC%20%F0%9F%98%80', 'sql'],
  ['`touch pwned` $(touch pwned); touch pwned', '', 'custom'],
  ['host=localhost port=1 dbname=other', 'host%3Dlocalhost%20port%3D1%20dbname%3Dother', 'custom'],
  ['postgresql://localhost:1/other', 'postgresql%3A%2F%2Flocalhost%3A1%2Fother', 'sql'],
  ['100% %20 %2F', '100%25%20%2520%20%252F', 'sql'],
  ['--version', '--version', 'custom'],
  ['my_app_120000', 'my_app_120000', 'sql'],
  [`${'é'.repeat(31)}x`, `${'%C3%A9'.repeat(31)}x`, 'custom'],
];

describe('a database can be backed up, listed, restored and restored back whose name is', {
  skip: missing,
  concurrency: 3,
}, () => {
  for (const [name, inKey, format] of NAMES) {
    test(`${name}`, async () => {
      assert.ok(Buffer.byteLength(name) <= 63);
      await postgres.create(name, 'empty');
      await postgres.sql(name, "create table t as select 'kept' as a");
      const folder = temporaryFolder();
      const env = { ...postgres.env(name), BACKUP_DIR: folder, BACKUP_FORMAT: format };
      const backup = await runVerb('backup', ['--json'], env);
      assert.equal(backup.code, 0, backup.stderr);
      const { key, source } = backup.json.results[0];
      assert.equal(source, name);
      if (inKey !== '') assert.equal(key.slice('YYYY/MM/DD/'.length).replace(/_\d{6}\.[a-z.]+$/, ''), inKey);
      assert.match(key, /^\d{4}\/\d\d\/\d\d\/[A-Za-z0-9._%-]+_\d{6}\.(sql\.gz|dump)$/);
      assert.equal(manifestsIn(folder).length, 1);
      assert.deepEqual(
        (await runVerb('list', ['--json'], env)).json.map((row: Record<string, unknown>) => [row.source, row.database]),
        [[name, name]],
      );
      const manifest = readFileSync(join(folder, key.replace(/\.(sql\.gz|dump)$/, '.json')), 'utf8');
      assert.equal(JSON.parse(manifest).database, name);

      await postgres.sql(name, "update t set a = 'lost'");
      const restore = await runVerb('restore', [key, '--json'], env);
      assert.equal(restore.code, 0, restore.stderr);
      assert.equal(restore.json.database, name);
      assert.deepEqual((await postgres.contents(name))['public.t'], ['(kept)']);
      assert.equal((await runVerb('restore', ['--undo'], env)).code, 0);
      assert.deepEqual((await postgres.contents(name))['public.t'], ['(lost)']);
      assert.ok(!readdirSync('.').includes('pwned'));
    });
  }
});
