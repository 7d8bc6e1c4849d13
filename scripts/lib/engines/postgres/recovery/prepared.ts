import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { connect } from '../server/connection.ts';

/**
 * Ends the prepared transactions of a server that is thrown away afterwards: they hold locks for which whoever reads would wait, and
 * nobody is there to commit them. What they have done was not committed, and is in no state of that moment.
 */
export async function endPrepared(place: DatabaseSource, signal: AbortSignal): Promise<void> {
  const inside = await connect(place, 'template1', signal);
  let found: { gid: string; database: string }[];
  try {
    found = await inside.query('select gid, database from pg_catalog.pg_prepared_xacts order by prepared, gid');
  } finally {
    await inside.close();
  }
  for (const database of new Set(found.map((each) => each.database))) {
    const connection = await connect(place, database, signal);
    try {
      for (const { gid } of found.filter((each) => each.database === database))
        await connection.query(`rollback prepared '${gid.replaceAll("'", "''")}'`);
    } finally {
      await connection.close();
    }
  }
  const own = found.filter(({ database }) => database === place.database).map(({ gid }) => gid);
  if (own.length > 0)
    log.warn(
      `transactions that were prepared, and neither committed nor rolled back by then, are not in it: ${own.join(', ')}`,
    );
}
