import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { backUp } from '../support/backups.ts';
import { isRoot, lookInto, makeTree } from '../support/trees.ts';
import { mounted, tarOf, uploads, withoutRoot } from '../support/uploads.ts';
import { done, runVerb, startVerb, until } from '../support/verbs.ts';

describe('a folder that is a mount point of its own', { skip: !isRoot && 'wants root', concurrency: 2 }, () => {
  test('is restored, undone and cleaned up within itself', async () => {
    const { data, live, env } = uploads();
    makeTree(live);
    const through = mounted(live);
    await done('backup', [], env, { through });
    const before = lookInto(live);
    writeFileSync(join(live, 'stray'), 'x');
    rmSync(join(live, 'random'));
    const changed = lookInto(live);
    const { json, stderr } = await done('restore', ['latest', '--json'], env, { through });
    assert.equal(lookInto(live), before);
    assert.match(json.previousDatabase, /uploads\/\.compose-db-backup\/previous_\d{14}$/);
    assert.match(json.safetyBackup, /\.tar\.zst$/, stderr);
    // what is kept in it is no part of a backup of it
    await done('backup', ['--json'], env, { through });
    const drill = await runVerb('drill', ['--json'], env);
    assert.equal(drill.json.results[0].ok, true, drill.stderr);
    await done('restore', ['--undo', '--json'], env, { through });
    assert.equal(withoutRoot(lookInto(live)), withoutRoot(changed));
    await done('cleanup', [], { ...env, RESTORE_PROTECT_DAYS: '0' }, { through });
    assert.deepEqual(readdirSync(join(live, '.compose-db-backup')), []);
    assert.deepEqual(readdirSync(data), ['uploads']);
  });

  test('is backed up where it is mounted read-only, and a restore says how to run it', async () => {
    const { live, env } = uploads();
    makeTree(live);
    const through = mounted(live, 'ro');
    await done('backup', [], env, { through });
    const before = lookInto(live);
    const { code, json } = await runVerb('restore', ['latest', '--json'], env, { through });
    assert.equal(code, 1);
    assert.match(json.error.message, /mounted read-only/);
    assert.match(json.error.hint, /docker compose run --rm --user root .*--volume/);
    assert.equal(lookInto(live), before);
  });

  test('and in which another is mounted is left alone', async () => {
    const { live, env } = uploads();
    mkdirSync(join(live, 'cache'));
    await backUp(env);
    const { code, json } = await runVerb('restore', ['latest', '--json'], env, {
      through: mounted(join(live, 'cache')),
    });
    assert.equal(code, 1);
    assert.match(json.error.message, /something else is mounted in .*uploads\/cache/);
  });

  test('is not replaced while a backup reads it', async () => {
    const { live, env } = uploads();
    // what no compressor makes small, at a rate that leaves time to see it
    writeFileSync(join(live, 'large'), randomBytes(30_000_000));
    const through = mounted(live);
    await backUp(env);
    const backup = startVerb('backup', ['--json'], { ...env, BACKUP_MAX_RATE: '8M' }, { through });
    const tar = await tarOf(backup, '--create');
    process.kill(tar.pid, 'SIGSTOP');
    const restore = startVerb('restore', ['latest'], env, { through });
    await until('the restore waits', () =>
      /is running: it is replaced when/.test(restore.stderr()) ? true : undefined,
    );
    process.kill(tar.pid, 'SIGCONT');
    const restored = await restore.outcome;
    assert.equal(restored.code, 0, restored.stderr);
    const { code, json, stderr } = await backup.outcome;
    assert.equal(code, 0, stderr);
    // where the restored one is prepared is made in it; nothing of what it read has moved
    assert.deepEqual(json.results[0].changed?.names ?? ['.'], ['.']);
  });
});
