import { messageOf } from '../errors.ts';
import type { Storage } from '../storages/storage.ts';
import { log } from '../terminal/log.ts';

/** Takes back what a failed run has stored; says so where it has no right to. */
export async function withdraw(storage: Storage, keys: readonly string[], reason: unknown): Promise<void> {
  const failures = await storage
    .remove(keys)
    .catch((error: unknown) => keys.map((key) => ({ key, reason: messageOf(error) })));
  for (const { key, reason: why } of failures) {
    log.warn(
      `${key} was stored, but its backup failed (${messageOf(reason)}) and it could not be deleted: ${why}. It will be listed as a backup without a manifest.`,
    );
  }
}
