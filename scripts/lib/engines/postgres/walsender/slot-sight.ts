import { type Lsn, parseLsn } from '../../../log/lsn.ts';
import type { Connection } from '../server/connection.ts';

/** What a server says of its log, and of the slot by which it is taken. */
export interface SlotSight {
  /** By the server's clock, taken before the rest: what was committed before it lies below `flushed`. */
  readonly at: Date;
  readonly flushed: Lsn;
  /** The newest slot of the family; undefined when there is none. */
  readonly slot: string | undefined;
  /** What the receiver has acknowledged: it is stored. */
  readonly restartLsn: Lsn | undefined;
  /** `reserved`, `extended`, `unreserved` or `lost`. */
  readonly walStatus: string | undefined;
  readonly retainedBytes: number;
  /** What may still be written before log is removed that the slot needs; undefined for no limit. */
  readonly safeBytes: number | undefined;
  readonly isActive: boolean;
  readonly activeSince: Date | undefined;
  /** Of the session that streams: `streaming`, `catchup` … */
  readonly state: string | undefined;
  /** How the server counts that session among its standbys: `async`, `sync`, `quorum`, `potential`. */
  readonly syncState: string | undefined;
}

const LOOK = `
  select extract(epoch from s.now) * 1000 as ms, s.flushed::text as flushed, r.slot_name, r.restart_lsn::text as restart,
    r.wal_status, r.safe_wal_size::text as safe, coalesce(r.active, false) as active,
    coalesce(pg_catalog.pg_wal_lsn_diff(s.flushed, r.restart_lsn), 0)::text as retained,
    extract(epoch from w.backend_start) * 1000 as since, w.state, w.sync_state
  from (
    select pg_catalog.clock_timestamp() as now,
      case when pg_catalog.pg_is_in_recovery() then
        coalesce(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())
      else pg_catalog.pg_current_wal_flush_lsn() end as flushed
  ) s
  left join lateral (
    select * from pg_catalog.pg_replication_slots
    where slot_type = 'physical' and pg_catalog.starts_with(slot_name, $1) order by slot_name desc limit 1
  ) r on true
  left join pg_catalog.pg_stat_replication w on w.pid = r.active_pid`;

type Row = Record<
  'flushed' | 'slot_name' | 'restart' | 'wal_status' | 'safe' | 'retained' | 'state' | 'sync_state',
  string | null
> & {
  ms: string;
  since: string | null;
  active: boolean;
};

/**
 * Looks once, over an ordinary session.
 * @param family what the slot's name begins with: see slotFamily
 * @throws OperatorError as every query of a connection
 */
export async function slotSight(connection: Connection, family: string): Promise<SlotSight> {
  const [row] = await connection.query<Row>(LOOK, [family]);
  const number = (text: string | null | undefined) => (text == null ? undefined : Number(text));
  const time = (text: string | null | undefined) => (text == null ? undefined : new Date(Math.floor(Number(text))));
  return {
    at: time(row?.ms) ?? new Date(0),
    flushed: parseLsn(row?.flushed ?? '') ?? 0n,
    slot: row?.slot_name ?? undefined,
    restartLsn: parseLsn(row?.restart ?? ''),
    walStatus: row?.wal_status ?? undefined,
    retainedBytes: number(row?.retained) ?? 0,
    safeBytes: number(row?.safe),
    isActive: row?.active === true,
    activeSince: time(row?.since),
    state: row?.state ?? undefined,
    syncState: row?.sync_state ?? undefined,
  };
}
