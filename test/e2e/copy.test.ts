import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { filesIn, place, temporaryFolder } from '../support/folders.ts';
import { placeAll, type Stored, storedBackup } from '../support/stored.ts';
import { startStore } from '../support/stores.ts';
import { type Environment, runVerb } from '../support/verbs.ts';

const KEEP_ALL = { RETENTION_KEEP_LAST: 'unlimited' };
const day = (n: number) => `2026-01-${String(n).padStart(2, '0')}T12:00:00Z`;
const days = (source: string, count: number) =>
  Array.from({ length: count }, (_, n) => storedBackup(source, day(n + 1)));

/** A primary store and a copy, both folders, and the place where this machine notes what it has seen. */
function folders(...backups: readonly Stored[]) {
  const [primary, copy, notes] = [temporaryFolder(), temporaryFolder(), temporaryFolder()];
  placeAll(primary, ...backups);
  const env = {
    ...{ POSTGRES_HOST: '127.0.0.1', POSTGRES_PORT: '1', POSTGRES_DB: 'a' },
    ...{ BACKUP_DIR: primary, COPY_NAS: `file://${copy}`, DRILL_DIR: notes },
  };
  return { primary, copy, env };
}

const copyNow = (env: Environment, ...args: string[]) => runVerb('copy', ['--json', ...args], { ...KEEP_ALL, ...env });

function assertEqualFiles(a: string, b: string) {
  assert.deepEqual(filesIn(a), filesIn(b));
  for (const name of filesIn(a)) assert.ok(readFileSync(join(a, name)).equals(readFileSync(join(b, name))), name);
}

