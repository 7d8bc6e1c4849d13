import { randomBytes } from 'node:crypto';
import { PRIMARY, type Store } from '../copy/stores.ts';
import { messageOf } from '../errors.ts';
import type { StoredBackup } from '../repository/inventory.ts';
import { log } from '../terminal/log.ts';
import type { Protecting } from './protection.ts';

export const NOTHING_TRIED: Protecting = { protection: null, newestLock: null, rewritten: [], sameAs: null };

/** What could be destroyed with our keys, and whether somebody has. */
export async function tryProtection(
  { name, repository }: Store,
  others: readonly Store[],
  newest: StoredBackup | undefined,
  signal: AbortSignal,
): Promise<Protecting> {
  const { objects } = repository;
  const canary = `canary/${new Date().toISOString().slice(0, 10)}-${randomBytes(8).toString('hex')}`;
  const rewritten: string[] = [];
  try {
    const protection = await objects.probe(canary, { signal });
    const sameAs = await findElsewhere(name, objects, others, signal);
    for await (const key of objects.rewritten?.('', { signal }) ?? [])
      if (!key.startsWith('canary/')) rewritten.push(key);
    const lock = newest && (await objects.lockOf?.(newest.objects.at(-1) ?? '', { signal }).catch(() => undefined));
    return {
      protection: {
        isDeletable: protection.isDeletable,
        isOverwritable: protection.isOverwritable,
        keepsVersions: protection.keepsVersions,
        lock: shown(protection.lock),
        refusal: protection.refusal,
      },
      newestLock: shown(lock),
      rewritten,
      sameAs,
    };
  } catch (error) {
    signal.throwIfAborted();
    log.warn(`${name}: what these keys could destroy was not found out: ${messageOf(error)}`);
    return { ...NOTHING_TRIED, rewritten };
  }
}

function shown(lock: { mode: 'compliance' | 'governance'; until: Date } | undefined) {
  return lock ? { mode: lock.mode, until: lock.until.toISOString() } : null;
}

/** The store under another name in which what is put here is found: it is the same one. */
async function findElsewhere(
  name: string,
  objects: Store['repository']['objects'],
  others: readonly Store[],
  signal: AbortSignal,
): Promise<string | null> {
  if (name === PRIMARY || others.length === 0) return null;
  const mark = `canary/same-${randomBytes(12).toString('hex')}`;
  await objects.put(mark, once(Buffer.from('whose is this?\n')), { signal });
  try {
    for (const other of others) {
      try {
        for await (const { key } of other.repository.objects.list(mark, { signal }))
          if (key === mark) return other.name;
      } catch {
        // one that is away cannot be this one, which is not
        signal.throwIfAborted();
      }
    }
    return null;
  } finally {
    await objects.remove([mark], { signal });
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
