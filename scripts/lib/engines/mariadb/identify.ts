import type { DatabaseSource } from '../../source.ts';
import type { ServerIdentity } from '../engine.ts';
import { connect } from './server/connection.ts';

/**
 * See Engine.identify. What MariaDB has no number for is told by where its data lies: two servers have never the same host,
 * port and folder.
 */
export async function identify(source: DatabaseSource, signal: AbortSignal): Promise<ServerIdentity> {
  const connection = await connect(source, signal);
  try {
    const [row] = await connection.query<{ id: string }>(
      "select concat_ws(' ', @@hostname, @@port, @@server_id, @@datadir) as id",
    );
    return { id: row?.id, version: connection.server.text };
  } finally {
    await connection.close();
  }
}
