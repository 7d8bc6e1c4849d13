import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/** This process may give files to others, make what is unreadable to others, and mount. */
export const isRoot = process.getuid?.() === 0;

/** A folder with one of everything that is hard to bring back. */
export function makeTree(folder: string): void {
  mkdirSync(join(folder, 'sub/empty'), { recursive: true });
  writeFileSync(join(folder, 'a.txt'), 'one\n');
  linkSync(join(folder, 'a.txt'), join(folder, 'sub/hard link'));
  symlinkSync('a.txt', join(folder, 'link'));
  symlinkSync('/etc/hostname', join(folder, 'link outside'));
  symlinkSync('../nowhere', join(folder, 'dangling'));
  writeFileSync(join(folder, 'new\nline'), 'x');
  writeFileSync(join(folder, '-rf'), 'y');
  writeFileSync(join(folder, 'größe "quoted" \\ `back`'), 'z');
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0xfe, 0x20])]), 'bytes that are no text');
  writeFileSync(join(folder, 'zeros'), Buffer.alloc(100_000));
  writeFileSync(join(folder, 'random'), randomBytes(300_000));
  writeFileSync(join(folder, 'x'.repeat(255)), 'a long name');
  const deep = join(folder, ...Array.from({ length: 12 }, (_, i) => `${'d'.repeat(60)}${i}`));
  mkdirSync(deep, { recursive: true });
  writeFileSync(join(deep, 'deep'), 'far down');
  // 64 MB of which a few bytes are written
  const sparse = openSync(join(folder, 'sparse'), 'w');
  writeSync(sparse, 'in the middle', 10_000_001);
  truncateSync(join(folder, 'sparse'), 64_000_000);
  execFileSync('mkfifo', [join(folder, 'fifo')]);
  chmodSync(join(folder, '-rf'), 0o640);
  chmodSync(join(folder, 'zeros'), 0o4711);
  chmodSync(join(folder, 'sub/empty'), 0o1777);
  if (isRoot) {
    chownSync(join(folder, 'random'), 33, 34);
    // giving it away takes this bit off
    chmodSync(join(folder, 'random'), 0o2750);
  }
  utimesSync(join(folder, 'a.txt'), 1, 981_173_106);
  utimesSync(join(folder, 'sub/empty'), 1, 981_173_106);
  chmodSync(join(folder, 'sub'), 0o555);
}

function randomBytes(size: number): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; parts.length * 32 < size; i += 1) parts.push(createHash('sha256').update(`${i}`).digest());
  return Buffer.concat(parts).subarray(0, size);
}

const NOT_OURS = ['-name', '.compose-db-backup', '-prune', '-o'];

/** All that find and sha256sum say of a folder: kinds, permissions, owners, times, sizes, links and contents. */
export function lookInto(folder: string, { owners = isRoot }: { owners?: boolean } = {}): string {
  const format = `%P|%y|%m|${owners ? '%U:%G' : ''}|%Ts|%l|`;
  const listed = execFileSync('find', [folder, ...NOT_OURS, '-printf', `${format}\\0`], {
    encoding: 'latin1',
  });
  const links = execFileSync('find', [folder, ...NOT_OURS, '-type', 'f', '-links', '+1', '-printf', '%P|%n\\0'], {
    encoding: 'latin1',
  });
  const digests = execFileSync('find', [folder, ...NOT_OURS, '-type', 'f', '-exec', 'sha256sum', '-z', '{}', '+'], {
    encoding: 'latin1',
  }).replaceAll(folder, '');
  return [...sorted(listed), ...sorted(links), ...sorted(digests)].join('\n');
}

function sorted(listing: string): string[] {
  return listing.split('\0').sort();
}

/** How much of a file's bytes are on the disk. */
export function bytesOnDisk(path: string): number {
  return Number(execFileSync('du', ['--block-size=1', path], { encoding: 'utf8' }).split('\t')[0]);
}

export function textOf(path: string): string {
  return readFileSync(path, 'utf8');
}
