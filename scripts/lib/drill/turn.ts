import type { Store } from '../copy/stores.ts';
import { messageOf } from '../errors.ts';
import { log } from '../terminal/log.ts';

/**
 * The copy whose turn it is: of those that answer and hold backups the one that was not drilled for longest. So a schedule
 * comes round to each of them, and a copy that is away does not hold up the others.
 */
export async function copyInTurn(copies: readonly Store[], signal: AbortSignal): Promise<Store | undefined> {
  const drilled: { store: Store; atMs: number }[] = [];
  for (const store of copies) {
    try {
      if ((await store.repository.backups(signal)).length === 0) continue;
      const times = [...(await store.repository.newestDrills(signal)).values()].map(({ at }) => at.getTime());
      drilled.push({ store, atMs: Math.max(0, ...times) });
    } catch (error) {
      signal.throwIfAborted();
      log.info(`${store.name} cannot be drilled now: ${messageOf(error)}`);
    }
  }
  return drilled.sort((a, b) => a.atMs - b.atMs)[0]?.store;
}
