import { closeSync, constants, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf } from '../errors.ts';
import { runAtOnce } from './child-process.ts';

/** With the number of the process that made it, for those who find it left behind. */
const PREFIX = 'backup-pipes-';

/** Both ends of a pipe of the operating system, as descriptors of this process. */
export interface Pipe {
  readonly readEnd: number;
  readonly writeEnd: number;
}

/**
 * Pipes for processes to be connected by. Between its children node itself puts sockets, whose every write costs about
 * twice as much, and whose buffer cannot grow. Node has no pipe(2): these are named for a moment.
 *
 * @returns undefined where none can be made, as without a writable temporary folder
 */
export function openPipes(count: number): readonly Pipe[] | undefined {
  if (count === 0) return [];
  const pipes: Pipe[] = [];
  let folder: string | undefined;
  try {
    removeLeftovers();
    folder = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
    const paths = Array.from({ length: count }, (_, n) => join(folder as string, String(n)));
    if (!runAtOnce('mkfifo', ['-m', '600', ...paths])) return undefined;
    for (const path of paths) pipes.push(openPipe(path));
    return pipes;
  } catch {
    for (const pipe of pipes) closePipe(pipe);
    return undefined;
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** Opened for one direction alone, either end would wait for the other one. */
function openPipe(path: string): Pipe {
  const both = openSync(path, constants.O_RDWR);
  try {
    const readEnd = openSync(path, constants.O_RDONLY);
    return { readEnd, writeEnd: openSync(path, constants.O_WRONLY) };
  } finally {
    closeSync(both);
  }
}

/** Lets go of both ends; those of the processes stay. */
export function closePipe({ readEnd, writeEnd }: Pipe): void {
  closeSync(readEnd);
  closeSync(writeEnd);
}

let haveLooked = false;

/** Removes, once in a process, the names of pipes that a process left behind which was killed while it made them. */
function removeLeftovers(): void {
  if (haveLooked) return;
  haveLooked = true;
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    if (isAlive(Number.parseInt(name.slice(PREFIX.length), 10))) continue;
    try {
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    } catch {
      // another user's, who removes it himself
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // that of another user may not be asked, and is there
    return codeOf(error) !== 'ESRCH';
  }
}
