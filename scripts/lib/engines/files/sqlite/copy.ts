import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, messageOf, OperatorError } from '../../../errors.ts';
import { formatDuration } from '../../../quantities.ts';
import type { FilesSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { shownPath } from '../tree/byte-path.mjs';
import { copyByBytes } from './byte-copy.ts';
import { runShell, type ShellResult, uriOf } from './program.ts';
import type { FoundDatabase } from './search.ts';

const LOCKED = /database (table )?is locked|database schema is locked/i;
const BROKEN = /malformed|not a database|unsupported file format|disk image/i;
const NO_ROOM = /disk is full|No space/i;
/** It would have to write where it may not: go through a log or a journal first, or note that it reads. */
const WANTS_TO_WRITE = /readonly|unable to open|cannot open/i;

/**
 * Copies a database as it is at one moment, by SQLite's own backup: page by page, under the lock of a reader. With a log (WAL)
 * nobody waits for that; with a journal, who writes does. Nothing is written where the database lies.
 *
 * @param folder of our own; the copy is the file `copy` in it
 * @returns why it cannot be copied so, when that is the database's own fault
 * @throws OperatorError SOURCE_CONNECT, SOURCE_BUSY, NO_SPACE
 */
export async function copyDatabase(
  source: FilesSource,
  { live, folder, database, signal }: { live: Buffer; folder: string; database: FoundDatabase; signal: AbortSignal },
): Promise<string | undefined> {
  const name = shownPath(database.path) || shownPath(live.toString('latin1'));
  const problem = await backedUp(source, { live, folder, database, name, signal });
  if (problem === undefined || BROKEN.test(problem)) return problem;
  if (LOCKED.test(problem)) throw lockedTooLong(source, name);
  if (NO_ROOM.test(problem))
    throw new OperatorError('NO_SPACE', `source ${source.name}: ${name} could not be copied to ${folder}: ${problem}`, {
      hint: 'Point DRILL_DIR at a folder with more room, or free some. Nothing was stored.',
    });
  if (!WANTS_TO_WRITE.test(problem)) throw unreadable(source, name, problem);
  return byBytes(source, { live, folder, database, name, signal });
}

interface Order {
  readonly live: Buffer;
  readonly folder: string;
  readonly database: FoundDatabase;
  readonly name: string;
  readonly signal: AbortSignal;
}

async function byBytes(
  source: FilesSource,
  { live, folder, database, name, signal }: Order,
): Promise<string | undefined> {
  emptied(folder);
  try {
    const copy = await copyByBytes(live, {
      folder,
      journal: database.journal,
      patienceMs: source.lockTimeoutMs,
      signal,
    });
    if (copy === undefined) throw lockedTooLong(source, name);
    return copy === 'copied' ? undefined : copy.problem;
  } catch (error) {
    if (codeOf(error) === undefined || error instanceof OperatorError) throw error;
    throw unreadable(source, name, messageOf(error), error);
  }
}

/** @returns what SQLite said when it could not */
async function backedUp(
  source: FilesSource,
  { live, folder, database, name, signal }: Order,
): Promise<string | undefined> {
  // a log without its index belongs to nobody now: to read it, SQLite would make one beside it
  const isAlone = database.journal === 'wal' && !existsSync(Buffer.concat([live, Buffer.from('-shm')]));
  if (isAlone) return 'unable to open: its log has no index';
  const uri = uriOf(live, 'mode=ro&readonly_shm=1');
  const run = (statements: readonly string[], limit: AbortSignal) => {
    emptied(folder);
    return runShell(uri, [`.timeout ${source.lockTimeoutMs}`, ...statements, `.backup main made`], {
      cwd: folder,
      signal: limit,
    });
  };
  const held = ['BEGIN;', 'SELECT count(*) FROM sqlite_master;'];
  if (database.journal === 'wal') return finished(await run(held, signal), folder, signal);
  const limit = AbortSignal.timeout(source.blockingTimeoutMs);
  const result = await run(held, AbortSignal.any([signal, limit]));
  if (!limit.aborted || result.isOk) return finished(result, folder, signal);
  signal.throwIfAborted();
  log.info(
    `${source.name}: ${name}: who writes to it would have waited for longer than ${formatDuration(source.blockingTimeoutMs)} (BLOCKING_TIMEOUT); copied in steps between which they can`,
  );
  return finished(await run([], signal), folder, signal);
}

function finished({ isOk, problem }: ShellResult, folder: string, signal: AbortSignal): string | undefined {
  signal.throwIfAborted();
  if (!isOk) return problem;
  renameSync(join(folder, 'made'), join(folder, 'copy'));
  return undefined;
}

function emptied(folder: string): void {
  for (const name of ['made', 'made-journal', 'made-wal', 'made-shm', 'copy', 'copy-wal', 'copy-shm', 'copy-journal'])
    rmSync(join(folder, name), { force: true });
}

function lockedTooLong({ name, variable, lockTimeoutMs }: FilesSource, database: string): OperatorError {
  return new OperatorError(
    'SOURCE_BUSY',
    `source ${name}: the SQLite database ${database} was locked for longer than ${formatDuration(lockTimeoutMs)} (LOCK_TIMEOUT)`,
    {
      hint: `Somebody writes to it, or holds it for good (PRAGMA locking_mode=EXCLUSIVE). Stop that application for the backup, or leave the file out: ${variable}_EXCLUDE. Nothing was stored.`,
    },
  );
}

function unreadable({ name }: FilesSource, database: string, why: string, cause?: unknown): OperatorError {
  return new OperatorError('SOURCE_CONNECT', `source ${name}: the SQLite database ${database} cannot be read: ${why}`, {
    hint: 'Give the user that this runs as the right to read it and what lies beside it (-wal, -shm, -journal); see docs/files-and-folders.md.',
    cause,
  });
}
