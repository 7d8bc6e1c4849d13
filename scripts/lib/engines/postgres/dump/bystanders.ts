import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, OperatorError } from '../../../errors.ts';
import { formatDuration } from '../../../quantities.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import type { DumpSession } from '../../dumping.ts';
import { APPLICATION_NAME } from '../server/client.ts';
import { type Connection, connect } from '../server/connection.ts';
import { SourceAltered } from '../server/source-altered.ts';

const LOOKED_EVERY_MS = 5_000;
/** Whether the dump waits for itself: most often as it begins, when several sessions take the same locks. */
const CLOSE_LOOK_MS = 100;
const LOOKED_CLOSELY_MS = 15_000;
const FAR_LOOK_MS = 1_000;

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
 * A session of ours that waits behind somebody who, himself or through others, waits for the one that holds this dump's
 * tables: none of them would ever go on. No deadlock for the server, for the holder waits for nothing that it knows of.
 */
const CIRCLE = `
  with recursive behind (pid, blocker) as (
    select a.pid, b from pg_stat_activity a, unnest(pg_blocking_pids(a.pid)) b
    where a.datname = current_database() and a.application_name = $1 and a.pid <> $2 and a.wait_event_type = 'Lock'
      and b <> $2
    union select pid, b from behind, unnest(pg_blocking_pids(blocker)) b where blocker <> $2)
  select l.relation::regclass::text as table from behind join pg_locks l on l.pid = behind.pid and not l.granted
  where blocker = $2 limit 1`;

/** Looks after those who would wait for a dump. */
export interface Bystanders {
  /** The session, whose dump is given up where others wait for it for too long. */
  mind(session: FixedSession): DumpSession;
  close(): Promise<void>;
}

/** A dump about to be taken, and the server process that holds what it is taken of. */
export interface FixedSession extends DumpSession {
  readonly holder: number;
  /** Lets go of all that it holds for the dump; never rejects. */
  letGo(): Promise<void>;
}

/**
 * Connects before the dump begins, for nothing should take time between its snapshot and its locks. A dump is given up
 * once somebody has waited for a table that it holds for longer than BLOCKING_TIMEOUT: it only reads, but who wants to
 * alter a table has to wait for its readers, and whatever comes after him, the application too, waits behind him. It is
 * given up at once where it waits for itself.
 */
export async function lookAfterBystanders(source: DatabaseSource, signal: AbortSignal): Promise<Bystanders> {
  const done = new AbortController();
  const either = AbortSignal.any([signal, done.signal]);
  const connection = await connect(source, source.database, either);
  let watching: Promise<void> = Promise.resolve();
  const close = async () => {
    done.abort();
    await watching.catch(() => {});
    await connection.close();
  };
  const mind = (session: FixedSession): DumpSession => {
    watching = watch(connection, source, session, either);
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
        await close();
        await session.close();
      },
    };
  };
  return { mind, close };
}

/** Resolves when the signal aborts; rejects when somebody has waited for too long. */
async function watch(
  connection: Connection,
  source: DatabaseSource,
  { holder, letGo }: FixedSession,
  signal: AbortSignal,
): Promise<void> {
  const limitMs = source.blockingTimeoutMs;
  const everyMs = Math.min(LOOKED_EVERY_MS, Math.max(100, limitMs / 4));
  const since = new Map<number, number>();
  const beganMs = performance.now();
  let lookedMs = 0;
  while (!signal.aborted) {
    const nowMs = performance.now();
    const [circle] = await look<{ table: string }>(connection, signal, CIRCLE, [APPLICATION_NAME, holder]);
    if (circle) {
      // before anything else: to end what is under way takes time
      await letGo();
      throw inCircle(circle.table);
    }
    if (nowMs - lookedMs >= everyMs) {
      lookedMs = nowMs;
      const waiting = await look<Waiting & Record<string, unknown>>(connection, signal, WAITING, [APPLICATION_NAME]);
      for (const pid of since.keys()) if (!waiting.some((one) => one.pid === pid)) since.delete(pid);
      for (const one of waiting) {
        const firstMs = since.get(one.pid) ?? nowMs;
        since.set(one.pid, firstMs);
        if (nowMs - firstMs >= limitMs) throw blocked(one, limitMs);
      }
    }
    const pauseMs = nowMs - beganMs < LOOKED_CLOSELY_MS ? CLOSE_LOOK_MS : FAR_LOOK_MS;
    await sleep(Math.min(pauseMs, everyMs), undefined, { signal }).catch(() => {});
  }
}

/** Nobody, when it cannot be seen: the watch is there for others, and must not be what fails the backup. */
async function look<Row extends Record<string, unknown>>(
  connection: Connection,
  signal: AbortSignal,
  sql: string,
  parameters: unknown[],
): Promise<Row[]> {
  try {
    return await connection.query<Row>(sql, parameters);
  } catch (error) {
    if (!signal.aborted) log.warn(`sessions that wait for this backup cannot be seen: ${messageOf(error)}`);
    return [];
  }
}

function inCircle(table: string): SourceAltered {
  return new SourceAltered('SOURCE_BUSY', `given up, because somebody wants to alter ${table} while it is dumped`, {
    hint: 'Run the backup again when that has ended. With BACKUP_FORMAT=sql one session reads it all, and waits for nobody.',
  });
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
