import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { release, tmpdir, type } from 'node:os';
import { join } from 'node:path';
import { messageOf, OperatorError } from '../../errors.ts';
import type { StageResult } from '../../pipeline/result.ts';
import { describeChanges } from '../../repository/contents.ts';
import type { Contents } from '../../repository/manifest.ts';
import type { FilesSource } from '../../source.ts';
import { command } from '../../terminal/hints.ts';
import { log } from '../../terminal/log.ts';
import type { DumpOptions, DumpSession } from '../dumping.ts';
import { secondPassed } from '../second-passed.ts';
import { type ArchivedTree, archiveOf } from './choice/archive-of.ts';
import { lookThrough } from './choice/choice.ts';
import { type HeldLock, takeFlock } from './swap/flock.ts';
import { lookAt, type Place } from './swap/place.ts';
import { isHalfSwapped } from './swap/swap.ts';
import { completeUnderLock } from './swap/swap-lock.ts';
import { assertComplete, readReport, tarVersion } from './tar/archive.ts';

/** Locks the folder or file against a second backup of it. There is no snapshot: what is read is what is there then. */
export async function beginDump(source: FilesSource, { kept, signal }: DumpOptions): Promise<DumpSession> {
  // a safety backup leaves nothing out
  const chosen = kept === undefined ? source : { ...source, exclude: [] };
  const clientVersion = await tarVersion(signal);
  const live = await wholePlace(source, signal);
  assertReadable(source, live);
  const locks: HeldLock[] = [];
  const report = mkdtempSync(join(tmpdir(), 'files-report-'));
  let tree: ArchivedTree | undefined;
  const close = async () => {
    rmSync(report, { recursive: true, force: true });
    await tree?.remove();
    for (const lock of locks) await lock.release();
  };
  try {
    // a backup that was under way when a restore replaced the folder holds the lock of what is kept now
    const locked = kept === undefined ? [live.live] : [live.live, kept];
    for (const path of locked) locks.push(await takeBackupLock(source, path, kept !== undefined, signal));
    const dumped = kept === undefined ? live : lookAt(kept);
    assertReadable(source, dumped);
    const found = await lookThrough(chosen, dumped, signal);
    const { usedBytes: databaseBytes } = found;
    const began = Date.now();
    tree = await archiveOf(chosen, { place: dumped, found, report, signal });
    return {
      createdAt: new Date(Math.floor(began / 1_000) * 1_000),
      facts: {
        serverVersion: `${type()} ${release()}`,
        clientVersion: `GNU tar ${clientVersion}`,
        databaseBytes,
        ...tree.facts,
      },
      streams: [
        {
          expectedBytes: databaseBytes * (source.compression.method === 'none' ? 2 : 1),
          ...tree.stages,
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

async function dumpedContents(
  source: FilesSource,
  report: string,
  dumpEnded: Promise<readonly (readonly StageResult[])[]>,
): Promise<Contents> {
  const [stages = []] = await dumpEnded;
  const [tar, meter] = ['tar', 'meter'].map((name) => stages.find((stage) => stage.name === name));
  // the reader of the dump reports its failure; there is nothing to count in it
  if (tar?.exitCode !== 0 || meter?.exitCode !== 0) return { tables: [], sequences: [] };
  const contents = readReport(report);
  for (const sentence of describeChanges(contents)) log.warn(`${source.name}: ${sentence}`);
  return contents;
}
