import { OperatorError } from '../../../errors.ts';
import type { Connection } from './connection.ts';

/** The state of a database that several sessions can read. */
export interface Snapshot {
  readonly id: string;
  /** When it was taken, by the server's clock, to the second. */
  readonly time: Date;
  /**
   * The position in the server's log that this state is: all that ends before it is in, and nothing else. Undefined where others
   * wrote meanwhile, or a transaction was under way, or the server is a standby.
   */
  readonly exactLsn?: string;
}

const WHERE = `select case when pg_is_in_recovery() then null else pg_current_wal_insert_lsn() end::text as lsn`;

/** Begins the transaction that holds the state to dump, and exports it. */
export async function exportSnapshot(connection: Connection): Promise<Snapshot> {
  const [before] = await connection.query<{ lsn: string | null }>(WHERE);
  await connection.query('begin isolation level repeatable read read only');
  const [row] = await connection.query<{ id: string; seconds: string }>(
    'select pg_export_snapshot() as id, floor(extract(epoch from transaction_timestamp()))::text as seconds',
  );
  if (!row) throw new OperatorError('DUMP_INCOMPLETE', 'the server exported no snapshot');
  const [after] = await connection.query<{ lsn: string | null; quiet: boolean }>(
    `${WHERE}, pg_snapshot_xmin(pg_current_snapshot()) = pg_snapshot_xmax(pg_current_snapshot()) as quiet`,
  );
  const isExact = after?.quiet === true && after.lsn !== null && after.lsn === before?.lsn;
  return {
    id: row.id,
    time: new Date(Number(row.seconds) * 1_000),
    ...(isExact && after.lsn !== null ? { exactLsn: after.lsn } : {}),
  };
}
