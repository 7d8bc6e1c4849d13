import type pg from 'pg';
import { messageOf, OperatorError } from '../../../errors.ts';

/** How often two sessions are looked at side by side: one that is everybody's may be the same by chance. */
const ROUNDS = 6;

const WHICH = 'select pg_catalog.pg_backend_pid() as pid';

/** The server process that answers; no transaction is left behind. */
async function pidOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>(WHICH);
  return Number(rows[0]?.pid);
}

/** The places that are known to give each session a server process of its own. */
const known = new Set<string>();

/**
 * Makes sure that a new session is one server process's from its beginning to its end, before anything is set in it: a
 * pooler that shares processes out by transaction (PgBouncer, pgcat, Odyssey, Supavisor and others) would hand our settings
 * and locks on to the application. A server tells its process's number when it is connected to, a pooler tells one of its own;
 * where the two differ, a second session shows whether processes are shared. Behind one that shares none we may go on.
 *
 * @param place what names the server and the way to it
 * @param another connects once more
 * @returns the server process
 * @throws OperatorError SOURCE_CONNECT naming the pooler
 */
export async function assertOwnSession(
  client: pg.Client,
  place: string,
  another: () => Promise<pg.Client>,
): Promise<number> {
  const pid = await pidOf(client);
  const { processID } = client as unknown as { processID?: number | null };
  if (pid === processID || known.has(place)) return pid;
  const other = await another();
  try {
    await compare(client, other, pid);
  } catch (error) {
    throw error instanceof OperatorError ? error : shared(error);
  } finally {
    await other.end().catch(() => {});
  }
  known.add(place);
  return pid;
}

/** Both ask by turns, one of them within a transaction, which keeps its process from the other. */
async function compare(client: pg.Client, other: pg.Client, pid: number): Promise<void> {
  let pids: [number, number | undefined] = [pid, undefined];
  for (let round = 0; round < ROUNDS; round += 1) {
    const [holder, asking] = round % 2 === 0 ? [other, client] : [client, other];
    // as soon as it is known, for a pool of a single process would keep the other waiting
    await holder.query('begin');
    try {
      pids = seen(pids, holder === client, await pidOf(holder));
      pids = seen(pids, asking === client, await pidOf(asking));
      pids = seen(pids, asking === client, await pidOf(asking));
    } finally {
      await holder.query('rollback');
    }
  }
}

function seen(
  [first, second]: [number, number | undefined],
  isFirst: boolean,
  pid: number,
): [number, number | undefined] {
  const before = isFirst ? first : second;
  const others = isFirst ? second : first;
  if ((before !== undefined && before !== pid) || others === pid) throw shared();
  return isFirst ? [pid, second] : [first, pid];
}

function shared(cause?: unknown): OperatorError {
  const said = cause === undefined ? '' : `: ${messageOf(cause)}`;
  return new OperatorError(
    'SOURCE_CONNECT',
    `this is a connection pooler in transaction mode (PgBouncer or the like), not the server itself${said}`,
    {
      hint: 'A backup needs sessions of its own: name the server itself, or a port of the pooler in session mode.',
      cause,
    },
  );
}
