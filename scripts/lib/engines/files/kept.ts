import { runProgram } from '../../pipeline/chain.ts';
import type { FilesSource } from '../../source.ts';
import type { Beside, KeptDatabase } from '../engine.ts';
import { removeOld } from '../kept.ts';
import { removeTree } from './staging.ts';
import { HIDDEN, listBeside, lookAt } from './swap/place.ts';
import { isHalfSwapped } from './swap/swap.ts';
import { underSwapLock } from './swap/swap-lock.ts';
import { runsUnderWay } from './under-way.ts';

/** See Engine.kept. */
export async function keptFolders(source: FilesSource, signal: AbortSignal): Promise<KeptDatabase[]> {
  const kept: KeptDatabase[] = [];
  const place = lookAt(source.path);
  // what a swap that broke off still needs is not something kept
  if (isHalfSwapped(place)) return [];
  for (const { path, role, at } of listBeside(place)) {
    if (role !== 'previous' && role !== 'undone' && role !== 'picked') continue;
    kept.push({ name: path, role, since: at, sizeBytes: await usedBytes(path, signal) });
  }
  return kept;
}

/** See Engine.beside. */
export async function beside(sources: readonly FilesSource[], signal: AbortSignal): Promise<Beside[]> {
  return Promise.all(
    sources.map(async (source) => ({ kept: await keptFolders(source, signal), underWay: runsUnderWay(source) })),
  );
}

/** See Engine.dropKept. */
export async function dropKept(
  source: FilesSource,
  before: Date,
  signal: AbortSignal,
  role?: KeptDatabase['role'],
): Promise<KeptDatabase[]> {
  return removeOld(before, {
    list: async () => (await keptFolders(source, signal)).filter((kept) => role === undefined || kept.role === role),
    underLock: (work) => underSwapLock(lookAt(source.path), signal, work),
    remove: removeTree,
  });
}

/** What a folder takes on its disk. 0 when it cannot be told. */
async function usedBytes(path: string, signal: AbortSignal): Promise<number> {
  const args = ['--summarize', '--block-size=1', `--exclude=${HIDDEN}`, '--', path];
  const { stdout } = await runProgram({ name: 'du', command: 'du', args }, { signal });
  signal.throwIfAborted();
  return Number(/^(\d+)\t/.exec(stdout)?.[1] ?? 0);
}
