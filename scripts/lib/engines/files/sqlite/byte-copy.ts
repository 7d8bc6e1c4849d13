import { closeSync, constants, copyFileSync, lstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '../../../errors.ts';
import { runShell } from './program.ts';
import type { JournalMode } from './search.ts';

const WAL_HEADER_BYTES = 32;
/** Times of files go by the kernel's clock, which moves on less often. */
const CLOCK_STEP_MS = 50;
const RETRY_MS = 100;

/** What came of it: undefined when the database was written to all the time. */
export type ByteCopy = 'copied' | { readonly problem: string } | undefined;

/**
 * Copies a database that SQLite cannot open where it lies: one on what is mounted read-only whose log or journal would have to be
 * gone through first. The file and what lies beside it are copied, and SQLite gets in order what was copied. A log is only written at its
 * end as long as its header stays and the file behind it does, and SQLite leaves out what is not whole of it; a journal and its file
 * have to have stayed as they were.
 *
 * @param folder of our own; the copy is the file `copy` in it
 */
export async function copyByBytes(
  live: Buffer,
  {
    folder,
    journal,
    patienceMs,
    signal,
  }: { folder: string; journal: JournalMode; patienceMs: number; signal: AbortSignal },
): Promise<ByteCopy> {
  const until = Date.now() + patienceMs;
  const beside = journal === 'wal' ? '-wal' : '-journal';
  do {
    const before = await settled(live, beside, signal);
    copyFileSync(live, join(folder, 'copy'), constants.COPYFILE_FICLONE);
    copyIfThere(Buffer.concat([live, Buffer.from(beside)]), join(folder, `copy${beside}`));
    if (stateOf(live, beside) === before) return recovered(folder, signal);
    await sleep(RETRY_MS, undefined, { signal });
  } while (Date.now() < until);
  return undefined;
}

/** Its state, of a moment after which every change shows. */
async function settled(live: Buffer, beside: string, signal: AbortSignal): Promise<string> {
  for (;;) {
    const state = stateOf(live, beside);
    const ages = [live, Buffer.concat([live, Buffer.from(beside)])].map(
      (path) => Date.now() - (lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0),
    );
    if (beside === '-wal' ? (ages[0] ?? 0) > CLOCK_STEP_MS : Math.min(...ages) > CLOCK_STEP_MS) return state;
    await sleep(CLOCK_STEP_MS, undefined, { signal });
  }
}

function stateOf(live: Buffer, beside: string): string {
  const other = Buffer.concat([live, Buffer.from(beside)]);
  return [fileState(live), beside === '-wal' ? firstBytes(other) : fileState(other)].join(' ');
}

function fileState(path: Buffer): string {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? 'none' : [stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join();
}

function firstBytes(path: Buffer): string {
  const head = Buffer.alloc(WAL_HEADER_BYTES);
  try {
    const file = openSync(path, 'r');
    try {
      return head.subarray(0, readSync(file, head, 0, head.length, 0)).toString('hex');
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 'none';
    throw error;
  }
}

function copyIfThere(from: Buffer, to: string): void {
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** SQLite takes what was committed out of the log, or what was not back by the journal, and removes both. */
async function recovered(folder: string, signal: AbortSignal): Promise<ByteCopy> {
  const statements = ['SELECT count(*) FROM sqlite_master;', 'PRAGMA wal_checkpoint(TRUNCATE);'];
  const { isOk, problem } = await runShell('copy', statements, { cwd: folder, signal });
  signal.throwIfAborted();
  return isOk ? 'copied' : { problem };
}
