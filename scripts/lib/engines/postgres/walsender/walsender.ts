import pg from 'pg';
import { OperatorError } from '../../../errors.ts';
import { formatLsn, type Lsn, parseLsn, timelineText } from '../../../log/lsn.ts';
import type { DatabaseSource } from '../../../source.ts';
import { keepTo } from '../../database/address.ts';
import { connectionAttempts, isWorthAnother } from '../../database/attempts.ts';
import { clientOf, cut, end } from '../server/client.ts';
import { connectError, queryError } from '../server/connection-errors.ts';
import { type BaseMessage, type BaseOptions, baseCommand, readBase } from './base-backup.ts';
import { CopyQuery } from './copy-query.ts';

/** The database that our replication sessions are in: never a source, which could not be renamed or dropped meanwhile. */
export const WALSENDER_DATABASE = 'postgres';

/** None of what is asked here takes a server long; one that the network has lost never answers. */
const ANSWER_WITHIN_MS = 60_000;

/** The first version whose BASE_BACKUP sends everything in one stream, and which has READ_REPLICATION_SLOT. */
export const OLDEST_VERSION = 150_000;

export interface ServerIdentity {
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** How far its log is flushed. */
  readonly flushed: Lsn;
}

/** A stream of the log. What comes is to be read with readWalMessage. */
export interface WalStream extends AsyncIterable<Buffer> {
  /** Sends a message of ours; nothing happens when the stream is over. */
  send(message: Buffer): void;
  /** Called with each message as it comes, before it is taken: for what may not wait. */
  onMessage: ((bytes: Buffer) => void) | undefined;
  /** Where the server goes on, when it has ended the stream at the end of a timeline. */
  readonly next: { readonly timeline: number; readonly start: Lsn } | undefined;
}

/**
 * A replication session of a server. It is one of a database, for which a line of pg_hba.conf for `all` databases suffices, where one
 * of none wants a line of its own. Every failure is an OperatorError whose cause has the server's SQLSTATE.
 */
export interface Walsender {
  /** The server's version as a number, 180001 for 18.1. */
  readonly serverVersionNum: number;
  /** The server's process for it. */
  readonly pid: number;
  identify(): Promise<ServerIdentity>;
  /** Rows of SQL, every field as text. */
  query(sql: string): Promise<Record<string, string | null>[]>;
  /** Makes a physical slot which holds the log from now on; a temporary one goes with this session. */
  createSlot(name: string, options?: { temporary?: boolean }): Promise<void>;
  /** Where a slot holds the log; undefined when there is none of this name, or when it has lost its place. */
  readSlot(name: string): Promise<{ lsn: Lsn; timeline: number } | undefined>;
  dropSlot(name: string): Promise<void>;
  /** A timeline's history file, and its name; undefined for the first, which has none. */
  history(timeline: number): Promise<{ name: string; text: string } | undefined>;
  /** Streams the log from a position. Nothing else can be asked until it has ended. */
  stream(of: { slot?: string; start: Lsn; timeline: number }): WalStream;
  /** Takes a base backup; see baseCommand. The socket is paused while nobody takes what has come. */
  baseBackup(options: BaseOptions): AsyncGenerator<BaseMessage>;
  /** Takes leave; never rejects. */
  close(): Promise<void>;
  /** Breaks the connection off. */
  cut(): void;
}

/**
 * Opens a replication session. An aborted signal breaks it off.
 * @throws OperatorError SOURCE_CONNECT saying which variable to look at, SOURCE_VERSION for a server older than 15
 */
export async function openWalsender(source: DatabaseSource, signal: AbortSignal): Promise<Walsender> {
  signal.throwIfAborted();
  let lastError: unknown;
  const attempts = await connectionAttempts(source).catch((error: unknown) => {
    throw error instanceof OperatorError ? error : connectError(source, WALSENDER_DATABASE, error);
  });
  for (const { address, ssl } of attempts) {
    const host = address ?? source.host;
    const client = clientOf(source, WALSENDER_DATABASE, { host, ssl, options: '', replication: 'database' });
    const breakOff = () => cut(client);
    signal.addEventListener('abort', breakOff, { once: true });
    try {
      await client.connect();
      keepTo(source, address);
      return await walsenderOn(client, source, signal);
    } catch (error) {
      await end(client);
      signal.throwIfAborted();
      if (error instanceof OperatorError) throw error;
      lastError = error;
      if (!isWorthAnother(error)) break;
    } finally {
      signal.removeEventListener('abort', breakOff);
    }
  }
  throw connectError(source, WALSENDER_DATABASE, lastError);
}

