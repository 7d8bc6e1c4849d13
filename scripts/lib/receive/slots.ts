import { setTimeout as sleep } from 'node:timers/promises';
import type { Walsender } from '../engines/postgres/walsender/walsender.ts';
import { OperatorError } from '../errors.ts';
import { type ChainId, chainOfSlot } from '../log/keys.ts';

/** A slot of ours on the server. */
export interface OurSlot {
  readonly name: string;
  readonly chain: ChainId;
  /** The server's process that streams by it; undefined when none does. */
  readonly activePid: number | undefined;
  /** The server has removed log that it should have kept for it. */
  readonly isLost: boolean;
}

/** The slots by which this repository takes the server's log, the newest chain's first. Usually one. */
export async function ourSlots(walsender: Walsender, family: string, systemIdentifier: string): Promise<OurSlot[]> {
  const rows = await walsender.query(
    `select slot_name, active_pid, wal_status, restart_lsn from pg_catalog.pg_replication_slots
     where slot_type = 'physical' and starts_with(slot_name, '${family}') order by slot_name desc`,
  );
  return rows.flatMap(({ slot_name, active_pid, wal_status, restart_lsn }) => {
    const chain = chainOfSlot(slot_name ?? '', family, systemIdentifier);
    if (!chain || slot_name == null) return [];
    return [
      {
        name: slot_name,
        chain,
        activePid: active_pid == null ? undefined : Number(active_pid),
        isLost: wal_status === 'lost' || restart_lsn === null,
      },
    ];
  });
}

/** A session of a server, told from later ones of the same process number. */
export interface Session {
  readonly pid: number;
  /** When it began, in seconds since 1970 as the server writes them. */
  readonly since: string;
}

const SINCE = 'extract(epoch from backend_start)::text as since from pg_catalog.pg_stat_activity';

/** The session of a walsender itself. */
export async function sessionOf(walsender: Walsender): Promise<Session | undefined> {
  const [row] = await walsender.query(`select ${SINCE} where pid = pg_catalog.pg_backend_pid()`);
  return row?.since == null ? undefined : { pid: walsender.pid, since: row.since };
}

/** A session that is told to end does so at once, unless its machine has much else to do. */
const ENDS_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 100;

/**
 * Ends the session that streams by a slot, if it is one of ours that has lost us: the server notices that only after
 * wal_sender_timeout, and lets nobody else stream until then. No right is needed to end a session of one's own role.
 *
 * @param ours sessions of receivers that stream no more
 * @returns whether nobody streams by the slot any more
 * @throws OperatorError SOURCE_CONNECT when ours does not end
 */
export async function endLostSession(
  walsender: Walsender,
  { name, activePid }: OurSlot,
  ours: readonly Session[],
): Promise<boolean> {
  if (activePid === undefined) return true;
  const [row] = await walsender.query(`select ${SINCE} where pid = ${activePid}`);
  if (!ours.some(({ pid, since }) => pid === activePid && since === row?.since)) return false;
  await walsender.query(`select pg_catalog.pg_terminate_backend(${activePid})`);
  for (const deadline = Date.now() + ENDS_WITHIN_MS; Date.now() < deadline; ) {
    const [slot] = await walsender.query(
      `select active from pg_catalog.pg_replication_slots where slot_name = '${name}'`,
    );
    if (slot?.active !== 't') return true;
    await sleep(LOOK_EVERY_MS);
  }
  throw new OperatorError(
    'SOURCE_CONNECT',
    `the server's process ${activePid}, by which an earlier receiver streamed, does not end`,
    { hint: 'The server ends it by itself after wal_sender_timeout.' },
  );
}
