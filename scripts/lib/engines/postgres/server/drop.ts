import type { DatabaseSource } from '../../../source.ts';
import { type Connection, connect, quoteIdentifier } from './connection.ts';

/**
 * Drops a database of ours, even while others are connected to it, and whatever in it keeps PostgreSQL from doing so: a
 * template flag, or subscriptions that came with the backup.
 */
export async function dropDatabase(
  connection: Connection,
  source: DatabaseSource,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const [row] = await connection.query<{ isTemplate: boolean; isOpen: boolean; subscriptions: string[] }>(
    `select datistemplate as "isTemplate", datallowconn as "isOpen", array(${SUBSCRIPTIONS}) as subscriptions
     from pg_database d where datname = $1`,
    [name],
  );
  if (!row) return;
  const database = quoteIdentifier(name);
  if (row.isTemplate) await connection.query(`alter database ${database} is_template false`);
  if (row.subscriptions.length > 0) {
    if (!row.isOpen) await connection.query(`alter database ${database} allow_connections true`);
    await dropSubscriptions(source, name, row.subscriptions, signal);
  }
  // WITH (FORCE) came with PostgreSQL 13
  if (connection.serverVersionNum >= 130_000) {
    await connection.query(`drop database if exists ${database} with (force)`);
    return;
  }
  await connection.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
  await connection.query(`drop database if exists ${database}`);
}

/** Of the database `d`; every role may read these columns, in whatever database it is. */
const SUBSCRIPTIONS = 'select subname::text from pg_subscription s where s.subdbid = d.oid order by 1';

/** The logical replication subscriptions of a database. */
export async function subscriptionsOf(
  connection: Connection,
  database: string,
): Promise<{ name: string; isEnabled: boolean }[]> {
  return connection.query(
    `select subname::text as name, subenabled as "isEnabled" from pg_subscription
     where subdbid = (select oid from pg_database where datname = $1) order by 1`,
    [database],
  );
}

/** Without their slots, which are their publishers': the live database may be using one of the same name. */
async function dropSubscriptions(
  source: DatabaseSource,
  database: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const inside = await connect(source, database, signal);
  try {
    for (const name of names.map(quoteIdentifier)) {
      await inside.query(`alter subscription ${name} disable`);
      await inside.query(`alter subscription ${name} set (slot_name = none)`);
      await inside.query(`drop subscription ${name}`);
    }
  } finally {
    await inside.close();
  }
}
