import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { openDirectory } from '../../scripts/lib/storages/directory/directory.ts';
import type { Storage } from '../../scripts/lib/storages/storage.ts';
import { collect, generated, keysOf } from '../support/bytes.ts';

const MIB = 1024 * 1024;
const isRoot = process.getuid?.() === 0;

let root: string;
let storage: Storage;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'storage-'));
  storage = openDirectory(root);
});
afterEach(() => rm(root, { recursive: true, force: true }));

const few = () => generated(5, 5);

test('never creates the directory itself, for its disk may not be mounted', async () => {
  const path = join(root, 'not-mounted');
  const absent = openDirectory(path);
  const expected = { code: 'STORAGE', message: /does not exist/, hint: /BACKUP_DIR.*mkdir -p/ };
  await assert.rejects(absent.put('a/b', few()), expected);
  await assert.rejects(absent.get('a/b'), expected);
  await assert.rejects(keysOf(absent, ''), expected);
  await assert.rejects(absent.removeUnfinished('', new Date()), expected);
  assert.match((await absent.remove(['a/b']))[0]?.reason ?? '', /does not exist/);
  await assert.rejects(stat(path), { code: 'ENOENT' });
});

test('says so when it is given a file', async () => {
  await writeFile(join(root, 'file'), '');
  await assert.rejects(openDirectory(join(root, 'file')).put('a/b', few()), { code: 'STORAGE', hint: /BACKUP_DIR/ });
});

test('says so when a folder of the key is a file', async () => {
  await storage.put('a', few());
  await assert.rejects(storage.put('a/b', few()), { code: 'STORAGE', message: /cannot store a\/b .*not a folder/ });
  assert.deepEqual(await keysOf(storage, ''), ['a']);
});

test('leaves nothing, and says what to do, when the disk is full or read-only', async (t) => {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', root], { stdio: 'ignore' });
  } catch {
    return t.skip('a small disk can only be mounted by root');
  }
  try {
    await assert.rejects(storage.put('a/b', generated(20 * MIB, MIB)), {
      code: 'STORAGE',
      message: /cannot store a\/b in .*: the disk is full \(ENOSPC\)/,
      hint: /BACKUP_DIR/,
    });
    assert.deepEqual(await readdir(root), []);
    await storage.put('a/b', few());
    execFileSync('mount', ['-o', 'remount,ro', root]);
    await assert.rejects(storage.put('a/c', few()), {
      code: 'STORAGE_DENIED',
      message: /read-only/,
      hint: /BACKUP_DIR/,
    });
    assert.match((await storage.remove(['a/b']))[0]?.reason ?? '', /read-only/);
    assert.deepEqual(await keysOf(storage, ''), ['a/b']);
  } finally {
    execFileSync('umount', [root]);
  }
});

test('fails a listing when a folder cannot be read', { skip: isRoot && 'root can read every folder' }, async () => {
  await storage.put('a/b', few());
  await storage.put('c/d', few());
  await chmod(join(root, 'a'), 0);
  await assert.rejects(keysOf(storage, ''), { code: 'STORAGE_DENIED', hint: /BACKUP_DIR/ });
  await chmod(join(root, 'a'), 0o700);
});

for (const hardLinks of [true, false]) {
  const how = hardLinks ? 'with' : 'without';

  test(`lets one of many win who store the same key at the same time, ${how} hard links`, async () => {
    const racing = openDirectory(root, { hardLinks });
    const sizes = Array.from({ length: 20 }, (_, n) => n + 1);
    const outcomes = await Promise.allSettled(sizes.map((size) => racing.put('a/b', generated(size, 1))));
    const won = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value.sizeBytes] : []));
    for (const outcome of outcomes) if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'KEY_EXISTS');
    assert.equal(won.length, 1);
    assert.equal((await collect(await racing.get('a/b'))).length, won[0]);
    assert.deepEqual(await readdir(root), ['a']);
  });

  test(`stores while others delete the last file of the same folder, ${how} hard links`, async () => {
    const racing = openDirectory(root, { hardLinks });
    await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const key = `2026/01/${n % 3}/db_${n}`;
        await racing.put(key, few());
        assert.deepEqual(await racing.remove([key]), []);
      }),
    );
    assert.deepEqual(await readdir(root), []);
  });
}

test('removes the folders that became empty, and no others', async () => {
  await storage.put('2026/01/01/a', few());
  await storage.put('2026/02/01/a', few());
  await storage.remove(['2026/01/01/a']);
  assert.deepEqual(await readdir(join(root, '2026')), ['02']);
  await storage.remove(['2026/02/01/a']);
  assert.deepEqual(await readdir(root), []);
});

test('lists regular files alone, and follows no links', async () => {
  const outside = await mkdtemp(join(tmpdir(), 'outside-'));
  await writeFile(join(outside, 'secret'), 'x');
  await storage.put('a/b', few());
  await symlink(outside, join(root, 'folder-link'));
  await symlink(join(outside, 'secret'), join(root, 'file-link'));
  execFileSync('mkfifo', [join(root, 'fifo')]);
  assert.deepEqual(await keysOf(storage, ''), ['a/b']);
  await rm(outside, { recursive: true });
});

test('keeps what it stores from other users', async () => {
  await storage.put('a/b', few());
  assert.equal((await stat(join(root, 'a/b'))).mode & 0o777, 0o600);
  assert.equal((await stat(join(root, 'a'))).mode & 0o777, 0o700);
});

test('does not list what is unfinished, nor takes it for a key', async () => {
  await leftover('0123', '2026/a', new Date());
  assert.deepEqual(await keysOf(storage, ''), []);
  await assert.rejects(storage.get('.incomplete/0123/2026/a'), { code: 'USAGE' });
});

test('removes what a killed run left, under the prefix alone, and only what is old', async () => {
  const old = new Date('2026-01-01');
  await leftover('1', 'p/2026/old', old);
  await leftover('2', 'p/2026/new', new Date());
  await leftover('3', 'q/2026/old', old);
  await mkdir(join(root, '.incomplete/4'));
  await utimes(join(root, '.incomplete/4'), old, old);
  assert.deepEqual(await storage.removeUnfinished('p/', new Date('2026-02-01')), ['p/2026/old']);
  assert.deepEqual((await readdir(join(root, '.incomplete'))).sort(), ['2', '3']);
  assert.deepEqual(await storage.removeUnfinished('q/', new Date('2026-02-01')), ['q/2026/old']);
});

test('errors when a file becomes shorter while it is read', async () => {
  await storage.put('a/b', generated(8 * MIB, MIB));
  const stream = await storage.get('a/b');
  await assert.rejects(
    async () => {
      for await (const _ of stream) await truncate(join(root, 'a/b'), MIB);
    },
    { code: 'STORAGE', message: /shorter/ },
  );
});

/** What a run that is killed leaves behind. */
async function leftover(id: string, key: string, at: Date): Promise<void> {
  const path = join(root, '.incomplete', id, key);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, 'half');
  await utimes(path, at, at);
  await utimes(join(root, '.incomplete', id), at, at);
}
