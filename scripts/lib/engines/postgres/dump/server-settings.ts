import type { Connection } from '../server/connection.ts';

/** By which data is read and made, as a session has them that sets nothing; none of them is ever a secret. */
const READING = ['default_text_search_config', 'TimeZone', 'DateStyle', 'IntervalStyle', 'lc_time', 'lc_numeric'];

/** Without which a server like it may not be able to hold the database. */
const HOLDING = [
  'max_locks_per_transaction',
  'max_connections',
  'max_prepared_transactions',
  'shared_preload_libraries',
  'session_preload_libraries',
];

/** Columns of the type money, or of a domain over it. */
const HAS_MONEY = `
  select exists (
    select from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_type t on t.oid = a.atttypid
    where c.relkind in ('r', 'p', 'm') and a.attnum > 0 and not a.attisdropped
      and array[t.oid, t.typbasetype, t.typelem] && array['money'::regtype::oid]) as has`;

/** What a restore elsewhere has to know of the server and database that a session is in. */
export async function readServerSettings(connection: Connection): Promise<Record<string, string>> {
  const [money] = await connection.query<{ has: boolean }>(HAS_MONEY);
  const rows = await connection.query<{ name: string; value: string | null }>(
    'select name, reset_val as value from pg_settings where name = any($1) order by 1',
    [[...READING, ...HOLDING, ...(money?.has ? ['lc_monetary'] : [])]],
  );
  return Object.fromEntries(rows.flatMap(({ name, value }) => (value ? [[name, value]] : [])));
}
