import { existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { OperatorError } from '../../errors.ts';
import type { DumpFormat } from '../../formats.ts';
import { runProgram } from '../../pipeline/chain.ts';
import { stageError } from '../../pipeline/result.ts';
import { compareTrees } from '../../repository/contents.ts';
import type { Contents, Manifest } from '../../repository/manifest.ts';
import type { FilesSource } from '../../source.ts';
import { pointOfNoReturn } from '../committed.ts';
import type { RestoreOptions, RestoreSession } from '../restoring.ts';
import { unsetKinds, withoutUnset } from './attributes.ts';
import { maySetOwners, warnOfOwners } from './owners.ts';
import { discard, dropLeftovers, locked, makeStaging } from './staging.ts';
import { type HeldLock, takeFlock } from './swap/flock.ts';
import { assertReplaceable, besidePath, freeTime, lookAt, type Place } from './swap/place.ts';
import { completeSwap, isHalfSwapped, swap } from './swap/swap.ts';
import { underSwapLock, withoutReaders } from './swap/swap-lock.ts';
import { assertComplete, extractStage, readReport, readTree, tarVersion, treeMeter } from './tar/archive.ts';
import { warnOfWhatTarSaid } from './tar/said.ts';

/** See Engine.beginRestore. */
export async function beginRestore(source: FilesSource, options: RestoreOptions): Promise<RestoreSession> {
  const { to, manifest, pick, signal } = options;
  await tarVersion(signal);
  const home = lookAt(source.path);
  const isPickedBeside = pick !== undefined && to === undefined;
  const place = to !== undefined ? lookAt(pathOf(source, to)) : isPickedBeside ? pickedPlace(home) : home;
  if (to !== undefined) assertBeside(source, place);
  if (to !== undefined && place.kind !== 'missing') {
    assertEmpty(place);
    const lock = await takeFlock(place.live);
    if (!lock) throw locked(place);
    return session({ place, staging: place.live, swaps: false, isForeign: true, pick, manifest, lock, signal });
  }
  assertReplaceable(place);
  // what is picked out is begun as any restore is, so that the next one removes what is left of it
  const begun = isPickedBeside ? home : place;
  const { staging, lock } = await underSwapLock(begun, signal, async () => {
    if (to === undefined && isHalfSwapped(begun)) await withoutReaders(begun, signal, () => completeSwap(begun));
    await dropLeftovers(begun, to === undefined ? ['restoring'] : ['restoring', 'ready']);
    return makeStaging(begun);
  });
  // what was put right may be another kind of thing than what was found
  const swaps = to === undefined && !isPickedBeside;
  const now = swaps ? lookAt(source.path) : place;
  return session({ place: now, staging, swaps, isForeign: false, pick, manifest, lock, signal });
}

/** Where what is picked out goes without `--to`. */
const pickedPlace = (live: Place): Place => lookAt(besidePath(live, 'picked', freeTime(live, ['picked'])));

/** `--to`: an absolute path, or a name beside the live folder. */
function pathOf(source: FilesSource, to: string): string {
  if (isAbsolute(to)) return to;
  if (!to.includes('/')) return join(dirname(lookAt(source.path).live), to);
  throw new OperatorError(
    'USAGE',
    `--to ${JSON.stringify(to)} is neither an absolute path nor a name without slashes`,
    {
      hint: `For example --to ${join(dirname(source.path), 'restored')}.`,
    },
  );
}

/** What is restored beside the live folder may not become a part of it, nor the other way round. */
function assertBeside(source: FilesSource, { live }: Place): void {
  const own = lookAt(source.path).live;
  if (!`${live}/`.startsWith(`${own}/`) && !`${own}/`.startsWith(`${live}/`)) return;
  throw new OperatorError('RESTORE_REFUSED', `${live} is not beside ${own}: one lies in the other`, {
    hint: 'Name another folder. Without --to, the live one is swapped safely.',
  });
}

function assertEmpty({ live, kind }: Place): void {
  if (kind === 'folder' && readdirSync(live).length === 0) return;
  throw new OperatorError('RESTORE_REFUSED', `${live} exists and is not an empty folder`, {
    hint: 'Name a path at which nothing is yet, or an empty folder. Without --to, the live one is swapped safely.',
  });
}

interface SessionParts {
  readonly place: Place;
  readonly staging: string;
  /** The live one is to be replaced; else the restored one goes beside it. */
  readonly swaps: boolean;
  readonly isForeign: boolean;
  /** Paths in the folder, where not all of it is wanted. */
  readonly pick: readonly string[] | undefined;
  readonly manifest: Manifest | undefined;
  readonly lock: HeldLock;
  readonly signal: AbortSignal;
}

function session({ place, staging, swaps, isForeign, pick, manifest, lock, signal }: SessionParts): RestoreSession {
  const report = mkdtempSync(join(tmpdir(), 'files-report-'));
  const passed = mkdtempSync(join(tmpdir(), 'files-passed-'));
  let found: Contents | undefined;
  const said: string[] = [];
  const point = pointOfNoReturn();
  return {
    staging,
    isForeign,
    plan: async (format) => {
      assertArchive(format, place);
      const into = extractStage(staging, { setsOwners: maySetOwners(), said: (line) => said.push(line), only: pick });
      return [{ jobs: 1, loads: [{ into, meter: pick && treeMeter(passed, pick), verifyEnd: assertComplete }] }];
    },
    ...(pick && { picked: { holds: () => false, copying: async () => [] } }),
    contents: async () => {
      warnOfWhatTarSaid(said, staging);
      const restored = await readRestored(staging, manifest, { report, pick, signal });
      const held = pick && manifest ? { ...manifest, ...readReport(passed) } : manifest;
      found = withoutUnset(restored, held, unsetKinds(held, said));
      if (pick && held) assertPicked(held, found);
      // a file that is alone in it still lies where it lay
      if (pick) found = { ...found, isFolder: true };
      return found;
    },
    // a swap that the machine's end follows must not bring forth empty files
    prepare: async () => {
      await flush(staging, signal);
      return [];
    },
    commit: async () => {
      if (isForeign) {
        point.pass();
        return { database: place.live, previousDatabase: null };
      }
      const previousDatabase = await point.passWith(
        () =>
          underSwapLock(place, signal, () => withoutReaders(place, signal, () => put(place, staging, found, swaps))),
        // what could be taken back lies in the staging folder as before
        () => !existsSync(staging),
      );
      // what was the staging folder is live, and its own to be locked by backups
      await lock.release();
      return { database: place.live, previousDatabase };
    },
    discard: () => point.unlessPassed(() => discard(staging, isForeign)),
    close: async () => {
      for (const folder of [report, passed]) rmSync(folder, { recursive: true, force: true });
      await lock.release();
    },
  };
}

/** Of what was picked out no manifest has a digest: it is held against what has passed of the archive. */
function assertPicked(passed: Contents, found: Contents): void {
  const differences = compareTrees(passed, found);
  if (differences.length === 0) return;
  throw new OperatorError('RESTORE_FAILED', `what was restored is not what was archived: ${differences.join('; ')}`, {
    hint: 'Nothing was touched. Restore another backup, and look into the disk that this one was restored on.',
  });
}

function assertArchive(format: DumpFormat, { live }: Place): void {
  if (format === 'tar') return;
  throw new OperatorError('RESTORE_REFUSED', `the backup is a dump of a database, and ${live} is a folder`, {
    hint: 'Name the source that it belongs to: --source.',
  });
}

/** Reads all of what was restored back from the disk: not what was meant to be written, but what is there. */
async function readRestored(
  staging: string,
  manifest: Manifest | undefined,
  { report, pick, signal }: { report: string; pick: readonly string[] | undefined; signal: AbortSignal },
): Promise<Contents> {
  const only = singleFile(manifest, staging);
  const isFolder = only === undefined;
  const found = await readTree(isFolder ? staging : join(staging, only), { isFolder, report, only: pick, signal });
  warnOfOwners(manifest, found, staging);
  const { ownerDigest, ...contents } = found;
  // owners are compared where they could be set
  return maySetOwners() && ownerDigest !== undefined ? found : contents;
}

/** The name of the one file that was backed up by itself. Without a manifest, a file that comes alone is one. */
function singleFile(manifest: Manifest | undefined, staging: string): string | undefined {
  const [only, ...others] = readdirSync(staging, { withFileTypes: true });
  if (others.length > 0 || !only?.isFile()) return undefined;
  return manifest?.isFolder === false || manifest?.isFolder === undefined ? only.name : undefined;
}

async function flush(staging: string, signal: AbortSignal): Promise<void> {
  const result = await runProgram({ name: 'sync', command: 'sync', args: ['--file-system', staging] }, { signal });
  signal.throwIfAborted();
  if (result.exitCode !== 0) throw stageError(result);
}

/** Puts what was restored in its place. */
function put(place: Place, staging: string, found: Contents | undefined, swaps: boolean): string | null {
  const [only] = readdirSync(staging);
  const isFile = found?.isFolder === false && only !== undefined;
  if (isFile && place.isInside) {
    throw new OperatorError('RESTORE_REFUSED', `the backup is a single file, and ${place.live} is a folder`, {
      hint: 'Restore it elsewhere: --to.',
    });
  }
  const previous = swap(place, isFile ? join(staging, only) : staging, 'previous');
  if (isFile) rmdirSync(staging);
  return swaps ? previous : null;
}
