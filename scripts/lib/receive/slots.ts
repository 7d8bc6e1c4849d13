import type { Walsender } from '../engines/postgres/walsender/walsender.ts';
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
