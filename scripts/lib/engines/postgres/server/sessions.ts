import type { DatabaseSource } from '../../../source.ts';
import { type Connection, connect } from './connection.ts';

/** Several sessions in one database that share work. */
export interface Sessions {
  /** Does each piece of work in whichever session is free, the first ones first. Ends all sessions when one fails. */
  each<T>(items: readonly T[], work: (connection: Connection, item: T) => Promise<void>): Promise<void>;
  /** Does the same in every session at the same time. Ends all sessions when one fails. */
  together(work: (connection: Connection) => Promise<void>): Promise<void>;
  readonly first: Connection;
  readonly count: number;
  close(): Promise<void>;
}

/**
 * Connects that many times. A session that fails in `each` breaks the others off: what they do is worth nothing then.
 * @param settings statements that each session runs first
 */
export async function openSessions(
  source: DatabaseSource,
  database: string,
  { count, settings, signal: outer }: { count: number; settings: readonly string[]; signal: AbortSignal },
): Promise<Sessions> {
  const failed = new AbortController();
  const signal = AbortSignal.any([outer, failed.signal]);
  const connections: Connection[] = [];
  const close = async () => {
    await Promise.all(connections.map((connection) => connection.close()));
  };
  const together = async (work: (connection: Connection) => Promise<void>) => {
    const workers = connections.map(work);
    for (const one of workers) one.catch((error) => failed.abort(error));
    await Promise.allSettled(workers);
    signal.throwIfAborted();
  };
  try {
    for (let i = 0; i < count; i += 1) {
      const connection = await connect(source, database, signal);
      connections.push(connection);
      if (settings.length > 0) await connection.query(settings.join(';\n'));
    }
  } catch (error) {
    await close();
    throw error;
  }
  const [first] = connections;
  if (!first) throw new Error('no session was asked for');
  return {
    first,
    count,
    close,
    together,
    async each(items, work) {
      const waiting = items.values();
      await together(async (connection) => {
        for (const item of waiting) await work(connection, item);
      });
    },
  };
}

/** Whether nobody has counted this role's sessions, or this database's: where they are few, the dump needs them. */
export async function hasSessionsLeft(connection: Connection): Promise<boolean> {
  const [row] = await connection.query<{ unlimited: boolean }>(
    `select (select rolconnlimit from pg_roles where rolname = session_user) = -1
       and (select datconnlimit from pg_database where datname = current_database()) = -1 as unlimited`,
  );
  return row?.unlimited === true;
}
