import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { filesIn, place, temporaryFolder } from '../support/folders.ts';
import { placeAll, type Stored, storedBackup } from '../support/stored.ts';
import { startStore } from '../support/stores.ts';
import { done, runVerb } from '../support/verbs.ts';

const recent = (daysAgo: number) => new Date(Date.now() - daysAgo * 86_400_000).toISOString();

function folders(...backups: readonly Stored[]) {
  const [primary, copy, data] = [temporaryFolder(), temporaryFolder(), temporaryFolder()];
  placeAll(primary, ...backups);
  placeAll(copy, ...backups);
  const env = {
    ...{ BACKUP_SOURCE_A: `file://${data}`, DRILL_DIR: temporaryFolder(), RETENTION_KEEP_LAST: 'unlimited' },
    ...{ BACKUP_DIR: primary, COPY_NAS: `file://${copy}` },
  };
  return { primary, copy, env };
}

const verify = (env: Record<string, string>, ...args: string[]) => runVerb('verify', ['--json', ...args], env);
const status = (env: Record<string, string>) => runVerb('status', ['--json'], env);

/** Another byte in the middle, the length as it was. */
function flip(path: string) {
  const bytes = readFileSync(path);
  bytes[Math.floor(bytes.length / 2)] = (bytes[Math.floor(bytes.length / 2)] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

describe('verify', { concurrency: 2 }, () => {
  test('reads every store back, keeps a record in each, and status knows of it', async () => {
    const { primary, copy, env } = folders(storedBackup('a', recent(0)), storedBackup('a', recent(1), { parts: 2 }));
    const outcome = await verify(env, '--all');
    assert.equal(outcome.code, 0, outcome.stderr);
    for (const store of outcome.json.stores) assert.deepEqual([store.read, store.damaged, store.ok], [2, [], true]);
    for (const folder of [primary, copy]) {
      const names = filesIn(folder);
      assert.equal(names.filter((name) => name.startsWith('verified/')).length, 1);
      assert.deepEqual(
        names.filter((name) => name.startsWith('canary/')),
        [],
      );
    }
    const { json, code } = await status(env);
    assert.equal(code, 0);
    const [nas] = json.copies;
    assert.deepEqual(
      [nas.name, nas.ok, nas.lagMs, nas.missing, nas.unreadable, nas.isDestroyable, nas.lock],
      ['nas', true, 0, 0, 0, true, null],
    );
    assert.equal(nas.lastVerified, json.copies[0].lastVerified);
    assert.equal(nas.lastBackup.key, json.sources[0].lastBackup.key);
    assert.match(
      json.protection,
      /^2 copies beside the live data, on 1 store \(primary, nas\); whoever has this machine's/,
    );
    const { stdout } = await runVerb('status', ['--prometheus'], env);
    assert.match(stdout, /^database_backup_store_unreadable\{store="nas"\} 0$/m);
    assert.match(stdout, /^database_backup_store_destroyable\{store="primary"\} 1$/m);
  });

  for (const [what, harm, says] of [
    ['a byte that has turned', flip, /the SHA-256 of .* is [0-9a-f]{64}, the manifest says/],
    ['bytes too many', (path: string) => appendFileSync(path, 'x'), /has \d+ bytes, not \d+/],
  ] as const) {
    test(`finds ${what} in a copy alone, and status is red until it is read whole again`, async () => {
      const [first, second] = [storedBackup('a', recent(0)), storedBackup('a', recent(1))];
      const { copy, env } = folders(first, second);
      const path = join(copy, second.key);
      const whole = readFileSync(path);
      harm(path);
      const outcome = await verify(env, '--all');
      assert.equal(outcome.code, 1, outcome.stderr);
      assert.equal(outcome.json.stores[0].ok, true);
      assert.equal(outcome.json.stores[1].damaged[0].key, second.key);
      assert.match(outcome.json.stores[1].damaged[0].detail, says);
      const red = await status(env);
      assert.deepEqual([red.code, red.json.copies[0].unreadable], [3, 1]);
      writeFileSync(path, whole);
      assert.equal((await verify(env)).code, 0);
      assert.deepEqual([(await status(env)).json.copies[0].unreadable], [0]);
    });
  }

  test('neither replaces the record of a run within the same second nor comes before it', async () => {
    const { primary, env } = folders(storedBackup('a', recent(0)));
    const first = await verify(env);
    const record = JSON.parse(readFileSync(join(primary, first.json.stores[0].record), 'utf8'));
    const startedAt = new Date(Date.now() + 2_000).toISOString();
    const day = startedAt.slice(0, 10).replaceAll('-', '/');
    const taken = `verified/${day}/primary_${startedAt.slice(11, 19).replaceAll(':', '')}.json`;
    place(primary, taken, JSON.stringify({ ...record, startedAt }));
    const second = await verify(env);
    assert.ok(second.json.stores[0].record > taken, second.json.stores[0].record);
  });

  test('finds an object of a folder, and roles, that are not there', async () => {
    const backup = storedBackup('a', recent(0), { parts: 2 });
    for (const gone of [...backup.objects.keys()].filter((key) => /0002-data|globals/.test(key))) {
      const { primary, env } = folders(backup);
      rmSync(join(primary, gone));
      const { code, json } = await verify(env, '--copy=primary');
      assert.equal(code, 1);
      assert.match(json.stores[0].damaged[0].detail, /is not there/);
    }
  });

  test('takes a store that does not answer for no answer, and not for damage', async () => {
    const backup = storedBackup('a', recent(0));
    const { double, storeEnv } = await startStore({
      fault: ({ operation }) => (operation === 'GetObject' ? { status: 403, code: 'AccessDenied' } : undefined),
    });
    for (const [key, bytes] of backup.objects) double.seed(key, bytes);
    const { env } = folders(backup);
    const { code, json } = await verify({ ...env, BACKUP_DIR: '', ...storeEnv });
    assert.equal(code, 1);
    assert.deepEqual([json.stores[0].damaged, json.stores[0].ok], [[], false]);
    assert.match(json.stores[0].error, /AccessDenied/);
    assert.equal(json.stores[1].ok, true);
  });

  test('unmasks a copy that is the primary store under another name', async () => {
    const { primary, env } = folders(storedBackup('a', recent(0)));
    const link = join(temporaryFolder(), 'mounted');
    const { double, storeEnv } = await startStore();
    for (const [key, bytes] of storedBackup('a', recent(0)).objects) double.seed(key, bytes);
    const same = storeEnv.S3_ENDPOINT?.replace('127.0.0.1', 'localhost');
    const { code, json } = await verify({
      ...{ ...env, BACKUP_DIR: '', ...storeEnv, COPY_NAS: `s3://backups?endpoint=${same}` },
      ...{ COPY_NAS_ACCESS_KEY: storeEnv.S3_ACCESS_KEY ?? '', COPY_NAS_SECRET_KEY: storeEnv.S3_SECRET_KEY ?? '' },
    });
    assert.equal(code, 3);
    assert.match(json.stores[1].reasons[0], /the same store as primary, under another name/);
    symlinkSync(primary, link);
    assert.equal((await verify({ ...env, COPY_NAS: `file://${link}` })).code, 2);
  });

  test('reads one backup wherever it is, and refuses a key that is nowhere', async () => {
    const [first, second] = [storedBackup('a', recent(0)), storedBackup('a', recent(1))];
    const { env } = folders(first, second);
    const one = await verify(env, second.key);
    assert.deepEqual(
      one.json.stores.map(({ read }: { read: number }) => read),
      [1, 1],
    );
    assert.equal((await verify(env, 'no/such')).code, 1);
    assert.equal((await verify(env, '--copy=tape')).code, 2);
  });
});

describe('status of copies', () => {
  test('is red for a copy that lacks a source, and for an empty primary store, of which nothing is deleted', async () => {
    const backup = storedBackup('a', recent(0));
    const { primary, copy, env } = folders(backup);
    for (const name of filesIn(copy)) rmSync(join(copy, name));
    const lacking = await status(env);
    assert.deepEqual([lacking.code, lacking.json.copies[0].missing], [3, 1]);
    placeAll(copy, backup);
    for (const name of filesIn(primary)) rmSync(join(primary, name));
    const emptied = await status(env);
    assert.equal(emptied.code, 3);
    assert.match(emptied.json.copies[0].reasons.join(), /the primary store is empty, and this copy holds 1 backups/);
    await done('cleanup', ['--json'], { ...env, RETENTION_KEEP_LAST: '1' });
    assert.equal(filesIn(copy).length, backup.objects.size);
  });

  test('a copy that is away is late in status too, and red once its target is over', async () => {
    const { copy, env } = folders(storedBackup('a', new Date(Date.now() - 60_000).toISOString()));
    await status(env);
    const away = { ...env, COPY_NAS: `file://${copy}?rpo=2d` };
    rmSync(copy, { recursive: true });
    const late = await status(away);
    assert.deepEqual([late.code, late.json.copies[0].isAway, late.json.copies[0].ok], [0, true, true]);
    const over = await status({ ...env, COPY_NAS: `file://${copy}?rpo=1s` });
    assert.deepEqual([over.code, over.json.copies[0].ok], [3, false]);
  });
});
