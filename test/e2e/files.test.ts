import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ageKeyPair, backUp } from '../support/backups.ts';
import { temporaryFolder } from '../support/folders.ts';
import { bytesOnDisk, lookInto, makeTree } from '../support/trees.ts';
import { uploads } from '../support/uploads.ts';
import { done, runVerb } from '../support/verbs.ts';

describe('a backup of a folder and its restore', { concurrency: 2 }, () => {
  for (const compression of ['zstd', 'gzip', 'none']) {
    test(`bring back everything that find can tell, and nothing else: ${compression}`, async () => {
      const { data, live, env } = uploads(`?compression=${compression}`);
      makeTree(live);
      const before = lookInto(live);
      const { key, manifest } = await backUp(env);
      assert.match(key, { zstd: /\.tar\.zst$/, gzip: /\.tar\.gz$/, none: /\.tar$/ }[compression] as RegExp);
      const count = (type: string[]) =>
        Number(execFileSync('bash', ['-c', `find "$0" "$@" -printf x | wc -c`, live, ...type], { encoding: 'utf8' }));
      assert.equal(manifest.files, count(['!', '-type', 'd']));
      assert.deepEqual([manifest.engine, manifest.database, manifest.isFolder], ['files', live, true]);
      rmSync(join(live, 'random'));
      appendFileSync(join(live, '-rf'), 'more');
      writeFileSync(join(live, 'stray'), '');
      const { json } = await done('restore', ['latest', '--json'], env);
      assert.equal(lookInto(live), before);
      assert.deepEqual([json.database, json.files, json.fileBytes], [live, manifest.files, manifest.fileBytes]);
      assert.ok(bytesOnDisk(join(live, 'sparse')) < 1_000_000, 'holes stay holes');
      assert.ok(existsSync(join(json.previousDatabase, 'stray')), 'what was replaced is kept');
      assert.match(json.safetyBackup, /\.tar/);
      assert.deepEqual(
        readdirSync(data).map((name) => join(data, name)),
        [live, json.previousDatabase],
      );
    });
  }

  test('need no help from us: zstd and tar restore it', async () => {
    const { live, backups, env } = uploads();
    makeTree(live);
    const { key } = await backUp(env);
    const other = temporaryFolder();
    execFileSync('bash', ['-c', `zstd -dc "$0" | tar -xp -C "$1"`, join(backups, key), other]);
    assert.equal(lookInto(other), lookInto(live));
  });

  test('are undone by one command, and cleaned up in time', async () => {
    const { data, live, env } = uploads();
    makeTree(live);
    await backUp(env);
    writeFileSync(join(live, 'later'), 'x');
    const later = lookInto(live);
    const restored = await done('restore', ['latest', '--json'], env);
    const undo = await done('restore', ['--undo', '--json'], env);
    assert.equal(undo.json.restoredFrom, restored.json.previousDatabase);
    assert.equal(lookInto(live), later);
    const nothing = await runVerb('restore', ['--undo', '--json'], env);
    assert.equal(nothing.code, 1);
    assert.match(nothing.json.error.message, /there is nothing to undo/);
    const status = await runVerb('status', ['--json'], env);
    assert.deepEqual(
      status.json.sources[0].keptDatabases.map(({ name, role }: { name: string; role: string }) => [name, role]),
      [[undo.json.keptAs, 'undone']],
    );
    await done('cleanup', ['--json'], { ...env, RESTORE_PROTECT_DAYS: '0' });
    assert.deepEqual(readdirSync(data), ['uploads']);
  });

  test('work for a single file, also when it is named by a link', async () => {
    const { data, live, env } = uploads();
    const key = join(data, 'master.key');
    writeFileSync(key, 'secret\n', { mode: 0o400 });
    symlinkSync(key, join(live, 'current'));
    for (const path of [key, join(live, 'current')]) {
      const of = { ...env, BACKUP_SOURCE_UPLOADS: `file://${path}` };
      const { manifest } = await backUp(of);
      assert.deepEqual([manifest.isFolder, manifest.files, manifest.fileBytes], [false, 1, 7]);
      rmSync(key);
      writeFileSync(key, 'wrong');
      const { json } = await done('restore', ['latest', '--json'], of);
      assert.equal(execFileSync('stat', ['--format=%a %s', key], { encoding: 'utf8' }), '400 7\n');
      assert.equal(readFileSync(json.previousDatabase, 'utf8'), 'wrong');
      await done('drill', ['--json'], of);
      await done('restore', ['--undo'], of);
      assert.equal(readFileSync(key, 'utf8'), 'wrong');
      rmSync(key);
      writeFileSync(key, 'secret\n', { mode: 0o400 });
    }
    assert.ok(readdirSync(live).includes('current'));
  });

  test('work for a folder in which there is nothing, and status tells of one that was emptied', async () => {
    const { live, env } = uploads();
    writeFileSync(join(live, 'a'), '1');
    await backUp(env);
    rmSync(join(live, 'a'));
    const { manifest, stderr } = await backUp(env);
    assert.deepEqual([manifest.files, manifest.fileBytes], [0, 0]);
    assert.match(stderr, /there are no files in it \(1 before\)/);
    await done('restore', ['latest'], env);
    assert.deepEqual(readdirSync(live), []);
  });

  test('--to restores beside, into what is missing or empty, and touches nothing else', async () => {
    const { data, live, env } = uploads();
    makeTree(live);
    await backUp(env);
    const before = lookInto(live);
    mkdirSync(join(data, 'empty'));
    for (const to of ['look', join(data, 'elsewhere'), join(data, 'empty')]) {
      const { json } = await done('restore', ['latest', '--to', to, '--json'], env);
      assert.equal(json.previousDatabase, null);
      assert.equal(lookInto(json.database), before);
    }
    assert.deepEqual(readdirSync(data), ['elsewhere', 'empty', 'look', 'uploads']);
    for (const [to, message] of [
      [join(data, 'look'), /exists and is not an empty folder/],
      [join(live, 'inside'), /not beside/],
      [data, /not beside/],
      ['a/b', /neither an absolute path nor a name/],
      [join(data, 'missing/folder'), /does not exist/],
    ] as const) {
      const refused = await runVerb('restore', ['latest', '--to', to, '--json'], env);
      assert.notEqual(refused.code, 0);
      assert.match(refused.json.error.message, message);
    }
    assert.equal(lookInto(live), before);
    assert.deepEqual(readdirSync(data), ['elsewhere', 'empty', 'look', 'uploads']);
  });

  test('work encrypted: age, zstd and tar restore it by hand too', async () => {
    const { live, backups, env } = uploads();
    makeTree(live);
    const { identity, recipient } = ageKeyPair();
    const { key } = await backUp({ ...env, BACKUP_AGE_RECIPIENTS: recipient });
    assert.match(key, /\.tar\.zst\.age$/);
    const before = lookInto(live);
    rmSync(join(live, 'random'));
    await done('restore', ['latest'], {
      ...env,
      BACKUP_AGE_RECIPIENTS: recipient,
      BACKUP_AGE_IDENTITY: identity,
    });
    assert.equal(lookInto(live), before);
    const other = temporaryFolder();
    const keyFile = join(temporaryFolder(), 'identity');
    writeFileSync(keyFile, `${identity}\n`);
    execFileSync('bash', ['-c', `age -d -i "$2" "$0" | zstd -d | tar -xp -C "$1"`, join(backups, key), other, keyFile]);
    assert.equal(lookInto(other), before);
  });
});

