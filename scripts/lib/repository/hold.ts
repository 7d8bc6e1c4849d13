import { OperatorError } from '../errors.ts';
import { command } from '../terminal/hints.ts';
import type { Backup } from './catalog.ts';
import { holdKey } from './object-key.ts';
import { readSmall } from './read.ts';
import type { Shelf } from './shelf.ts';

/** Puts an object beside a backup for which retention leaves it alone; one that is there already stays as it is. */
export async function hold({ storage }: Shelf, backup: Backup, why: string, signal: AbortSignal): Promise<void> {
  if (backup.isHeld) return;
  const document = { version: 1, why, since: new Date().toISOString() };
  const bytes = Buffer.from(`${JSON.stringify(document, null, 2)}\n`);
  await storage.put(holdKey(backup.stem), once(bytes), { contentType: 'application/json', signal });
}

/** Takes it away again. @throws OperatorError STORAGE when the store does not let it go */
export async function release({ storage }: Shelf, backup: Backup, signal: AbortSignal): Promise<void> {
  const [failure] = await storage.remove([holdKey(backup.stem)], { signal });
  if (failure === undefined) return;
  throw new OperatorError('STORAGE', `${failure.key} could not be removed: ${failure.reason}`, {
    hint: `The backup is held as before. The credentials need DeleteObject; then again. ${command('list')} shows what is held.`,
  });
}

/** Why a backup is held; undefined when nobody can tell. */
export async function whyHeld({ storage }: Shelf, backup: Backup, signal: AbortSignal): Promise<string | undefined> {
  try {
    const { why } = JSON.parse((await readSmall(storage, holdKey(backup.stem), signal)).toString('utf8'));
    return typeof why === 'string' ? why : undefined;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
