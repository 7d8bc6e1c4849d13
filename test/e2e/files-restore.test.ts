import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { backUp } from '../support/backups.ts';
import { temporaryFolder } from '../support/folders.ts';
import { isRoot, lookInto, makeTree } from '../support/trees.ts';
import { forge, heldCompressor, tarOf, UNPRIVILEGED, uploads } from '../support/uploads.ts';
import { done, runVerb, startVerb, until } from '../support/verbs.ts';

describe('a restore of a folder', { concurrency: 2 }, () => {
  test('refuses what was truncated or changed, and the live folder is as it was', async () => {
    const { data, live, backups, env } = uploads('?compression=none');
    makeTree(live);
    const { key } = await backUp(env);
    const whole = readFileSync(join(backups, key));
    writeFileSync(join(live, 'later'), 'x');
    const before = lookInto(live);
    const refuse = async (message: RegExp) => {
      const { code, json, stderr } = await runVerb('restore', [key, '--json'], env);
      assert.equal(code, 1, stderr);
      assert.match(json.error.message, message);
      assert.equal(lookInto(live), before);
      assert.deepEqual(readdirSync(data), ['uploads']);
    };
    truncateSync(join(backups, key), whole.length - 1);
    await refuse(/it has \d+ bytes, the manifest says/);
    const flipped = Buffer.from(whole);
    const at = flipped.indexOf('far down');
    flipped[at] = 0x46;
    writeFileSync(join(backups, key), flipped);
    await refuse(/its SHA-256 is/);
    // from here on the manifest has been forged along: only the archive itself and the tree can tell
    forge(backups, key, flipped);
    await refuse(/the digest of the tree is/);
    const drill = await runVerb('drill', [key, '--json'], env);
    assert.equal(drill.code, 1);
    assert.match(drill.stderr, /drill of uploads failed: files: the digest of the tree is/);
    forge(backups, key, whole.subarray(0, whole.lastIndexOf('zeros')));
    await refuse(/does not end as a whole one does/);
    forge(backups, key, whole.subarray(0, whole.length - 65_536));
    await refuse(/does not end|digest of the tree/);
    const broken = Buffer.from(whole);
    broken[3] = 0x7a;
    forge(backups, key, broken);
    await refuse(/checksum of a header does not fit/);
  });

  test('refuses an archive that would write elsewhere', async () => {
    const { data, live, backups, env } = uploads('?compression=none');
    writeFileSync(join(live, 'a'), 'x');
    const { key } = await backUp(env);
    const before = lookInto(live);
    const work = temporaryFolder();
    mkdirSync(join(work, 'in'));
    writeFileSync(join(work, 'victim'), 'untouched');
    writeFileSync(join(work, 'in/f'), 'x');
    for (const args of [
      ['-C', join(work, 'in'), '-P', '../victim'],
      ['-P', join(work, 'victim')],
      ['-C', join(work, 'in'), '-P', '--transform=s,^f$,a/../../f,', 'f'],
    ]) {
      forge(backups, key, execFileSync('tar', ['-cf', '-', ...args]));
      const { code, json } = await runVerb('restore', [key, '--json'], env);
      assert.equal(code, 1);
      assert.match(json.error.message, /the archive would write outside the folder/);
    }
    assert.equal(lookInto(live), before);
    assert.deepEqual(readdirSync(data), ['uploads']);
  });

  test('takes archives that were made by hand', async () => {
    const { live, backups, env } = uploads();
    const by = temporaryFolder();
    makeTree(by);
    mkdirSync(join(backups, '2026/01/02'), { recursive: true });
    for (const [i, format] of ['gnu', 'ustar', 'posix', 'oldgnu'].entries()) {
      const sparse = format === 'ustar' ? [] : ['--sparse'];
      // what ustar has no room for
      const left = format === 'ustar' ? ['--exclude=./dddd*', '--exclude=./xxxx*'] : [];
      const key = `2026/01/02/uploads_00000${i}.tar.gz`;
      execFileSync('tar', [`--format=${format}`, ...sparse, ...left, '-C', by, '-czf', join(backups, key), '.']);
      const { stderr } = await done('restore', [key], env);
      assert.match(stderr, /has no manifest/);
      if (format !== 'ustar') assert.equal(lookInto(live), lookInto(by));
    }
  });

  test('that is killed leaves the live folder as it was, and the next one removes what it left', async () => {
    const { data, live, env } = uploads();
    writeFileSync(join(live, 'large'), Buffer.alloc(50_000_000, 'x'));
    await backUp(env);
    writeFileSync(join(live, 'large'), 'changed');
    // nothing comes to tar before it is seen
    const held = heldCompressor(env);
    const running = startVerb('restore', ['latest'], held.env);
    const tar = await tarOf(running, '--extract');
    process.kill(tar.pid, 'SIGSTOP');
    held.release();
    const second = await runVerb('restore', ['latest', '--json'], env);
    assert.equal(second.code, 4, second.stderr);
    assert.match(second.json.error.message, /another restore of .* is running/);
    running.signal('SIGKILL');
    process.kill(tar.pid, 'SIGCONT');
    await running.outcome;
    await until('all its processes have gone', () => (running.processes().length === 0 ? true : undefined));
    assert.equal(readFileSync(join(live, 'large'), 'utf8'), 'changed');
    assert.equal(readdirSync(data).length, 2);
    const next = await done('restore', ['latest', '--json'], env);
    assert.deepEqual(
      readdirSync(data)
        .map((name) => join(data, name))
        .sort(),
      [live, next.json.previousDatabase].sort(),
    );
  });

  test('as an ordinary user says which owners it could not set', { skip: !isRoot && 'wants root' }, async () => {
    const { data, live, backups, env } = uploads();
    makeTree(live);
    execFileSync('chmod', ['-R', 'a+rX', live]);
    await backUp(env);
    const before = lookInto(live, { owners: false });
    chmodSync(data, 0o777);
    execFileSync('chmod', ['-R', 'a+rwX', backups]);
    const { json, stderr } = await done('restore', ['latest', '--to', 'mine', '--json'], env, {
      through: UNPRIVILEGED,
    });
    assert.match(stderr, /owners could not be set.*0:0 \(\d+\).*65534:65534/);
    assert.equal(lookInto(json.database, { owners: false }), before);
  });

  test('of a backup of a database is refused', async () => {
    const { live, backups, env } = uploads();
    writeFileSync(join(live, 'a'), 'x');
    mkdirSync(join(backups, '2026/01/02'), { recursive: true });
    writeFileSync(join(backups, '2026/01/02/uploads_000000.sql'), 'select 1;');
    const { code, json } = await runVerb('restore', ['2026/01/02/uploads_000000.sql', '--json'], env);
    assert.equal(code, 1);
    assert.match(json.error.message, /a dump of a database/);
  });
});
