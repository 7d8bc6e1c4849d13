import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { release, tmpdir, type } from 'node:os';
import { join } from 'node:path';
import { messageOf, OperatorError } from '../../errors.ts';
import { runProgram } from '../../pipeline/chain.ts';
import type { StageResult } from '../../pipeline/result.ts';
import { describeChanges } from '../../repository/contents.ts';
import type { Contents } from '../../repository/manifest.ts';
import type { FilesSource } from '../../source.ts';
import { command } from '../../terminal/hints.ts';
import { log } from '../../terminal/log.ts';
import type { DumpOptions, DumpSession } from '../engine.ts';
import { secondPassed } from '../second-passed.ts';
import { type HeldLock, takeFlock } from './swap/flock.ts';
import { HIDDEN, lookAt, type Place } from './swap/place.ts';
import { isHalfSwapped } from './swap/swap.ts';
import { completeUnderLock } from './swap/swap-lock.ts';
import { archiveStage, assertComplete, readReport, tarVersion, treeMeter } from './tar/archive.ts';

/** Locks the folder or file against a second backup of it. There is no snapshot: what is read is what is there then. */
export async function beginDump(source: FilesSource, { kept, signal }: DumpOptions): Promise<DumpSession> {
  const clientVersion = await tarVersion(signal);
  const live = await wholePlace(source, signal);
  assertReadable(source, live);
  const locks: HeldLock[] = [];
  const report = mkdtempSync(join(tmpdir(), 'files-report-'));
  const close = async () => {
    rmSync(report, { recursive: true, force: true });
    for (const lock of locks) await lock.release();
  };
  try {
    // a backup that was under way when a restore replaced the folder holds the lock of what is kept now
    const locked = kept === undefined ? [live.live] : [live.live, kept];
    for (const path of locked) locks.push(await takeBackupLock(source, path, kept !== undefined, signal));
    const dumped = kept === undefined ? live : lookAt(kept);
    assertReadable(source, dumped);
    const databaseBytes = await usedBytes(dumped, signal);
    const began = Date.now();
    return {
      createdAt: new Date(Math.floor(began / 1_000) * 1_000),
      facts: { serverVersion: `${type()} ${release()}`, clientVersion: `GNU tar ${clientVersion}`, databaseBytes },
      streams: [
        {
          expectedBytes: databaseBytes * (source.compression.method === 'none' ? 2 : 1),
          stage: archiveStage(dumped.live, {
            isFolder: dumped.kind === 'folder',
            report,
            excluded: dumped.reserved,
          }),
          meter: treeMeter(report),
          verifyEnd: assertComplete,
        },
      ],
      jobs: 1,
      contents: (dumpEnded) => dumpedContents(source, report, dumpEnded),
      // a folder needs nothing of its machine
      globals: async () => undefined,
      close: async () => {
        await secondPassed(began, async () => Date.now(), signal);
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The source's place, with what a restore of it left half done put right. */
async function wholePlace(source: FilesSource, signal: AbortSignal): Promise<Place> {
  let place = lookAt(source.path);
  if (isHalfSwapped(place)) {
    try {
      await completeUnderLock(place, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw new OperatorError(
        'RESTORE_REFUSED',
        `a restore of ${source.path} was interrupted while it put the restored one in place, and this run cannot complete it: ${messageOf(error)}`,
        {
          hint: `${command('restore')} or ${command('undo')}, with the right to write there: either first completes it.`,
          cause: error,
        },
      );
    }
    place = lookAt(source.path);
  }
  if (place.kind !== 'missing') return place;
  throw new OperatorError('SOURCE_CONNECT', `source ${source.name}: ${source.path} does not exist`, {
    hint: `Correct ${source.variable}. With Docker, the path is the one inside the backup container: is it mounted there?`,
  });
}

async function takeBackupLock(
  source: FilesSource,
  path: string,
  waits: boolean,
  signal: AbortSignal,
): Promise<HeldLock> {
  const lock = await takeFlock(path, { waits, signal });
  if (lock) return lock;
  throw new OperatorError('LOCKED', `source ${source.name}: another backup of it is running`, {
    hint: `Wait until it has ended (${command('logs')}). The lock is on the folder and ends with that run.`,
  });
}

function assertReadable(source: FilesSource, { live, kind }: Place): void {
  try {
    accessSync(live, kind === 'folder' ? constants.R_OK | constants.X_OK : constants.R_OK);
  } catch (error) {
    throw new OperatorError('SOURCE_CONNECT', `source ${source.name}: ${live} cannot be read: ${messageOf(error)}`, {
      hint: 'Give the user that this runs as the right to read it; see docs/files-and-folders.md.',
      cause: error,
    });
  }
}

/** What a folder takes on its disk: an upper estimate of what an archive of it holds. 0 when it cannot be told. */
export async function usedBytes({ live }: Pick<Place, 'live'>, signal: AbortSignal): Promise<number> {
  const args = ['--summarize', '--block-size=1', `--exclude=${HIDDEN}`, '--', live];
  // whatever it cannot read is counted out here, and an error when it is dumped
  const { stdout } = await runProgram({ name: 'du', command: 'du', args }, { signal });
  signal.throwIfAborted();
  return Number(/^(\d+)\t/.exec(stdout)?.[1] ?? 0);
}

async function dumpedContents(
  source: FilesSource,
  report: string,
  dumpEnded: Promise<readonly (readonly StageResult[])[]>,
): Promise<Contents> {
  const [[tar, meter] = []] = await dumpEnded;
  // the reader of the dump reports its failure; there is nothing to count in it
  if (tar?.exitCode !== 0 || meter?.exitCode !== 0) return { tables: [], sequences: [] };
  const contents = readReport(report);
  for (const sentence of describeChanges(contents)) log.warn(`${source.name}: ${sentence}`);
  return contents;
}
