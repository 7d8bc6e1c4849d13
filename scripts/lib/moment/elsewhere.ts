import { messageOf, OperatorError } from '../errors.ts';
import type { LogStore } from '../log/store.ts';
import { isDamage } from '../repository/read.ts';
import type { Repository } from '../repository/repository.ts';
import { log } from '../terminal/log.ts';
import { archiveKey, checked } from './archives.ts';
import type { MomentPlan } from './plan.ts';

/** The log was changed together with its checksums: a server takes the place for its end. */
export class LogChanged extends OperatorError {
  /** The objects that hold the place. */
  readonly keys: readonly string[];

  constructor(keys: readonly string[], message: string) {
    super('BACKUP_DAMAGED', message, {
      hint: 'Find out what changed it. A moment before it can still be restored. Nothing was touched.',
    });
    this.keys = keys;
  }
}

/** What a damaged base can look like to those who unpack it and start a server on it. */
const SYMPTOMS = /^(BACKUP_DAMAGED|RESTORE_FAILED|PROCESS_FAILED)$/;

/**
 * After a recovery that failed: turns to the next store for what was not what was stored. Of the base that is told by reading all of
 * it; an object of the log has said so itself, unless its checksums were mended. With one store there is nothing to turn to.
 *
 * @returns whether it is worth trying again
 */
export async function isWholeElsewhere(
  of: { repository: Repository; store: LogStore; plan: MomentPlan; signal: AbortSignal },
  error: unknown,
): Promise<boolean> {
  const { repository, store, plan, signal } = of;
  if (!(error instanceof OperatorError) || !SYMPTOMS.test(error.code)) return false;
  if (error instanceof LogChanged) return turnedFrom(repository, error.keys, error);
  const archives = plan.manifest.objects.map((object) => ({ object, key: archiveKey(plan.base.stem, object.name) }));
  if (archives.every(({ key }) => repository.holders(key).length < 2)) return false;
  log.warn(`${error.message}; looking whether the base is damaged, and whole in another store`);
  let isMended = false;
  for (const { key, object } of archives) {
    for (;;) {
      try {
        for await (const _ of checked(store, key, object, signal));
        break;
      } catch (damage) {
        if (!isDamage(damage)) throw damage;
        if (!turnedFrom(repository, [key], damage)) return false;
        isMended = true;
      }
    }
  }
  return isMended;
}

function turnedFrom(repository: Repository, keys: readonly string[], why: unknown): boolean {
  const stores = new Set(keys.map((key) => repository.distrust(key)).filter((name) => name !== undefined));
  if (stores.size > 0) log.warn(`${messageOf(why)}: reading it from ${[...stores].join(', ')}`);
  return stores.size > 0;
}
