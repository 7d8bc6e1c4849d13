import type { FilesSource } from '../../source.ts';
import type { UndoResult } from '../engine.ts';
import { nothingToUndo } from '../kept.ts';
import { assertReplaceable, listBeside, lookAt } from './swap/place.ts';
import { completeSwap, isHalfSwapped, swap } from './swap/swap.ts';
import { underSwapLock, withoutReaders } from './swap/swap-lock.ts';

/** See Engine.undo. A restore or an undo that broke off is completed first; of an undo, that is all that was asked for. */
export function undoRestore(source: FilesSource, signal: AbortSignal): Promise<UndoResult> {
  return undoAt(source.path, signal);
}

/** Puts the folder or file back that the last restore of this path replaced. @throws OperatorError when none is kept */
export async function undoAt(path: string, signal: AbortSignal): Promise<UndoResult> {
  const found = lookAt(path);
  assertReplaceable(found);
  return underSwapLock(found, signal, async () => {
    const returning = listBeside(found).find(({ role }) => role === 'returning');
    if (isHalfSwapped(found)) await withoutReaders(found, signal, () => completeSwap(found));
    const place = lookAt(path);
    const kept = listBeside(place);
    const undone = kept.find(({ role, at }) => role === 'undone' && at.getTime() === returning?.at.getTime());
    if (returning && undone) return { database: place.live, restoredFrom: returning.path, keptAs: undone.path };
    const previous = kept.find(({ role }) => role === 'previous');
    if (!previous) throw nothingToUndo(place.live);
    const keptAs = await withoutReaders(place, signal, () => swap(place, previous.path, 'undone'));
    return { database: place.live, restoredFrom: previous.path, keptAs: keptAs ?? '' };
  });
}
