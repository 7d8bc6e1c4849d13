import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { LogStore } from '../log/store.ts';
import { formatDuration } from '../quantities.ts';
import type { LogServer } from '../source.ts';
import { log } from '../terminal/log.ts';

/** Takes a base of a server which the chain's log goes on from. @throws OperatorError when it fails */
export type TakeBase = (server: LogServer, chain: string, signal: AbortSignal) => Promise<unknown>;

/** A server whose base fails is not asked for one all day long. */
const RETRY_FIRST_MS = 60_000;
const RETRY_LAST_MS = 6 * 3_600_000;

/**
 * Takes the base without which a chain restores nothing, unless it has one: at most one is taken unasked.
 * @returns whether the chain has a base now
 */
export async function keepBase(of: {
  store: LogStore;
  takeBase: TakeBase;
  server: LogServer;
  chain: string;
  signal: AbortSignal;
}): Promise<boolean> {
  const { store, takeBase, server, chain, signal } = of;
  for (let failures = 0; !signal.aborted; ) {
    try {
      if (!(await hasBase(store, server.name, chain, signal))) await takeBase(server, chain, signal);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      const waitMs = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** failures);
      failures += 1;
      log.error(
        `no base of ${server.name} could be taken, and without one its log restores nothing: ${messageOf(error)}; tried again in ${formatDuration(waitMs)}`,
      );
      await sleep(waitMs, undefined, { signal }).catch(() => {});
    }
  }
  return false;
}

/** Whether a base of the chain is there; where that may not be looked at, it counts as missing. */
async function hasBase(store: LogStore, server: string, chain: string, signal: AbortSignal): Promise<boolean> {
  try {
    const bases = await store.bases({ server }, signal);
    for (const base of bases.filter(({ hasManifest }) => hasManifest).slice(0, 3)) {
      if ((await store.baseManifest(base, signal)).chain === chain) return true;
    }
  } catch {
    signal.throwIfAborted();
  }
  return false;
}
