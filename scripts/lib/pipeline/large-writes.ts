import { existsSync } from 'node:fs';

/** Of the coreutils, and so of every Debian. */
const STDBUF = '/usr/bin/stdbuf';
const BYTES = '1M';

/**
 * A command that writes its output a megabyte at a time. C's own buffer for a pipe holds 4 KB: a gigabyte of dump is then a
 * quarter of a million writes, each of which wakes its reader, and which take more time than making what is written.
 *
 * @returns the command as it is where there is no stdbuf(1)
 */
export function inLargeWrites(command: string, args: readonly string[]): { command: string; args: readonly string[] } {
  return existsSync(STDBUF) ? { command: STDBUF, args: [`-o${BYTES}`, command, ...args] } : { command, args };
}