describe('copy', { concurrency: 2 }, () => {
  test('puts the same bytes under the same keys, and has nothing to do the second time', async () => {
    const { primary, copy, env } = folders(
      ...days('a', 3),
      storedBackup('b', day(2), { parts: 3 }),
      storedBackup('a', new Date().toISOString(), { kind: 'pre-restore' }),
    );
    const first = await copyNow(env);
    assert.equal(first.code, 0, first.stderr);
    assert.equal(first.json.copies[0].copied.length, 5);
    assertEqualFiles(primary, copy);
    const second = await copyNow(env);
    assert.deepEqual([second.code, second.json.copies[0].copied], [0, []]);
  });

  test('leaves what is foreign where it is, and copies the oldest first', async () => {
    const { primary, copy, env } = folders(...days('a', 3));
    place(primary, 'notes.txt', 'mine');
    place(copy, 'theirs/2026.txt', 'theirs');
    const { code, stderr } = await copyNow(env);
    assert.equal(code, 0, stderr);
    assert.ok(!filesIn(copy).includes('notes.txt') && filesIn(copy).includes('theirs/2026.txt'));
    const order = [...stderr.matchAll(/(2026\/01\/\d\d)\S+ is in nas/g)].map(([, at]) => at);
    assert.deepEqual(order, [...order].sort());
  });

  test('takes what its own retention would keep, and no more', async () => {
    const { copy, env } = folders(...days('a', 6));
    const { json } = await copyNow({ ...env, COPY_NAS: `${env.COPY_NAS}?keep-last=2` });
    assert.deepEqual(json.copies[0].copied, ['2026/01/05/a_120000.sql.gz', '2026/01/06/a_120000.sql.gz']);
    assert.equal(filesIn(copy).length, 6);
  });

  test('works under other prefixes, from bucket to bucket, each with keys of its own', async () => {
    const [a, b] = [await startStore(), await startStore()];
    for (const { objects } of days('a', 2).map((_, n) => storedBackup('a', day(n + 1), { prefix: 'app' })))
      for (const [key, bytes] of objects) a.double.seed(key, bytes);
    const env = {
      ...{ ...a.storeEnv, S3_PREFIX: 'app', DRILL_DIR: temporaryFolder(), POSTGRES_DB: 'a' },
      COPY_B: `s3://backups/deep/er?endpoint=${b.storeEnv.S3_ENDPOINT}`,
      COPY_B_ACCESS_KEY: b.storeEnv.S3_ACCESS_KEY ?? '',
      COPY_B_SECRET_KEY: b.storeEnv.S3_SECRET_KEY ?? '',
    };
    const { code, stderr } = await copyNow(env);
    assert.equal(code, 0, stderr);
    const inside = (keys: Iterable<string>, prefix: string) => [...keys].map((key) => key.slice(prefix.length)).sort();
    assert.deepEqual(inside(b.double.objects.keys(), 'deep/er/'), inside(a.double.objects.keys(), 'app/'));
    // of each backup the manifest is what is stored last
    const stored = b.double.requests.filter(({ operation }) => operation === 'PutObject').map(({ key }) => key);
    for (const stem of ['2026/01/01/a_120000', '2026/01/02/a_120000'])
      assert.ok(
        stored
          .filter((key) => key.includes(stem))
          .at(-1)
          ?.endsWith('.json'),
        stored.join(),
      );
    assert.deepEqual(
      a.double.requests.filter(({ operation }) => /Put|Delete/.test(operation)),
      [],
    );
    assert.deepEqual(
      b.double.requests.filter(({ operation }) => /Delete/.test(operation)),
      [],
    );
  });

  test('goes on where a run was cut off: what is there and the same stays, what was not finished is', async () => {
    const backup = storedBackup('a', day(1), { parts: 2 });
    const { primary, copy, env } = folders(backup);
    for (const [key, bytes] of [...backup.objects].slice(0, 2)) place(copy, key, bytes);
    assert.equal((await runVerb('list', ['--json'], { ...env, BACKUP_DIR: copy, COPY_NAS: '' })).json.length, 0);
    const { code, stderr } = await copyNow(env);
    assert.equal(code, 0, stderr);
    assertEqualFiles(primary, copy);
  });

  test('overwrites nothing: other bytes under a key of ours are named, and the other backups are copied', async () => {
    const [first, second] = days('a', 2);
    assert.ok(first && second);
    const { copy, env } = folders(first, second);
    const length = first.objects.get(first.key)?.length ?? 0;
    place(copy, first.key, Buffer.alloc(length, 1));
    const { code, json } = await copyNow(env);
    assert.equal(code, 1);
    assert.match(json.copies[0].failed[0].error, /has other bytes under 2026\/01\/01\/a_120000\.sql\.gz/);
    assert.deepEqual(json.copies[0].copied, [second.key]);
    assert.ok(readFileSync(join(copy, first.key)).equals(Buffer.alloc(length, 1)));
  });

  test('copies nothing that is damaged, and leaves nothing of it that counts', async () => {
    const [first, second] = days('a', 2);
    assert.ok(first && second);
    const { primary, copy, env } = folders(first, second);
    appendFileSync(join(primary, first.key), 'x');
    const { code, json } = await copyNow(env);
    assert.equal(code, 1);
    assert.match(json.copies[0].failed[0].error, /is not what was stored: it has \d+ bytes/);
    assert.deepEqual(json.copies[0].copied, [second.key]);
    const listed = await runVerb('list', ['--json'], { ...env, BACKUP_DIR: copy, COPY_NAS: '' });
    assert.deepEqual(
      listed.json.map(({ key }: { key: string }) => key),
      [second.key],
    );
  });

  test('names an object that has another size in each store', async () => {
    const { copy, env } = folders(...days('a', 1));
    await copyNow(env);
    appendFileSync(join(copy, '2026/01/01/a_120000.sql.gz'), 'x');
    const { code, json } = await copyNow(env);
    assert.deepEqual([code, json.copies[0].differing], [1, ['2026/01/01/a_120000.sql.gz']]);
  });

  test('names what a store lists and does not have', async () => {
    const { double, storeEnv } = await startStore({
      fault: ({ operation, key }) =>
        operation === 'GetObject' && key.includes('01/01/a_120000.sql')
          ? { status: 404, code: 'NoSuchKey' }
          : undefined,
    });
    for (const { objects } of days('a', 2)) for (const [key, bytes] of objects) double.seed(key, bytes);
    const copy = temporaryFolder();
    const { code, json } = await copyNow({ ...storeEnv, COPY_NAS: `file://${copy}`, DRILL_DIR: temporaryFolder() });
    assert.equal(code, 1);
    assert.equal(json.copies[0].failed[0].key, '2026/01/01/a_120000.sql.gz');
    assert.deepEqual(json.copies[0].copied, ['2026/01/02/a_120000.sql.gz']);
  });

  test('of an empty primary store copies nothing and deletes nothing; --from fills it again', async () => {
    const { primary, copy, env } = folders(...days('a', 3));
    await copyNow(env);
    for (const name of filesIn(primary)) rmSync(join(primary, name));
    const empty = await copyNow(env);
    assert.equal(empty.code, 1);
    assert.match(empty.stderr, /primary is empty, and nas holds 3 backups: nothing is copied, and nothing is deleted/);
    assert.equal(filesIn(copy).length, 9);
    const filled = await copyNow(env, '--from=nas');
    assert.equal(filled.code, 0, filled.stderr);
    assertEqualFiles(copy, primary);
  });

  test('a copy that is away is late, and a failure only once its own target is over', async () => {
    const { copy, env } = folders(storedBackup('a', new Date(Date.now() - 60_000).toISOString()));
    const never = await copyNow({ ...env, COPY_NAS: `file://${copy}-not-mounted` });
    assert.deepEqual([never.code, never.json.copies[0].isAway], [1, true]);
    assert.match(never.stderr, /never been reached from here/);
    assert.equal((await copyNow(env)).code, 0);
    renameSync(copy, `${copy}-drawer`);
    const late = await copyNow({ ...env, COPY_NAS: `${env.COPY_NAS}?rpo=7d` });
    assert.deepEqual([late.code, late.json.copies[0].isAway], [0, true], late.stderr);
    assert.match(late.stderr, /nas is away, and late/);
    const over = await copyNow({ ...env, COPY_NAS: `${env.COPY_NAS}?rpo=1s` });
    assert.equal(over.code, 1);
    renameSync(`${copy}-drawer`, copy);
  });

  test('a folder that is suddenly empty is not mounted: it is not filled unless that is asked for', async () => {
    const { copy, primary, env } = folders(storedBackup('a', new Date(Date.now() - 60_000).toISOString()));
    await copyNow(env);
    for (const name of filesIn(copy)) rmSync(join(copy, name));
    const outcome = await copyNow({ ...env, COPY_NAS: `${env.COPY_NAS}?rpo=1s` });
    assert.equal(outcome.code, 1, outcome.stderr);
    assert.match(outcome.stderr, /is empty, and held backups before.*Is its disk mounted\?/s);
    assert.deepEqual(filesIn(copy), []);
    assert.equal((await copyNow(env, '--refill')).code, 0);
    assertEqualFiles(primary, copy);
  });

  test('takes bases and the log of servers along, in the order in which they are a log, unless wal=off', async () => {
    const { primary, copy, env } = folders(...days('a', 1));
    const chain = 'wal/db/20260101T000000Z-7446112233445566778';
    const segment = (n: number) => `0000000100000000${String(n).padStart(8, '0')}`;
    for (const [key, bytes] of [
      [`${chain}/begun-first_16M`, ''],
      [`${chain}/00000002.history`, '1 0/3000000 x'],
      [`${chain}/${segment(1)}_20260101T000500Z.zst`, 'one'],
      [`${chain}/${segment(2)}/00000000-00000100_20260101T000505Z.zst`, 'two'],
      [`${chain}/${segment(2)}/00000100-00000100_20260101T001005Z`, ''],
      ['base/2026/01/01/db_000001.tar.zst', 'files'],
      ['base/2026/01/01/db_000001.json', '{}'],
      // being taken: no base yet
      ['base/2026/01/02/db_000001.tar.zst', 'files'],
      ['wal/notes.txt', 'foreign'],
    ] as const)
      place(primary, key, bytes);
    const off = await copyNow({ ...env, COPY_NAS: `${env.COPY_NAS}?wal=off` });
    assert.deepEqual([off.json.copies[0].log, filesIn(copy).length], [null, 3]);
    const { code, json, stderr } = await copyNow(env);
    assert.equal(code, 0, stderr);
    assert.deepEqual(json.copies[0].log, { bases: 1, objects: 5, bytes: 26 });
    for (const name of ['base/2026/01/02/db_000001.tar.zst', 'wal/notes.txt']) rmSync(join(primary, name));
    assertEqualFiles(primary, copy);
  });

  test('names the variable of the copy for a wrong key', async () => {
    const { double } = await startStore();
    const { env } = folders(...days('a', 1));
    const { code, stderr } = await copyNow({
      ...env,
      COPY_NAS: `s3://backups?endpoint=${double.settings.endpoint}`,
      COPY_NAS_ACCESS_KEY: 'wrong',
      COPY_NAS_SECRET_KEY: 'wrong-too',
    });
    assert.equal(code, 1);
    assert.match(stderr, /Check COPY_NAS_ACCESS_KEY and COPY_NAS_SECRET_KEY/);
    assert.doesNotMatch(stderr, /S3_ACCESS_KEY/);
  });

  test('refuses a name that no copy has, and says so when there is none', async () => {
    const { env } = folders();
    assert.equal((await copyNow(env, 'tape')).code, 2);
    const none = await copyNow({ ...env, COPY_NAS: '' });
    assert.deepEqual([none.code, none.json], [0, { ok: true, copies: [] }]);
  });
});
