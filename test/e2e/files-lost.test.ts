import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { filesIn, temporaryFolder } from '../support/folders.ts';
import { done, runVerb } from '../support/verbs.ts';

function uploads() {
  const live = join(temporaryFolder(), 'uploads');
  mkdirSync(live);
  const env = { BACKUP_SOURCE_UPLOADS: `file://${live}`, BACKUP_DIR: temporaryFolder(), DRILL_DIR: temporaryFolder() };
  return { live, env };
}

test('a path that is too long to be restored is refused at the backup, not found out at the restore', async () => {
  const { live, env } = uploads();
  // made piece by piece, as no program may name it whole
  const part = 'd'.repeat(200);
  execFileSync('bash', [
    '-c',
    `cd "$0" && for i in {1..25}; do mkdir ${part} && cd -P ${part}; done; echo 1 >leaf`,
    live,
  ]);
  const { code, stderr } = await runVerb('backup', [], env);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /a path has \d+ bytes, and more than 4095 cannot be restored/);
  assert.deepEqual(filesIn(env.BACKUP_DIR), []);
  execFileSync('rm', ['-rf', live]);
});

test('what tar could not set, though it exits with 0, is told of', async () => {
  const { live, env } = uploads();
  for (const name of ['a', 'b']) writeFileSync(join(live, name), 'as it was');
  const day = join(env.BACKUP_DIR, '2026/01/01');
  mkdirSync(day, { recursive: true });
  // an attribute that no file system takes, whoever sets it
  execFileSync('tar', [
    '--create',
    '--gzip',
    `--file=${join(day, 'uploads_000000.tar.gz')}`,
    '--format=posix',
    '--pax-option=SCHILY.xattr.system.odd:=v',
    `--directory=${live}`,
    '.',
  ]);
  writeFileSync(join(live, 'a'), 'changed');
  const { stderr } = await done('restore', ['latest'], env);
  assert.equal(readFileSync(join(live, 'a'), 'utf8'), 'as it was');
  assert.match(stderr, /warn: tar says \d+ things? of what it extracted.*system\.odd/);
});

test('times that are long past, or have not come, come back, and are nothing that tar could not set', async () => {
  const { live, env } = uploads();
  const names = ['old', 'later'];
  execFileSync('touch', ['-d', '1902-01-01T00:00:00.123Z', join(live, 'old')]);
  execFileSync('touch', ['-d', '2300-01-01T00:00:00.456Z', join(live, 'later')]);
  const times = () => names.map((name) => statSync(join(live, name)).mtimeMs);
  const before = times();
  assert.ok(before.every((time) => time < 0 || time > Date.now()));
  assert.equal((await runVerb('backup', [], env)).code, 0);
  for (const name of names) writeFileSync(join(live, name), 'changed');
  const { code, stderr } = await runVerb('restore', ['latest'], env);
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /tar says/);
  assert.deepEqual(times(), before);
});

test('access lists and attributes come back, and are proved in a drill', { skip: hasAttributes() }, async () => {
  const { live, env } = uploads();
  writeFileSync(join(live, 'a'), '1');
  mkdirSync(join(live, 'sub'));
  execFileSync('setfattr', ['-n', 'user.note', '-v', 'it is "so"', join(live, 'a')]);
  execFileSync('setfacl', ['-m', 'u:1234:r', join(live, 'a')]);
  execFileSync('setfacl', ['-d', '-m', 'u:1234:rwx', join(live, 'sub')]);
  const seen = () =>
    execFileSync('getfattr', ['-d', '-m', '-', '--absolute-names', join(live, 'a'), join(live, 'sub')]).toString();
  const before = seen();
  await done('backup', [], env);
  const drill = await done('drill', ['--json'], env);
  assert.match(drill.stdout, /access lists \(\d+\),.*attributes user\.\* \(1\)/);
  execFileSync('setfattr', ['-x', 'user.note', join(live, 'a')]);
  execFileSync('setfacl', ['-b', join(live, 'a')]);
  await done('restore', ['latest'], env);
  assert.equal(seen(), before);
});

/** Why not, where the file system of temporary folders or this machine has none. */
function hasAttributes(): string | false {
  const file = join(temporaryFolder(), 'f');
  writeFileSync(file, '');
  try {
    execFileSync('setfattr', ['-n', 'user.x', '-v', 'y', file], { stdio: 'ignore' });
    execFileSync('setfacl', ['-m', 'u:1234:r', file], { stdio: 'ignore' });
    return false;
  } catch {
    return 'this file system has no attributes, or setfattr and setfacl are missing (apt-get install attr acl)';
  }
}
