import pg from 'pg';
import Cursor from 'pg-cursor';
import { codeOf, OperatorError } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { addressKept } from '../../database/address.ts';
import { connectionAttempts, isWorthAnother, keepToAttempt } from '../../database/attempts.ts';
import { APPLICATION_NAME, clientOf, cut, end, endWith, KEEPALIVE_IDLE_SECONDS } from './client.ts';
import { connectError, queryError } from './connection-errors.ts';
import { assertOwnSession } from './own-session.ts';
import { limitsIn, watchSession } from './session-limits.ts';
import { type Session, settleSession } from './session-settings.ts';

const KEEPALIVES = `keepalives_idle=${KEEPALIVE_IDLE_SECONDS} keepalives_interval=15 keepalives_count=4 tcp_user_timeout=90000`;

/** A connection to one database. Every failure is an OperatorError that names the source. */
export interface Connection {
  query<Row extends pg.QueryResultRow>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  /** The first rows of one statement; a text of several is an error. The last thing that a connection is used for. */
  firstRows(sql: string, count: number): Promise<Record<string, unknown>[]>;
  /** Closes the connection; never rejects. */
  close(): Promise<void>;
  /** Whether `leave` is open: the server is spoken to itself, and not through a pooler or a socket's file. */
  readonly mayLeave: boolean;
  /** Closes the connection with a last statement, which the server runs to its end with nobody waiting for it. */
  leave(statement: string): Promise<void>;
  /** The server's version as a number, 180001 for 18.1. */
  readonly serverVersionNum: number;
  readonly isSuperuser: boolean;
  /** The server's process for it. */
  readonly pid: number;
}

/** What sessions have told of the databases that they were in, by which programs that follow them are set. */
const toldOf = new Map<string, Session>();
const placeOf = ({ host, port, user }: DatabaseSource, database: string) =>
  JSON.stringify([host, port, user, database]);

/** What libpq programs are told about the server, all of it through their environment. */
export function libpqEnvironment(source: DatabaseSource, database: string): Record<string, string> {
  const options = toldOf.get(placeOf(source, database))?.options ?? '';
  const address = addressKept(source);
  return {
    // only where something is set otherwise: there are poolers that let no options pass
    ...(options === '' ? {} : { PGOPTIONS: options }),
    PGHOST: source.host,
    // the very server that our sessions are connected to; certificates are compared with the name all the same
    ...(address === undefined ? {} : { PGHOSTADDR: address }),
    PGPORT: String(source.port),
    PGUSER: source.user,
    PGDATABASE: database,
    PGAPPNAME: APPLICATION_NAME,
    // libpq takes 1 for 2
    PGCONNECT_TIMEOUT: String(Math.max(2, Math.ceil(source.connectTimeoutMs / 1_000))),
    PGSSLMODE: source.sslMode,
    ...(source.sslRootCert === undefined ? {} : { PGSSLROOTCERT: source.sslRootCert }),
    ...(source.sslCert === undefined ? {} : { PGSSLCERT: source.sslCert }),
    ...(source.sslKey === undefined ? {} : { PGSSLKEY: source.sslKey }),
    ...(source.password === undefined ? {} : { PGPASSWORD: source.password }),
  };
}

/**
 * A database as libpq programs take it where the environment has no say: how a dead peer is noticed. Holds no secret,
 * for it stands on a command line.
 */
export function conninfo(database: string, clientMajor: number): string {
  const name = `dbname='${database.replace(/['\\]/g, '\\$&')}'`;
  // tcp_user_timeout came with libpq 12
  return clientMajor >= 12 ? `${name} ${KEEPALIVES}` : name;
}

/**
 * Connects to a database of the source's server, with the settings that ours rely on: see session-settings.ts. An aborted signal breaks the connection off, and with it whatever
 * the server is doing for it.
 *
 * @throws OperatorError SOURCE_CONNECT saying which variable to look at
 */
export async function connect(source: DatabaseSource, database: string, signal: AbortSignal): Promise<Connection> {
  const known = [
    leavesOutLogins.has(placeOf(source, '')) ? WITHOUT_LOGIN_TRIGGERS : '',
    limitsOff.get(placeOf(source, database)) ?? '',
  ];
  return connectWith(source, database, signal, known.filter(Boolean).join(' '));
}

/** Known from an earlier session of the run: it may leave out what a database does at a login, and knows how. */
const mayPassLogins = new Set<string>();
/** Of these those that no pooler stands before, which might take no options: nothing that a database does at a login is set off. */
const leavesOutLogins = new Set<string>();
const WITHOUT_LOGIN_TRIGGERS = '-c event_triggers=off';

/**
 * Limits that a server, a database or a role has, as options that a session starts without them by: one of a moment ends a session
 * before it can set anything. Known from an earlier session of the run, that no pooler stood before or that was let pass with them.
 */
const limitsOff = new Map<string, string>();

