import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { keepTablespacesInside, type MadeTablespace } from './made-tablespaces.ts';

/** The log that a recovering server is given, file by file, and what is not in it. */
export interface LogFeed {
  /** The segments that will come, in the order in which they are replayed. */
  readonly planned: readonly string[];
  /** The files that the listing says are not there, and that the server may take for the end of the log. */
  readonly absent: readonly string[];
  /** The histories of its timelines. */
  readonly histories: readonly { readonly name: string; readonly content: string }[];
  readonly segmentBytes: number;
  /** Writes the whole segment into a new file, with zeros where the log ends in it. @throws OperatorError naming what is wrong with it */
  write(name: string, path: string, signal: AbortSignal): Promise<void>;
}

/** A folder that a feed is laid into ahead of the server that asks for it. */
export interface Spool {
  /** For restore_command. */
  readonly command: string;
  /** Rejects when the feed fails. Resolves when all of it is there, or `close` was called. */
  readonly filled: Promise<void>;
  /** The tablespaces that what is there makes. */
  readonly made: readonly MadeTablespace[];
  /** Stops filling. */
  close(): Promise<void>;
}

const SCRIPT = fileURLToPath(new URL('./take-segment.sh', import.meta.url));
/** How far ahead of the server, and how many at a time. Measured: replay then waits for no fetch. */
const AHEAD_SEGMENTS = 8;
const AHEAD_BYTES = 512 * 1024 * 1024;
const AT_ONCE = 4;
const LOOK_EVERY_MS = 20;

/** The part of a segment's name that says where in the log it is, on whatever timeline. */
const placeOf = (segment: string) => segment.slice(8, 24);

/**
 * Lays the feed into `folder`, which the server's account has to be able to enter and write in.
 * @param owner of what is made, where this is root
 */
export function openSpool(
  folder: string,
  feed: LogFeed,
  { owner, signal }: { owner?: (path: string) => void; signal: AbortSignal },
): Spool {
  const files = join(folder, 'files');
  mkdirSync(files, { recursive: true });
  writeFileSync(join(folder, 'take-segment.sh'), readFileSync(SCRIPT));
  writeFileSync(join(folder, 'planned'), feed.planned.map((name) => `${name}\n`).join(''));
  writeFileSync(join(folder, 'absent'), feed.absent.map((name) => `${name}\n`).join(''));
  for (const { name, content } of feed.histories) writeFileSync(join(files, name), content);
  for (const path of [folder, files]) {
    chmodSync(path, 0o755);
    owner?.(path);
  }
  const closing = new AbortController();
  const made: MadeTablespace[] = [];
  const filled = fill(folder, { ...feed, write: writeInside }, AbortSignal.any([signal, closing.signal])).catch(
    (error: unknown) => {
      if (closing.signal.aborted) return;
      writeFileSync(join(folder, 'failed'), '');
      throw error;
    },
  );
  filled.catch(() => {});
  return {
    command: `sh ${JSON.stringify(join(folder, 'take-segment.sh'))} ${JSON.stringify(folder)} "%f" "%p" "%r"`,
    filled,
    made,
    close: async () => {
      closing.abort();
      await filled.catch(() => {});
    },
  };

  async function writeInside(...[name, path, stopped]: Parameters<LogFeed['write']>): Promise<void> {
    await feed.write(name, path, stopped);
    made.push(...(await keepTablespacesInside(path)));
  }
}

async function fill(folder: string, feed: LogFeed, signal: AbortSignal): Promise<void> {
  const { planned, segmentBytes } = feed;
  const ahead = Math.max(2, Math.min(AHEAD_SEGMENTS, Math.floor(AHEAD_BYTES / segmentBytes)));
  const laid = new Map<number, Promise<void>>();
  const failures: unknown[] = [];
  let atWork = 0;
  let next = 0;
  for (;;) {
    signal.throwIfAborted();
    if (failures.length > 0) throw failures[0];
    const { reached, needed } = asked(folder, planned);
    removeBelow(join(folder, 'files'), needed);
    while (next < planned.length && atWork < AT_ONCE && next <= reached + ahead) {
      const name = planned[next] ?? '';
      atWork += 1;
      laid.set(
        next,
        lay(folder, name, feed, signal)
          .catch((error: unknown) => {
            failures.push(error);
          })
          .finally(() => {
            atWork -= 1;
          }),
      );
      next += 1;
    }
    if (next >= planned.length && atWork === 0) {
      if (failures.length > 0) throw failures[0];
      return;
    }
    await Promise.race([sleep(LOOK_EVERY_MS), ...[...laid.values()].slice(-AT_ONCE)]);
    if (atWork > 0 || next < planned.length) await sleep(LOOK_EVERY_MS / 2);
  }
}

async function lay(folder: string, name: string, feed: LogFeed, signal: AbortSignal): Promise<void> {
  const path = join(folder, 'files', name);
  await feed.write(name, `${path}.new`, signal);
  // at once: what the server finds is whole
  await rename(`${path}.new`, path);
}

/** The place in the plan of what the server asked for last, and the oldest file that it may ask for once more. */
function asked(folder: string, planned: readonly string[]): { reached: number; needed: string | undefined } {
  try {
    const [name = '', needed] = readFileSync(join(folder, 'asked'), 'utf8').trim().split(' ');
    const place = placeOf(name);
    // by place: it asks for a segment on every timeline that could have it
    const reached = planned.findLastIndex((each) => placeOf(each) <= place);
    return { reached: Math.max(0, reached), needed };
  } catch {
    return { reached: 0, needed: undefined };
  }
}

/** What lies before the last restartpoint is asked for no more, also not by a server that is started again. */
function removeBelow(files: string, needed: string | undefined): void {
  if (needed === undefined || !/^[0-9A-F]{24}$/.test(needed) || /^0+$/.test(placeOf(needed))) return;
  for (const name of readdirSync(files)) {
    if (/^[0-9A-F]{24}$/.test(name) && placeOf(name) < placeOf(needed)) rmSync(join(files, name), { force: true });
  }
}

/** Leaves no half of a file behind for a server that is started again. */
export function replaceFile(path: string, content: string): void {
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}
