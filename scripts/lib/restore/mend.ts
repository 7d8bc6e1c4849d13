import { OperatorError } from '../errors.ts';
import type { Backup } from '../repository/catalog.ts';
import type { Manifest } from '../repository/manifest.ts';
import { isDamage, objectsOf } from '../repository/read.ts';
import type { Repository } from '../repository/repository.ts';
import { log } from '../terminal/log.ts';

/** What a damaged dump can look like to those who load it. */
const SYMPTOMS = /^(BACKUP_DAMAGED|RESTORE_FAILED|DUMP_INCOMPLETE|PROCESS_FAILED)$/;

/**
 * After a restore that failed: reads every object of the backup, and turns to the next store for each that is not what was
 * stored. With one store there is nothing to turn to, and a backup without a manifest has nothing to compare with.
 *
 * @returns whether it is worth trying again
 */
export async function foundElsewhere(
  repository: Repository,
  backup: Backup,
  manifest: Manifest | undefined,
  error: unknown,
  signal: AbortSignal,
): Promise<boolean> {
  if (!(error instanceof OperatorError) || !SYMPTOMS.test(error.code) || !manifest) return false;
  const keys = [
    ...objectsOf(backup, manifest).map(({ key }) => key),
    ...(backup.globalsKey === undefined ? [] : [backup.globalsKey]),
  ];
  if (keys.every((key) => repository.holders(key).length < 2)) return false;
  log.warn(`${error.message}; looking whether the backup is damaged, and whole in another store`);
  let isMended = false;
  for (const key of keys) {
    for (;;) {
      try {
        for await (const _ of repository.read(backup, { key }, manifest, signal));
        break;
      } catch (damage) {
        if (!isDamage(damage)) throw damage;
        const next = repository.distrust(key);
        if (next === undefined) return false;
        log.warn(`${(damage as Error).message}: reading it from ${next}`);
        isMended = true;
      }
    }
  }
  return isMended;
}
