import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { backUp } from '../support/backups.ts';
import { filesIn } from '../support/folders.ts';
import { isRoot, makeTree } from '../support/trees.ts';
import { mounted, UNPRIVILEGED, uploads } from '../support/uploads.ts';
import { done, runVerb } from '../support/verbs.ts';

/** As bytes. */
const namesIn = (folder: string) =>
  execFileSync('find', ['.', '-mindepth', '1', '-printf', '%P\\0'], { cwd: folder, encoding: 'latin1' })
    .split('\0')
    .filter((name) => name !== '')
    .sort();

describe('what is left out of the backups of a folder', { concurrency: 2 }, () => {
  for (const compression of ['zstd', 'gzip', 'none'])
    test(`is in none of it, stands in the manifest, and is expected to be missing by drill and restore: ${compression}`, async () => {
      const { live, env } = uploads(`?compression=${compression}&exclude=cache/&exclude=*.log`);
      makeTree(live);
      const kept = namesIn(live);
      mkdirSync(join(live, 'sub/cache/deep'), { recursive: true });
      mkdirSync(join(live, 'My Files'));
      writeFileSync(join(live, 'sub/cache/deep/x'), 'x');
      writeFileSync(join(live, 'x.log'), 'x');
      writeFileSync(join(live, 'keep.log'), 'x');
      writeFileSync(join(live, 'My Files/x'), 'x');
      linkSync(join(live, 'x.log'), join(live, 'stays'));
      const of = { ...env, BACKUP_SOURCE_UPLOADS_EXCLUDE: '!keep.log "/My Files/" *.tmp' };
      const { manifest, stderr } = await backUp(of);
      assert.deepEqual(manifest.leftOut?.patterns, ['cache/', '*.log', '!keep.log', '/My Files/', '*.tmp']);
      assert.match(stderr, /warn.*the pattern \*\.tmp .* fits nothing/);
      assert.equal(stderr.match(/fits nothing/g)?.length, 1);
      const drill = await runVerb('drill', ['--json'], of);
      assert.equal(drill.json.results[0].ok, true, drill.stderr);
      assert.deepEqual(
        drill.json.results[0].checks
          .filter(({ name }: { name: string }) => name === 'left out')
          .map(({ ok, detail }: { ok: boolean; detail: string }) => [ok, detail]),
        [[true, 'files like cache/, *.log, !keep.log, /My Files/, *.tmp']],
      );
      const { json, stderr: said } = await done('restore', ['latest', '--to', 'beside', '--json'], of);
      assert.match(said.split('\n')[0] ?? '', /left out of it: files like cache\/, \*\.log, !keep\.log, \/My Files\//);
      assert.deepEqual(namesIn(json.database), [...kept, 'keep.log', 'stays'].sort());
      assert.equal(readFileSync(join(json.database, 'stays'), 'utf8'), 'x');
    });

  test('is not read at all, also where it may not be', { skip: !isRoot && 'wants root' }, async () => {
    const { live, env } = uploads('?exclude=/closed/');
    writeFileSync(join(live, 'a'), 'x');
    mkdirSync(join(live, 'closed'), { mode: 0o700 });
    const { json } = await done('backup', ['--json'], env, { through: UNPRIVILEGED });
    assert.equal(json.results[0].ok, true);
    mkdirSync(join(live, 'secret'), { mode: 0o700 });
    const refused = await runVerb('backup', ['--json'], env, { through: UNPRIVILEGED });
    assert.equal(refused.code, 1);
    assert.match(refused.json.results[0].error, /\.\/secret: Cannot open: Permission denied/);
  });

  test('may not be all of it, nor a part of a single file; what is of databases is refused', async () => {
    const { live, backups, env } = uploads();
    writeFileSync(join(live, 'a'), 'x');
    const all = await runVerb('backup', ['--json'], { ...env, BACKUP_SOURCE_UPLOADS_EXCLUDE: '*' });
    assert.equal(all.code, 1);
    assert.match(all.json.results[0].error, /patterns leave out everything/);
    const one = await runVerb('backup', ['--json'], { ...env, BACKUP_SOURCE_UPLOADS: `file://${live}/a?exclude=a` });
    assert.equal(one.code, 1);
    assert.match(one.json.results[0].error, /is a single file, of which nothing can be left out/);
    const foreign = await runVerb('backup', ['--json'], { ...env, BACKUP_SOURCE_UPLOADS_EXCLUDE_TABLE: 'x' });
    assert.equal(foreign.code, 2);
    assert.match(foreign.stdout + foreign.stderr, /BACKUP_SOURCE_UPLOADS_EXCLUDE_TABLE is of databases/);
    const database = await runVerb('backup', ['--json'], {
      ...env,
      BACKUP_SOURCE_SHOP: 'postgres://a@b/c',
      BACKUP_SOURCE_SHOP_EXCLUDE: '*.log',
    });
    assert.equal(database.code, 2);
    assert.match(database.stdout + database.stderr, /BACKUP_SOURCE_SHOP_EXCLUDE is of folders/);
    assert.deepEqual(filesIn(backups), []);
  });

  test('goes together with files that come and go while the folder is read', async () => {
    const { live, env } = uploads('?exclude=*.log');
    for (let n = 0; n < 1_000; n += 1) writeFileSync(join(live, `file-${n}`), 'x');
    mkdirSync(join(live, 'moving'));
    chmodSync(live, 0o777);
    const shell = `while :; do for n in 1 2 3 4 5 6 7 8; do echo x > "$0/moving/f$n"; echo x > "$0/moving/$n.log"; done; rm -f "$0"/moving/*; done`;
    const { spawn } = await import('node:child_process');
    const child = spawn('bash', ['-c', shell, live], { stdio: 'ignore' });
    try {
      for (let n = 0; n < 3; n += 1) {
        await backUp(env);
        const drill = await runVerb('drill', ['--json'], env);
        assert.equal(drill.json.results[0].ok, true, drill.stderr);
      }
    } finally {
      child.kill('SIGKILL');
    }
  });

  test('goes with a mounted folder, in which ours lies', { skip: !isRoot && 'wants root' }, async () => {
    const { live, env } = uploads('?exclude=*.log');
    writeFileSync(join(live, 'a'), 'x');
    writeFileSync(join(live, 'x.log'), 'x');
    const through = mounted(live);
    await done('backup', [], env, { through });
    await done('restore', ['latest', '--json'], env, { through });
    assert.deepEqual(readdirSync(live).sort(), ['.compose-db-backup', 'a']);
    const { json } = await done('backup', ['--json'], env, { through });
    const listed = execFileSync(
      'bash',
      ['-c', `zstd -dc "$0" | tar -tf -`, join(env.BACKUP_DIR ?? '', json.results[0].key)],
      { encoding: 'utf8' },
    );
    assert.deepEqual(listed.trim().split('\n'), ['./', './a']);
  });
});
