import { OperatorError } from '../../../errors.ts';
import type { Connection } from './connection.ts';

/** The state of a database that several sessions can read. */
export interface Snapshot {
  readonly id: string;
  /** When it was taken, by the server's clock, to the second. */
  readonly time: Date;
}

/** Begins the transaction that holds the state to dump, and exports it. */
export async function exportSnapshot(connection: Connection): Promise<Snapshot> {
  await connection.query('begin isolation level repeatable read read only');
  const [row] = await connection.query<{ id: string; seconds: string }>(
    'select pg_export_snapshot() as id, floor(extract(epoch from transaction_timestamp()))::text as seconds',
  );
  if (!row) throw new OperatorError('DUMP_INCOMPLETE', 'the server exported no snapshot');
  return { id: row.id, time: new Date(Number(row.seconds) * 1_000) };
}
