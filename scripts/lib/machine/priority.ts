import { constants, setPriority } from 'node:os';
import { messageOf } from '../errors.ts';
import { log } from '../terminal/log.ts';

/**
 * Lets others on this machine go first: this process and every one that it starts from now on. Linux derives the I/O
 * priority of a process that was given none of its own from this, as best-effort level (nice + 20) / 5: ioprio_set(2).
 *
 * @param nice 0 (as everybody) to 19 (when nobody else wants to); 0 changes nothing
 */
export function giveWay(nice: number): void {
  if (nice === constants.priority.PRIORITY_NORMAL) return;
  try {
    setPriority(nice);
  } catch (error) {
    log.warn(`BACKUP_NICE=${nice} has no effect here: ${messageOf(error)}`);
  }
}