describe('a drill of a folder', () => {
  test('proves count, bytes and tree, and leaves nothing, also of one that was killed', async () => {
    const { live, env } = uploads();
    makeTree(live);
    const { manifest } = await backUp(env);
    const directory = temporaryFolder();
    mkdirSync(join(directory, 'files-drill-killed'));
    renameSync(live, `${live}-gone`);
    const { json } = await done('drill', ['--json'], { ...env, DRILL_DIR: directory });
    const [result] = json.results;
    const check = result.checks.find(({ name }: { name: string }) => name === 'files');
    assert.match(check.detail, new RegExp(`^${manifest.files} files, .*digest as dumped$`));
    assert.deepEqual(readdirSync(directory), []);
    assert.ok(result.rtoMs > 0);
  });

  test('asks for room before it begins', async () => {
    const { live, backups, env } = uploads();
    writeFileSync(join(live, 'a'), 'x');
    const { key, manifest } = await backUp(env);
    writeFileSync(join(backups, key.replace('.tar.zst', '.json')), JSON.stringify({ ...manifest, rawBytes: 1e15 }));
    const { code, json } = await runVerb('drill', ['--json'], env);
    assert.equal(code, 1);
    assert.match(json.results[0].checks[0].detail, /has .* free; rehearsing this restore needs about/);
  });
});
