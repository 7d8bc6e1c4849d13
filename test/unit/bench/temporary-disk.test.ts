import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { measure } from '../../../bench/lib/measure.ts';
import { TemporaryDisk } from '../../../bench/lib/temporary-disk.ts';
import { temporaryFolder } from '../../support/folders.ts';

const skip = existsSync('/proc/self/fdinfo') ? false : 'no /proc';
const MIB = 2 ** 20;
const WRITE = 'head -c 1048576 /dev/zero >';

function folders() {
  const folder = temporaryFolder();
  for (const name of ['scratch', 'target', 'elsewhere']) mkdirSync(join(folder, name));
  return { cwd: folder, scratch: join(folder, 'scratch'), target: join(folder, 'target') };
}

/** A shell does the steps one after the other; after each, what it keeps on disk is looked at. */
async function peakBytesAfter(...steps: string[]): Promise<number> {
  const { cwd, scratch, target } = folders();
  const disk = new TemporaryDisk(scratch, target);
  const shell = spawn('bash', { cwd, stdio: ['pipe', 'pipe', 'inherit'] });
  for (const step of steps) {
    shell.stdin.write(`${step}\necho done\n`);
    await once(shell.stdout, 'data');
    disk.look([shell.pid ?? 0]);
  }
  shell.stdin.end();
  await once(shell, 'exit');
  return disk.peakBytes;
}

test('what is written into the target, and read from anywhere, is no temporary disk', { skip }, async () => {
  assert.equal(await peakBytesAfter(`${WRITE} target/a; exec 5>>target/a`, 'exec 6</etc/passwd'), 0);
});

test('what lies in the folder for temporary files counts, however deep', { skip }, async () => {
  assert.equal(await peakBytesAfter(`mkdir -p scratch/b/c; ${WRITE} scratch/b/c/a`), MIB);
});

test('a file that was removed while it is open still takes its room', { skip }, async () => {
  assert.equal(await peakBytesAfter(`exec 5>scratch/a; rm scratch/a; ${WRITE}&5`), MIB);
});

test('a file open for writing anywhere else counts, once, and after it is closed', { skip }, async () => {
  assert.equal(await peakBytesAfter('exec 5>elsewhere/a 6>>elsewhere/a', `${WRITE}&5; exec 5>&- 6>&-`), MIB);
});

test('it is the most at one time that counts, not the sum', { skip }, async () => {
  assert.equal(await peakBytesAfter(`${WRITE} scratch/a`, `rm scratch/a; ${WRITE} scratch/b`, 'rm scratch/b'), MIB);
});

test('a run says how much it left in its folder for temporary files, unless nobody looks', { skip }, async () => {
  const command = { script: `${WRITE} scratch/a`, env: { PATH: process.env.PATH ?? '' } };
  assert.equal((await measure({ ...command, ...folders() })).temporaryBytes, MIB);
  assert.equal((await measure({ ...command, ...folders(), isWatched: false })).temporaryBytes, 0);
});
