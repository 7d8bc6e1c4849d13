import { setTimeout as sleep } from 'node:timers/promises';
import type { SentBase } from '../engines/postgres/base/archives.ts';
import type { Connection } from '../engines/postgres/server/connection.ts';
import { chainOfSlot, parseChain, slotFamily, slotName } from '../log/keys.ts';
import { parseLsn } from '../log/lsn.ts';
import type { LogStore } from '../log/store.ts';
import type { LogServer } from '../source.ts';
import { log } from '../terminal/log.ts';

/** How long a receiver may take to store the log up to the end of a base. */
const STORED_WITHIN_MS = 300_000;
const LOOK_EVERY_MS = 200;

/**
 * The chain that is being taken, told from the slots that the server has: the newest of this log's. No right on the store is
 * needed to know it.
 */
export async function chainOnServer(
  connection: Connection,
  { store, server, systemIdentifier }: { store: LogStore; server: LogServer; systemIdentifier: string },
): Promise<string | undefined> {
  const slots = await connection.query<{ name: string }>(
    "select slot_name as name from pg_replication_slots where slot_type = 'physical' and restart_lsn is not null",
  );
  const family = slotFamily(store.prefix, server.name);
  return slots
    .flatMap(({ name }) => chainOfSlot(name, family, systemIdentifier)?.chain ?? [])
    .sort()
    .at(-1);
}

/**
 * Waits until the chain's log is stored up to the end of a base. The slot says so: it moves on the store's answers alone.
 * @returns the chain; undefined when it does not come so far
 */
export async function untilStored(
  connection: Connection,
  order: { store: LogStore; server: LogServer; chain: string; sent: SentBase; signal: AbortSignal },
): Promise<string | undefined> {
  const { store, server, chain, sent, signal } = order;
  const id = parseChain(chain);
  if (id === undefined) return undefined;
  const slot = slotName(store.prefix, server.name, id);
  const deadline = Date.now() + STORED_WITHIN_MS;
  let hasSaid = false;
  for (;;) {
    const [row] = await connection.query<{ lsn: string | null }>(
      'select restart_lsn::text as lsn from pg_replication_slots where slot_name = $1',
      [slot],
    );
    const stored = parseLsn(row?.lsn ?? '');
    if (stored !== undefined && stored >= sent.endLsn) return chain;
    if (row === undefined || Date.now() > deadline) return undefined;
    if (!hasSaid)
      log.info(
        `waiting until the log is stored up to the end of the base (for ${STORED_WITHIN_MS / 60_000} minutes at most)`,
      );
    hasSaid = true;
    await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
}