async function connectWith(
  source: DatabaseSource,
  database: string,
  signal: AbortSignal,
  options: string,
): Promise<Connection> {
  signal.throwIfAborted();
  let lastError: unknown;
  let without: string | undefined;
  const attempts = await connectionAttempts(source).catch((error: unknown) => {
    throw error instanceof OperatorError ? error : connectError(source, database, error);
  });
  for (const { address, ssl } of attempts) {
    const newClient = () => clientOf(source, database, { host: address ?? source.host, ssl, options });
    const client = newClient();
    const breakOff = () => cut(client);
    const watched = watchSession(client);
    signal.addEventListener('abort', breakOff, { once: true });
    try {
      await client.connect();
      keepToAttempt(source, { address, ssl });
      const another = async () => {
        const second = newClient();
        await second.connect();
        return second;
      };
      const pid = await assertOwnSession(client, JSON.stringify([address ?? source.host, source.port]), another);
      return await wrap(client, source, database, { pid, signal, options });
    } catch (error) {
      await end(client);
      signal.throwIfAborted();
      without = watched.withoutLimit(error);
      lastError = error;
      // nobody there, or nobody who speaks TLS: the next one may do
      if (!isWorthAnother(error)) break;
    } finally {
      signal.removeEventListener('abort', breakOff);
    }
  }
  // raised by a function that the database runs at a login
  const isRefusedAtLogin = codeOf(lastError)?.startsWith('P0') === true;
  if (isRefusedAtLogin && !options.includes(WITHOUT_LOGIN_TRIGGERS) && mayPassLogins.has(placeOf(source, '')))
    return connectWith(source, database, signal, [options, WITHOUT_LOGIN_TRIGGERS].filter(Boolean).join(' '));
  if (without !== undefined && !options.includes(without))
    return connectWith(source, database, signal, [options, without].filter(Boolean).join(' ')).catch(() => {
      signal.throwIfAborted();
      // a pooler that takes no options has no better word
      throw connectError(source, database, lastError);
    });
  throw connectError(source, database, lastError);
}

async function wrap(
  client: pg.Client,
  source: DatabaseSource,
  database: string,
  { pid, signal, options }: { pid: number; signal: AbortSignal; options: string },
): Promise<Connection> {
  let lost: unknown;
  // a server that goes away is reported to the query under way, or to the next one
  client.on('error', (error) => {
    lost ??= error;
  });
  const destroy = () => {
    // end() would wait for the query under way; the socket does not
    cut(client);
    void client.end().catch(() => {});
  };
  signal.addEventListener('abort', destroy, { once: true });
  const query = async <Row extends pg.QueryResultRow>(sql: string, parameters?: unknown[]): Promise<Row[]> => {
    signal.throwIfAborted();
    if (lost) throw queryError(source, database, lost);
    try {
      const result = await client.query<Row>(sql, parameters);
      // several statements in one text give several results; none of the callers wants those rows
      return Array.isArray(result) ? [] : result.rows;
    } catch (error) {
      signal.throwIfAborted();
      throw queryError(source, database, error);
    }
  };
  let session: Session;
  try {
    session = await settleSession(client);
  } catch (error) {
    signal.throwIfAborted();
    throw queryError(source, database, error);
  }
  const isDirect = pid === (client as unknown as { processID?: number | null }).processID;
  if (session.isSuperuser && session.serverVersionNum >= 170_000) {
    mayPassLogins.add(placeOf(source, ''));
    if (isDirect) leavesOutLogins.add(placeOf(source, ''));
  }
  const limits = limitsIn(`${options} ${session.options}`);
  if (isDirect || options !== '') limitsOff.set(placeOf(source, database), limits);
  toldOf.set(placeOf(source, database), { ...session, options: [session.options, options].filter(Boolean).join(' ') });
  const firstRows = async (sql: string, count: number): Promise<Record<string, unknown>[]> => {
    signal.throwIfAborted();
    // not closed afterwards: that would wait for an answer of a server that may be gone
    const cursor = client.query(new Cursor<Record<string, unknown>>(sql));
    try {
      return await cursor.read(count);
    } catch (error) {
      signal.throwIfAborted();
      throw queryError(source, database, error);
    }
  };
  return {
    query,
    firstRows,
    serverVersionNum: session.serverVersionNum,
    isSuperuser: session.isSuperuser,
    pid,
    // a pooler ends the server's session with the client's; a socket's file reports a reader that is gone, and the server logs it
    mayLeave: isDirect && !source.host.startsWith('/'),
    close: async () => {
      signal.removeEventListener('abort', destroy);
      await end(client);
    },
    leave: async (statement) => {
      signal.removeEventListener('abort', destroy);
      await endWith(client, statement);
    },
  };
}

/** The SQLSTATE of a failed query, for callers that can do something about it. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof OperatorError ? codeOf(error.cause) : codeOf(error);
}

/** Quotes an identifier for SQL. */
export const quoteIdentifier = (name: string): string => pg.escapeIdentifier(name);
/** Quotes a literal for SQL, for statements that take no parameters. */
export const quoteLiteral = (text: string): string => pg.escapeLiteral(text);