async function walsenderOn(client: pg.Client, source: DatabaseSource, signal: AbortSignal): Promise<Walsender> {
  const breakOff = () => cut(client);
  signal.addEventListener('abort', breakOff, { once: true });
  const failed = (error: unknown) => {
    signal.throwIfAborted();
    return queryError(source, WALSENDER_DATABASE, error);
  };
  const ask = async (text: string): Promise<Record<string, string | null>[]> => {
    signal.throwIfAborted();
    try {
      // as text: the types of replication commands' results are not those that the driver reads
      const types = { getTypeParser: () => (value: string) => value };
      const { rows } = await client.query({ text, types, query_timeout: ANSWER_WITHIN_MS } as never);
      return rows as Record<string, string | null>[];
    } catch (error) {
      throw failed(error);
    }
  };
  const submit = (text: string) => client.query(new CopyQuery(text));
  const quoted = (name: string) => pg.escapeIdentifier(name);
  const [version] = await ask('SHOW server_version_num');
  const serverVersionNum = Number(version?.server_version_num);
  if (serverVersionNum < OLDEST_VERSION) {
    throw new OperatorError(
      'SOURCE_VERSION',
      `the log of ${source.host}:${source.port} cannot be taken: it is PostgreSQL ${Math.floor(serverVersionNum / 10_000)}`,
      { hint: 'Point in time needs PostgreSQL 15 or newer; dumps work with this one.' },
    );
  }

  return {
    serverVersionNum,
    pid: (client as unknown as { processID: number }).processID,
    query: ask,
    identify: async () => {
      const [row] = await ask('IDENTIFY_SYSTEM');
      const flushed = parseLsn(row?.xlogpos ?? '');
      if (!row?.systemid || flushed === undefined) throw failed(new Error('IDENTIFY_SYSTEM was not answered'));
      return { systemIdentifier: row.systemid, timeline: Number(row.timeline), flushed };
    },
    createSlot: async (name, { temporary } = {}) => {
      await ask(`CREATE_REPLICATION_SLOT ${quoted(name)} ${temporary ? 'TEMPORARY ' : ''}PHYSICAL RESERVE_WAL`);
    },
    readSlot: async (name) => {
      const [row] = await ask(`READ_REPLICATION_SLOT ${quoted(name)}`);
      const lsn = parseLsn(row?.restart_lsn ?? '');
      return lsn === undefined ? undefined : { lsn, timeline: Number(row?.restart_tli) };
    },
    dropSlot: async (name) => {
      await ask(`DROP_REPLICATION_SLOT ${quoted(name)}`);
    },
    history: async (timeline) => {
      if (timeline === 1) return undefined;
      const [row] = await ask(`TIMELINE_HISTORY ${timeline}`);
      return { name: row?.filename ?? `${timelineText(timeline)}.history`, text: row?.content ?? '' };
    },
    stream: ({ slot, start, timeline }) => {
      const of = slot === undefined ? '' : `SLOT ${quoted(slot)} `;
      const query = submit(`START_REPLICATION ${of}PHYSICAL ${formatLsn(start)} TIMELINE ${timeline}`);
      return walStreamOf(query, failed);
    },
    baseBackup: async function* (options) {
      try {
        yield* readBase(submit(baseCommand(options, pg.escapeLiteral)));
      } catch (error) {
        throw error instanceof OperatorError ? error : failed(error);
      }
    },
    close: async () => {
      signal.removeEventListener('abort', breakOff);
      await end(client);
    },
    cut: () => {
      signal.removeEventListener('abort', breakOff);
      cut(client);
    },
  };
}

function walStreamOf(query: CopyQuery, failed: (error: unknown) => unknown): WalStream {
  let next: WalStream['next'];
  return {
    send: (message) => query.send(message),
    get onMessage() {
      return query.onMessage;
    },
    set onMessage(listener) {
      query.onMessage = listener;
    },
    get next() {
      return next;
    },
    async *[Symbol.asyncIterator]() {
      try {
        for await (const answer of query) {
          if (answer.kind === 'data') yield answer.bytes;
          else {
            const { next_tli: timeline, next_tli_startpos: start } = answer.fields;
            const lsn = parseLsn(start ?? '');
            if (timeline != null && lsn !== undefined) next = { timeline: Number(timeline), start: lsn };
          }
        }
      } catch (error) {
        throw error instanceof OperatorError ? error : failed(error);
      }
    },
  };
}
