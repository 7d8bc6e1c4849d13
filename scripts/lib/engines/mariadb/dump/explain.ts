import { OperatorError } from '../../../errors.ts';
import type { Connection } from '../server/connection.ts';

/** How long the server lets a client take nothing: mariadb-dump has no option to ask for longer. */
export async function readPatience(connection: Connection): Promise<number> {
  const [row] = await connection.query<{ seconds: number }>('select @@global.net_write_timeout as seconds');
  return Number(row?.seconds);
}

/** A storage that is slower than the server is patient looks like a lost connection. */
export function ofSlowReader(error: unknown, patienceSeconds: number): unknown {
  if (
    !(error instanceof OperatorError) ||
    !/Error 2013: Lost connection .*during query when dumping/.test(error.message)
  )
    return error;
  return new OperatorError(error.code, error.message, {
    hint: `Either the server ended the connection (look at its log), or the upload stalled for longer than it waits, ${patienceSeconds} s: SET GLOBAL net_write_timeout = 3600 makes it wait an hour.`,
    cause: error,
  });
}
