import { messageOf, OperatorError } from '../errors.ts';
import { command } from '../terminal/hints.ts';
import { log } from '../terminal/log.ts';
import type { KeptDatabase } from './engine.ts';

/** How an engine lists, locks and removes what restores have kept. */
interface Kept {
  list(): Promise<KeptDatabase[]>;
  /** Keeps restores and undos out meanwhile. */
  underLock<T>(work: () => Promise<T>): Promise<T>;
  remove(name: string): Promise<void>;
}

/** Removes what has been kept since before a time, and returns that. Looks again under the lock: an undo may have swapped one of them in. */
export async function removeOld(before: Date, { list, underLock, remove }: Kept): Promise<KeptDatabase[]> {
  const isOld = ({ since }: KeptDatabase) => since < before;
  if (!(await list()).some(isOld)) return [];
  return underLock(async () => {
    const removed: KeptDatabase[] = [];
    for (const kept of (await list()).filter(isOld)) {
      try {
        await remove(kept.name);
      } catch (error) {
        // one that cannot be removed stops none of the others
        log.warn(`${kept.name} could not be removed: ${messageOf(error)}`);
        continue;
      }
      const why = kept.role === 'picked' ? 'its time to be copied from is over' : 'it can no longer be undone';
      log.info(`removed ${kept.name}: ${why} (RESTORE_PROTECT_DAYS)`);
      removed.push(kept);
    }
    return removed;
  });
}

/** The refusal of an undo, where nothing is kept. */
export function nothingToUndo(live: string): OperatorError {
  return new OperatorError(
    'RESTORE_REFUSED',
    `there is nothing to undo: nothing that a restore of ${live} replaced is kept`,
    {
      hint: `A restore keeps what it replaces until it is undone or cleaned up. ${command('list')} shows the safety backups.`,
    },
  );
}
