import type { Config } from '../config/config.ts';
import { messageOf, OperatorError } from '../errors.ts';
import { parseBaseKey } from '../log/base-keys.ts';
import type { Backup } from '../repository/catalog.ts';
import type { Repository } from '../repository/repository.ts';
import { command } from '../terminal/hints.ts';
import { log } from '../terminal/log.ts';
import type { Store } from './stores.ts';

/** How it went in one store. */
export interface HeldIn {
  readonly name: string;
  readonly ok: boolean;
  readonly error?: string;
}

/**
 * Does the same in every store that has a backup. A store that fails is data.
 * @throws OperatorError NO_SUCH_BACKUP when none has it
 */
export async function eachHolding(
  config: Config,
  { primary, copies }: { primary: Store; copies: readonly Store[] },
  { wanted, signal }: { wanted: string; signal: AbortSignal },
  work: (repository: Repository, backup: Backup) => Promise<void>,
): Promise<{ key: string; results: HeldIn[] }> {
  const results: HeldIn[] = [];
  let key: string | undefined;
  for (const { name, repository } of [primary, ...copies]) {
    try {
      const { backups } = await repository.inventory(signal);
      const found = backups.find((stored) => isMeant(stored, wanted, config.repository.prefix));
      if (!found) continue;
      key ??= found.backup.key;
      await work(repository, found.backup);
      results.push({ name, ok: true });
    } catch (error) {
      signal.throwIfAborted();
      log.error(`${name}: ${messageOf(error)}`);
      results.push({ name, ok: false, error: messageOf(error) });
    }
  }
  if (key !== undefined) return { key, results };
  if (parseBaseKey(config.repository.prefix, wanted) ?? parseBaseKey('', wanted))
    throw new OperatorError('NO_SUCH_BACKUP', `${wanted} is a base, and only backups can be held`, {
      hint: 'Bases stay as long as a moment of PITR_WINDOW needs them: make it longer, or hold a backup.',
    });
  throw new OperatorError('NO_SUCH_BACKUP', `there is no such backup: ${JSON.stringify(wanted)}`, {
    hint: `${command('list')} shows the keys.`,
  });
}

/** By its key in that store, or in the primary one, or by its name in all. */
function isMeant({ name, backup }: { name: string; backup: Backup }, wanted: string, prefix: string): boolean {
  const keys = [name, backup.key, prefix === '' ? name : `${prefix}/${name}`];
  return keys.some((key) => key === wanted || key === `${wanted}/`);
}
