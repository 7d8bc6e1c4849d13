import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { backUp } from '../../scripts/lib/backup/backup.ts';
import { configure } from '../../scripts/lib/config/config.ts';
import { openRepository, repositoryOn } from '../../scripts/lib/repository/repository.ts';
import { openDirectory } from '../../scripts/lib/storages/directory/directory.ts';
import type { Storage } from '../../scripts/lib/storages/storage.ts';
import { filesIn, manifestsIn, place, temporaryFolder } from '../support/folders.ts';
import { startPostgres } from '../support/postgres.ts';
import { done, runVerb, startVerb } from '../support/verbs.ts';

const { postgres, missing } = await startPostgres();

function url(database: string, query = ''): string {
  return `postgres://${postgres.user}@${postgres.host}:${postgres.port}/${database}${query}`;
}

describe('a key', { skip: missing, concurrency: 2 }, () => {
  test('starts with S3_PREFIX, and such a backup is found under it alone, and restored by its key with it or without', async () => {
    const database = postgres.freshName();
    await postgres.create(database);
    const folder = temporaryFolder();
    const env = { ...postgres.env(database), BACKUP_DIR: folder, S3_PREFIX: '/prod/my app/' };
    const backup = await runVerb('backup', ['--json'], env);
    const { key } = backup.json.results[0];
    assert.match(key, /^prod\/my app\/\d{4}\/\d\d\/\d\d\/shop_\d+__\d{6}\.sql\.gz$/);
    assert.deepEqual(
      (await runVerb('list', ['--json'], env)).json.map((row: { key: string }) => row.key),
      [key],
    );
    assert.deepEqual((await runVerb('list', ['--json'], { ...env, S3_PREFIX: 'prod' })).json, []);
    // with and without the prefix, as it is shown and as one types it
    for (const wanted of [key, key.slice('prod/my app/'.length)]) {
      await done('restore', [wanted, '--to', `${database}_copy_${wanted.length}`], env);
    }
  });

  test('is never shared by two runs, not even by those that follow each other at once', async () => {
    const database = postgres.freshName();
    await postgres.create(database, 'empty');
    const folder = temporaryFolder();
    const config = configure({ ...process.env, ...postgres.env(database), BACKUP_DIR: folder });
    const repository = await openRepository(config.repository);
    const keys = [];
    for (let run = 0; run < 4; run += 1) {
      const [result] = await backUp(config, repository, [], new AbortController().signal);
      assert.equal(result?.ok, true, result?.error);
      keys.push(result?.key);
    }
    assert.equal(new Set(keys).size, 4, keys.join());
    assert.equal(manifestsIn(folder).length, 4);
  });

  for (const [what, isTaken] of [
    ['a backup', (key: string) => key.endsWith('.sql.gz')],
    ['a manifest', (key: string) => key.endsWith('.json')],
  ] as const) {
    test(`that is taken by ${what} fails the backup, and what was there stays as it was`, async () => {
      const database = postgres.freshName();
      await postgres.create(database, 'empty');
      const folder = temporaryFolder();
      const config = configure({ ...process.env, ...postgres.env(database), BACKUP_DIR: folder });
      const directory = openDirectory(folder);
      let taken = '';
      const contested: Storage = {
        ...directory,
        put: async (key, body, options) => {
          if (isTaken(key)) {
            taken = key;
            place(folder, key, 'somebody else’s');
          }
          return directory.put(key, body, options);
        },
      };
      const [result] = await backUp(
        config,
        repositoryOn({ ...config.repository, storage: contested }),
        [],
        new AbortController().signal,
      );
      assert.equal(result?.ok, false);
      assert.match(result?.error ?? '', /never overwritten/);
      assert.deepEqual(filesIn(folder), [taken]);
      assert.equal(readFileSync(join(folder, taken), 'utf8'), 'somebody else’s');
    });
  }
});

describe('two backups at once', { skip: missing, concurrency: 2 }, () => {
  test('end with 4 when every source is locked, and with 1 when another one fails as well', async () => {
    const [one, two] = [postgres.freshName(), postgres.freshName()];
    await postgres.create(one);
    await postgres.create(two);
    const env = { BACKUP_SOURCE_ONE: url(one), BACKUP_SOURCE_TWO: url(two), BACKUP_DIR: temporaryFolder() };
    const holds = [await postgres.holdDump(one), await postgres.holdDump(two)];
    const runs = [startVerb('backup', ['one'], env), startVerb('backup', ['two'], env)];
    await Promise.all(holds.map((held) => held.reached()));
    assert.equal((await runVerb('backup', [], env)).code, 4);
    assert.equal((await runVerb('backup', [], { ...env, BACKUP_SOURCE_GONE: url('gone') })).code, 1);
    const third = postgres.freshName();
    await postgres.create(third, 'empty');
    // one done and the others locked: of several, any that failed is a failure
    assert.equal((await runVerb('backup', [], { ...env, BACKUP_SOURCE_THREE: url(third) })).code, 1);
    await Promise.all(holds.map((held) => held.release()));
    for (const run of runs) assert.equal((await run.outcome).code, 0);
  });
});

