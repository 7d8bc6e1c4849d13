import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, OperatorError } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import type { Role } from '../../database/beside-names.ts';
import { type Connection, quoteIdentifier, sqlState } from '../server/connection.ts';
import { connectBeside } from '../server/databases.ts';
import { mark } from '../server/marks.ts';
import { resumeWork } from './workers.ts';

const TERMINATE_EVERY_MS = 100;

// background workers too, which come back by themselves; autovacuum makes way by itself, and is no role's. What kind of session
// another role's is may be hidden from this one, but not that it is a role's
const IS_IN_THE_WAY = "usesysid is not null and backend_type is distinct from 'autovacuum worker'";

/**
 * Puts the database `next` in place of `live`, which is kept as `kept`, in one transaction: a new connection finds
 * the one or the other, whole. Open connections are told of in the log, then ended; new ones wait for the moment that
 * the renaming takes.
 *
 * PostgreSQL's RENAME locks out new sessions first and then gives the others five seconds to leave; ending those
 * from a second session meanwhile means that no client, however quick to come back, can get in between.
 */
export async function swapDatabases(
  connection: Connection,
  source: DatabaseSource,
  names: {
    live: string;
    liveExists: boolean;
    kept: string;
    role: 'previous' | 'undone';
    next: string;
    /** What the one that is put in place is then, where it is not live. */
    as?: { role: Role; live: string } | undefined;
  },
  signal: AbortSignal,
): Promise<void> {
  const { live, liveExists, kept, next } = names;
  const [self] = await connection.query<{ pid: number }>('select pg_backend_pid() as pid');
  let isCommitting = false;
  if (liveExists) await tellOfConnections(connection, live);
  const ending = new AbortController();
  const helper = await connectBeside(source, signal);
  const terminating = terminateConnections(helper, [live, next], ending.signal);
  const letIn = async () => {
    ending.abort();
    await terminating;
  };
  try {
    await connection.query('begin');
    await connection.query("set local lock_timeout = '60s'");
    if (liveExists) {
      await connection.query(`alter database ${quoteIdentifier(live)} rename to ${quoteIdentifier(kept)}`);
      await mark(connection, kept, { role: names.role, live });
    }
    await connection.query(`alter database ${quoteIdentifier(next)} rename to ${quoteIdentifier(live)}`);
    await mark(connection, live, names.as);
    signal.throwIfAborted();
    isCommitting = true;
    await connection.query('commit');
  } catch (error) {
    await connection.query('rollback').catch(() => {});
    // the answer may be all that was lost
    if (isCommitting && (await hasSwapped(source, next, self?.pid ?? 0, error))) return;
    // our own session among them
    await letIn();
    // what kept workers out of it for the renaming is not taken back with that
    if (liveExists) await resumeWork(helper, source, live);
    throw await explain(helper, live, error);
  } finally {
    await letIn();
    await helper.close();
  }
}

const LOOK_ATTEMPTS = 50;
const LOOK_EVERY_MS = 200;

/**
 * Whether a swap whose commit was not answered has happened, asked over a new connection once the old session is gone.
 * @throws OperatorError when nobody can tell
 */
async function hasSwapped(source: DatabaseSource, next: string, pid: number, cause: unknown): Promise<boolean> {
  try {
    const look = await connectBeside(source, AbortSignal.timeout(LOOK_ATTEMPTS * LOOK_EVERY_MS));
    try {
      await look.query('select pg_terminate_backend($1)', [pid]);
      for (let attempt = 0; attempt < LOOK_ATTEMPTS; attempt += 1) {
        const rows = await look.query('select from pg_stat_activity where pid = $1', [pid]);
        // what is being put in place has its own name for as long as it is not
        if (rows.length === 0)
          return (await look.query('select from pg_database where datname = $1', [next])).length === 0;
        await sleep(LOOK_EVERY_MS);
      }
    } finally {
      await look.close();
    }
  } catch {
    // told below
  }
  throw new OperatorError(
    'RESTORE_FAILED',
    `the server did not answer to the swap of ${source.database}: whether it is done is not known (${messageOf(cause)})`,
    {
      hint: `Once the server answers: while the database ${next} is there, the live database is as it was; else it is the restored one.`,
      cause,
    },
  );
}

interface ClientRow {
  readonly who: string;
  readonly n: string;
}

async function clientsOf(connection: Connection, database: string): Promise<string[]> {
  const rows = await connection
    .query<ClientRow>(
      `select format('%s%s%s', usename, case when application_name <> '' then ' (' || application_name || ')' end,
           case when backend_type <> 'client backend' then ', ' || backend_type end) as who,
         count(*)::text as n
       from pg_stat_activity where datname = $1 and ${IS_IN_THE_WAY} group by 1 order by 1`,
      [database],
    )
    .catch(() => []);
  return rows.map(({ who, n }) => `${n} × ${who}`);
}

async function tellOfConnections(connection: Connection, database: string): Promise<void> {
  const clients = await clientsOf(connection, database);
  if (clients.length > 0) log.warn(`ending the connections to ${database}: ${clients.join(', ')}`);
}

/** Ends every session of the databases, again and again until told to stop. */
async function terminateConnections(helper: Connection, databases: string[], until: AbortSignal): Promise<void> {
  while (!until.aborted) {
    // a session that may not be ended makes the renaming fail, which is then explained
    const rows = await helper
      .query<{ pid: number }>(`select pid from pg_stat_activity where datname = any($1) and ${IS_IN_THE_WAY}`, [
        databases,
      ])
      .catch(() => []);
    // one by one: the first that this role may not end would be the last that is tried
    for (const { pid } of rows) await helper.query('select pg_terminate_backend($1)', [pid]).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, TERMINATE_EVERY_MS));
  }
}

async function explain(helper: Connection, live: string, error: unknown): Promise<unknown> {
  if (sqlState(error) !== '55006') return error;
  const clients = await clientsOf(helper, live);
  return new OperatorError(
    'RESTORE_REFUSED',
    `${live} could not be swapped: it is in use by ${clients.join(', ') || 'others'}`,
    {
      hint: 'Stop these clients, or give the restoring user the role pg_signal_backend, and restore again. The live database is as it was.',
      cause: error,
    },
  );
}
