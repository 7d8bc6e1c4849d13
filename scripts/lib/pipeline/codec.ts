import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Compression, ObjectCompression } from '../formats.ts';
import { childEnvironment } from '../machine/child-environment.ts';
import { formatBytes } from '../quantities.ts';
import { bash } from './bash.ts';
import type { Stage } from './chain.ts';

const DECRYPT = fileURLToPath(new URL('./decrypt.sh', import.meta.url));

/** The highest level that igzip knows; gzip itself takes over above it. */
const IGZIP_LEVELS = 3;
/** Measured on a gigabyte: the time of level 1, and 2 % less of output; level 3 takes a quarter longer for no more. */
const IGZIP_DEFAULT = 2;

function isInstalled(program: string): boolean {
  return (childEnvironment().PATH ?? '')
    .split(':')
    .some((directory) => directory !== '' && existsSync(join(directory, program)));
}

/** Up to this rate the line is what takes the time, whatever compresses: fewer bytes are what makes a backup faster. */
const SLOW_LINE_BYTES = 8 * 1024 * 1024;

/**
 * What BACKUP_COMPRESSION=auto means on this machine, and why: never slower than the fixed default, gzip.
 * @param uploadBytesPerSecond BACKUP_MAX_RATE, where it is set
 */
export function chooseCompression(uploadBytesPerSecond: number | undefined, cores: number): Compression {
  const isSlow = uploadBytesPerSecond !== undefined && uploadBytesPerSecond <= SLOW_LINE_BYTES;
  if (isSlow && cores > 1 && isInstalled('zstd')) {
    const limit = formatBytes(uploadBytesPerSecond);
    return {
      method: 'zstd',
      level: 6,
      reason: `zstd:6, because uploads are limited to ${limit}/s and ${cores} cores are idle meanwhile`,
    };
  }
  if (isInstalled('igzip'))
    return { method: 'gzip', reason: 'gzip, because igzip is installed and keeps up with a dump' };
  if (isInstalled('zstd'))
    return { method: 'zstd', level: 1, reason: 'zstd:1, because igzip is not installed and gzip is slower' };
  return { method: 'gzip', reason: 'gzip, because neither igzip nor zstd is installed' };
}

/**
 * The process that compresses, or none. igzip (isa-l) writes the gzip format several times as fast as gzip itself;
 * where it is not installed, or a level beyond its own is asked for, gzip does the work.
 */
export function compressStages({ method, level }: Compression): Stage[] {
  switch (method) {
    case 'none':
      return [];
    case 'zstd':
      return [{ name: 'zstd', command: 'zstd', args: ['--quiet', '--stdout', `-${level ?? 1}`] }];
    case 'gzip':
      if ((level ?? 1) <= IGZIP_LEVELS && isInstalled('igzip')) {
        return [{ name: 'igzip', command: 'igzip', args: ['--stdout', `-${level ?? IGZIP_DEFAULT}`] }];
      }
      return [{ name: 'gzip', command: 'gzip', args: ['--stdout', `-${Math.max(1, level ?? 6)}`] }];
  }
}

/** The process that encrypts to age recipients, or none without recipients. */
export function encryptStages(recipients: readonly string[]): Stage[] {
  if (recipients.length === 0) return [];
  return [{ name: 'age', command: 'age', args: ['--encrypt', ...recipients.flatMap((key) => ['--recipient', key])] }];
}

/** The inverse. The identity reaches age through a pipe: age takes it from a file alone, and it belongs on no disk. */
export function decryptStages(identity: string): Stage[] {
  return [
    {
      name: 'age --decrypt',
      ...bash(DECRYPT, []),
      files: [`${identity}\n`],
    },
  ];
}

/** The inverse of compressStages; each of these checks the checksums of its format and refuses a truncated stream. */
export function decompressStages(compression: ObjectCompression): Stage[] {
  switch (compression) {
    case 'none':
      return [];
    case 'zstd':
      return [{ name: 'zstd -d', command: 'zstd', args: ['--quiet', '--stdout', '--decompress'] }];
    case 'gzip':
      return isInstalled('igzip')
        ? [{ name: 'igzip -d', command: 'igzip', args: ['--stdout', '--decompress'] }]
        : [{ name: 'gzip -d', command: 'gzip', args: ['--stdout', '--decompress'] }];
  }
}