describe('several sources', { skip: missing, concurrency: 2 }, () => {
  test('are backed up each by itself, and one that fails does not stop those after it', async () => {
    const [one, two] = [postgres.freshName(), postgres.freshName()];
    await postgres.create(one);
    await postgres.create(two, 'empty');
    const folder = temporaryFolder();
    const env = {
      BACKUP_DIR: folder,
      BACKUP_SOURCE_A_SHOP: url(one, '?format=custom'),
      BACKUP_SOURCE_B: url('not_there'),
      BACKUP_SOURCE_C: url(two, '?compression=zstd:3'),
      BACKUP_COMPRESSION: 'none',
    };
    const outcome = await runVerb('backup', ['--json'], env);
    assert.equal(outcome.code, 1, outcome.stderr);
    const { results } = outcome.json;
    assert.deepEqual(
      results.map(({ source, ok }: { source: string; ok: boolean }) => [source, ok]),
      [
        ['a-shop', true],
        ['b', false],
        ['c', true],
      ],
    );
    assert.match(results[0].key, /\/a-shop_\d{6}\.dump$/);
    assert.equal(results[1].key, null);
    assert.match(results[1].error, /"not_there".*BACKUP_SOURCE_B/);
    assert.match(results[2].key, /\/c_\d{6}\.sql\.zst$/);
    assert.equal(manifestsIn(folder).length, 2);

    const list = await runVerb('list', ['--json', '--source', 'a-shop'], env);
    assert.deepEqual(
      list.json.map(({ source, database, engine }: Record<string, string>) => ({ source, database, engine })),
      [{ source: 'a-shop', database: one, engine: 'postgres' }],
    );
  });

  test('are chosen by name, and an unknown name ends with 2 before anything is dumped', async () => {
    const [one, two] = [postgres.freshName(), postgres.freshName()];
    await postgres.create(one, 'empty');
    await postgres.create(two, 'empty');
    const env = { BACKUP_DIR: temporaryFolder(), BACKUP_SOURCE_ONE: url(one), BACKUP_SOURCE_TWO: url(two) };
    const chosen = await runVerb('backup', ['two', '--json'], env);
    assert.deepEqual(
      chosen.json.results.map(({ source }: { source: string }) => source),
      ['two'],
    );
    const unknown = await runVerb('backup', ['one', 'tow'], env);
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /no source "tow".*\n.*one, two/);
    assert.equal(manifestsIn(env.BACKUP_DIR).length, 1);
  });

  test('`/*` is every database of the server, each a source that can be restored by itself', async () => {
    const own = await startPostgres();
    await own.postgres.create('first');
    await own.postgres.create('Zweite – 2', 'empty');
    await own.postgres.sql('Zweite – 2', 'create table t as select 1 as a');
    const env = {
      BACKUP_DIR: temporaryFolder(),
      BACKUP_SOURCE_ALL: `postgres://${own.postgres.user}@${own.postgres.host}:${own.postgres.port}/*`,
    };
    const before = await own.postgres.contents('first');
    const outcome = await done('backup', ['--json'], env);
    assert.deepEqual(outcome.json.results.map(({ source }: { source: string }) => source).sort(), [
      'all.Zweite – 2',
      'all.first',
      'all.postgres',
    ]);
    const key = outcome.json.results.find(({ source }: { source: string }) => source === 'all.first').key;
    assert.match(key, /\/all\.first_\d{6}\.sql\.gz$/);
    const second = outcome.json.results.find(({ source }: { source: string }) => source.startsWith('all.Z')).key;
    assert.match(second, /\/all\.Zweite%20%E2%80%93%202_\d{6}\.sql\.gz$/);

    await own.postgres.sql('first', 'delete from customers');
    await own.postgres.sql('Zweite – 2', 'drop table t');
    await done('restore', [key], env);
    assert.deepEqual(await own.postgres.contents('first'), before);
    await done('restore', ['latest', '--source', 'all.Zweite – 2'], env);
    assert.deepEqual((await own.postgres.contents('Zweite – 2'))['public.t'], ['(1)']);

    // what the restores keep beside the live ones is no source
    const again = await runVerb('backup', ['--json'], env);
    assert.equal(again.json.results.length, 3, again.stdout);

    // what only has such a name, and a template of somebody's own, are; what cannot be dumped is told of
    const named = ['first_previous_20260101000000', 'first_restoring_20260101000000', 'tenant'];
    for (const name of [...named, 'closed']) await own.postgres.create(name, 'empty');
    await own.postgres.sql(
      'postgres',
      'alter database tenant is_template true; alter database closed allow_connections false',
    );
    const all = await runVerb('backup', ['--json'], env);
    const sources = all.json.results.map(({ source }: { source: string }) => source);
    assert.ok(sources.includes('all.first_previous_20260101000000') && sources.includes('all.tenant'), sources.join());
    assert.equal(sources.length, 5, sources.join());
    assert.match(all.stderr, /the database closed is left out: it takes no connections/);
    assert.match(all.stderr, /the database first_restoring_20260101000000 is left out: it has the name of/);
    await own.postgres.stop();
  });

  test('a database of `/*` that is dropped while others are backed up is no failure, and told of', async () => {
    const own = await startPostgres();
    for (const name of ['early', 'gone']) await own.postgres.create(name);
    const env = {
      BACKUP_DIR: temporaryFolder(),
      BACKUP_SOURCE_ALL: `postgres://${own.postgres.user}@${own.postgres.host}:${own.postgres.port}/*`,
    };
    const held = await own.postgres.holdDump('early');
    const running = runVerb('backup', ['--json'], env);
    await held.reached();
    await own.postgres.sql('postgres', 'drop database gone');
    await held.release();
    const { code, stderr, json } = await running;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /warn: all\.gone is not backed up: the database was dropped/);
    assert.deepEqual(json.results.map(({ source }: { source: string }) => source).sort(), [
      'all.early',
      'all.postgres',
    ]);
    await own.postgres.stop();
  });
});
