import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, OperatorError } from '../../../errors.ts';
import { formatDuration } from '../../../quantities.ts';
import type { SourceConfig } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import type { DumpSession } from '../../engine.ts';
import { APPLICATION_NAME, type Connection, connect } from '../server/connection.ts';

const LOOKED_EVERY_MS = 5_000;

/** Sessions that want a table for themselves and wait for one of ours to let go of it. */
const WAITING = `
  select l.pid, l.relation::regclass::text as table, left(coalesce(a.query, ''), 200) as statement
  from pg_locks l left join pg_stat_activity a on a.pid = l.pid
  where not l.granted and l.locktype = 'relation' and l.mode = 'AccessExclusiveLock'
    and l.database = (select oid from pg_database where datname = current_database())
    and pg_blocking_pids(l.pid) && array(
      select pid from pg_stat_activity where datname = current_database() and application_name = $1)`;

interface Waiting {
  readonly pid: number;
  readonly table: string;
  readonly statement: string;
}

/**
 * The session, whose dump is given up once somebody has waited for a table that it holds for longer than
 * BLOCKING_TIMEOUT: a dump only reads, but who wants to alter a table has to wait for its readers, and whoever comes after
 * him, the application too, waits behind him.
 */
export async function mindBystanders(
  session: DumpSession,
  source: SourceConfig,
  signal: AbortSignal,
): Promise<DumpSession> {
  const done = new AbortController();
  const either = AbortSignal.any([signal, done.signal]);
  const connection = await connect(source, source.database, either);
  const watching = watch(connection, source, either).finally(() => connection.close());
  const waitedTooLong = new Promise<never>((_, reject) => watching.catch(reject));
  waitedTooLong.catch(() => {});
  return {
    ...session,
    contents: (dumpEnded) => {
      // what it is waited for is the dump: once that has ended nobody waits for it any more
      void dumpEnded.then(
        () => done.abort(),
        () => done.abort(),
      );
      return Promise.race([session.contents(dumpEnded), waitedTooLong]);
    },
    close: async () => {
      done.abort();
      await watching.catch(() => {});
      await session.close();
    },
  };
}

/** Resolves when the signal aborts; rejects when somebody has waited for too long. */
async function watch(connection: Connection, source: SourceConfig, signal: AbortSignal): Promise<void> {
  const limitMs = source.blockingTimeoutMs;
  const everyMs = Math.min(LOOKED_EVERY_MS, Math.max(100, limitMs / 4));
  const since = new Map<number, number>();
  while (!signal.aborted) {
    const waiting = await look(connection, signal);
    const nowMs = performance.now();
    for (const pid of since.keys()) if (!waiting.some((one) => one.pid === pid)) since.delete(pid);
    for (const one of waiting) {
      const firstMs = since.get(one.pid) ?? nowMs;
      since.set(one.pid, firstMs);
      if (nowMs - firstMs >= limitMs) throw blocked(one, limitMs);
    }
    await sleep(everyMs, undefined, { signal }).catch(() => {});
  }
}

/** Nobody, when it cannot be seen: the watch is there for others, and must not be what fails the backup. */
async function look(connection: Connection, signal: AbortSignal): Promise<Waiting[]> {
  try {
    return await connection.query<Waiting & Record<string, unknown>>(WAITING, [APPLICATION_NAME]);
  } catch (error) {
    if (!signal.aborted) log.warn(`sessions that wait for this backup cannot be seen: ${messageOf(error)}`);
    return [];
  }
}

function blocked({ pid, table, statement }: Waiting, limitMs: number): OperatorError {
  const what = statement === '' ? '' : ` (${statement.replaceAll(/\s+/g, ' ')})`;
  return new OperatorError(
    'SOURCE_BUSY',
    `cancelled, because session ${pid} has waited for ${table} for ${formatDuration(limitMs)}${what}, and the application behind it`,
    {
      hint: 'That session can proceed now. Run the backup again when it has finished. BLOCKING_TIMEOUT sets how long other sessions may wait.',
    },
  );
}
