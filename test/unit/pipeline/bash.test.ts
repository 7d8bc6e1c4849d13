import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { takeFlock } from '../../../scripts/lib/engines/files/swap/flock.ts';
import { setChildEnvironment } from '../../../scripts/lib/machine/child-environment.ts';
import { bash } from '../../../scripts/lib/pipeline/bash.ts';
import { place, temporaryFolder } from '../../support/folders.ts';

test('what an operator’s ~/.bashrc prints is no part of what a script of ours says', async () => {
  const home = temporaryFolder();
  place(home, '.bashrc', 'echo hello from my shell\nexec 9>&-\n');
  setChildEnvironment({ ...process.env, HOME: home });
  try {
    const lock = await takeFlock(temporaryFolder());
    assert.ok(lock, 'the lock was taken');
    await lock.release();
  } finally {
    setChildEnvironment(process.env);
  }
});

test('a script runs for an account that may not read our folder', () => {
  const folder = join(temporaryFolder(), 'ours');
  mkdirSync(folder);
  place(folder, 'say.sh', 'echo "$1 $(basename "$0")"\n');
  const { command, args } = bash(join(folder, 'say.sh'), ['a b']);
  chmodSync(folder, 0);
  assert.equal(execFileSync(command, args, { encoding: 'utf8' }), 'a b say.sh\n');
  chmodSync(folder, 0o700);
});

test('every program of bash’s is a file that a checker reads, and is started in one place', () => {
  const sources = ['scripts/lib', 'demo'].flatMap((root) =>
    readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.endsWith('pipeline/bash.ts'))
      .map((name) => join(root, name)),
  );
  const starting = sources.filter((path) => /'bash'/.test(readFileSync(path, 'utf8')));
  assert.deepEqual(starting, []);
});
