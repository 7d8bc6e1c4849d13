import { type Connection as Client, createConnection } from 'mariadb';
import { codeOf, OperatorError } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { connectionAttempts, isWorthAnother, keepToAttempt } from '../../database/attempts.ts';
import { connectError, notMariaDb, queryError } from './connection-errors.ts';
import { assignments, settingsFor, VARIABLES_QUERY, type Variables } from './session.ts';
import { parseVersion, type ServerVersion } from './version.ts';

/** A server that is gone does not say goodbye. */
const CLOSE_TIMEOUT_MS = 2_000;
const KEEPALIVE_IDLE_MS = 30_000;

type Row = Record<string, unknown>;

/** A connection to a server, in no database of it. Every failure is an OperatorError that names the source. */
export interface Connection {
  query<R extends object = Row>(sql: string, parameters?: readonly unknown[]): Promise<R[]>;
  /** The first rows of one statement; a text of several is an error. */
  firstRows(sql: string, count: number): Promise<Row[]>;
  /** From here on this signal breaks the connection off, and not the one that it was made with. */
  follow(other: AbortSignal): void;
  /** Closes the connection; never rejects. */
  close(): Promise<void>;
  /** Whether `leave` is open: the server is spoken to itself, and not through a proxy or a socket's file, and takes any number of sessions. */
  readonly mayLeave: boolean;
  /** Closes the connection with a last statement, which the server runs to its end with nobody waiting for it. */
  leave(statement: string): Promise<void>;
  readonly server: ServerVersion;
  /** What its sessions are given by the server, before ours are told otherwise. */
  readonly variables: Variables;
  /** The storage engine that this user may make tables in alone: enforce_storage_engine, where it may not set that otherwise. */
  readonly enforcedEngine: string | undefined;
  /** lower_case_table_names: 0, names differ in case; 1, they are stored in lower case; 2, as they were written. */
  readonly nameCase: 0 | 1 | 2;
  /** Whether the connection is encrypted: the client programs then have to do the same. */
  readonly isEncrypted: boolean;
  /** The server's id of this connection. */
  readonly id: number;
}

/**
 * Connects to the source's server. An aborted signal breaks the connection off, and with it whatever the server is
 * doing for it.
 *
 * @param database makes this the connection's database
 * @throws OperatorError SOURCE_CONNECT saying which variable to look at
 */
export async function connect(source: DatabaseSource, signal: AbortSignal, database?: string): Promise<Connection> {
  signal.throwIfAborted();
  let lastError: unknown;
  const attempts = await connectionAttempts(source).catch((error: unknown) => {
    throw connectError(source, error);
  });
  for (const { address, ssl } of attempts) {
    try {
      const client = await createConnection({
        ...(source.host.startsWith('/')
          ? { socketPath: source.host }
          : { host: address ?? source.host, port: source.port }),
        user: source.user,
        ...(source.password === undefined ? {} : { password: source.password }),
        ...(database === undefined ? {} : { database }),
        ssl,
        charset: 'utf8mb4',
        connectTimeout: source.connectTimeoutMs,
        keepAliveDelay: KEEPALIVE_IDLE_MS,
        bigIntAsNumber: true,
        insertIdAsNumber: true,
        dateStrings: true,
        logParam: false,
      });
      keepToAttempt(source, { address, ssl });
      return await wrap(client, source, ssl !== false, signal);
    } catch (error) {
      signal.throwIfAborted();
      lastError = error;
      if (!isWorthAnother(error)) break;
    }
  }
  throw connectError(source, lastError);
}

let mindsKillSessions = false;

/**
 * Breaks a connection off, whatever it waits for. The connector then ends the server's side of it over a session of its own,
 * and leaves alone what becomes of that one: of a server that is stopped at the same time, nobody is to hear.
 */
export function breakOff(client: Client): void {
  if (!mindsKillSessions) {
    mindsKillSessions = true;
    process.on('unhandledRejection', (error) => {
      if (error instanceof Error && 'sqlState' in error && (error as { fatal?: unknown }).fatal === true) return;
      throw error;
    });
  }
  client.destroy();
}

async function wrap(
  client: Client,
  source: DatabaseSource,
  isEncrypted: boolean,
  signal: AbortSignal,
): Promise<Connection> {
  let lost: unknown;
  client.on('error', (error) => {
    lost ??= error;
  });
  let followed = signal;
  const throwIfAborted = () => followed.throwIfAborted();
  const destroy = () => breakOff(client);
  signal.addEventListener('abort', destroy, { once: true });
  const query = async <R extends object = Row>(sql: string, parameters?: readonly unknown[]): Promise<R[]> => {
    throwIfAborted();
    if (lost) throw queryError(source, lost);
    try {
      const result: unknown = await client.query(sql, parameters && [...parameters]);
      return Array.isArray(result) ? (result as R[]) : [];
    } catch (error) {
      throwIfAborted();
      throw queryError(source, error);
    }
  };
  const firstRows = async (sql: string, count: number): Promise<Row[]> => {
    throwIfAborted();
    const rows: Row[] = [];
    const stream = client.queryStream(sql);
    try {
      for await (const row of stream as AsyncIterable<Row>) {
        rows.push(row);
        if (rows.length === count) break;
      }
      return rows;
    } catch (error) {
      throwIfAborted();
      throw queryError(source, error);
    }
  };
  // before anything that takes time: some servers let a statement run for no longer than that takes them under load
  await query('set session max_statement_time = 0').catch(() => {});
  const [row] = await query<{ version: string; id: number; most: string }>(
    'select version() as version, connection_id() as id, cast(@@sql_select_limit as char) as most',
  );
  const server = parseVersion(row?.version ?? '');
  if (!server.isMariaDb) {
    client.destroy();
    throw notMariaDb(source, server);
  }
  // what limits rows limits the list of variables too
  await query('set session sql_select_limit = 18446744073709551615');
  const shown = await query<{ Variable_name: string; Value: string }>(VARIABLES_QUERY);
  const variables = new Map(shown.map(({ Variable_name: name, Value: value }) => [name.toLowerCase(), value]));
  variables.set('sql_select_limit', row?.most ?? '');
  await query(settingsFor(variables)).catch(async (error) => {
    if (!/ACCESS_DENIED|PRIVILEGE/.test(errorName(error) ?? '')) throw error;
    for (const one of assignments(variables)) await query(`set ${one}`).catch(() => {});
  });
  const mayMake = await query('set session enforce_storage_engine = NULL').then(
    () => true,
    () => false,
  );
  const enforcedEngine = mayMake ? undefined : variables.get('enforce_storage_engine') || undefined;
  if (enforcedEngine !== undefined) variables.set('enforce_storage_engine', '');
  return {
    query,
    firstRows,
    server,
    variables,
    enforcedEngine,
    nameCase:
      variables.get('lower_case_table_names') === '1' ? 1 : variables.get('lower_case_table_names') === '2' ? 2 : 0,
    isEncrypted,
    follow: (other) => {
      followed.removeEventListener('abort', destroy);
      followed = other;
      followed.addEventListener('abort', destroy, { once: true });
    },
    id: row?.id ?? 0,
    mayLeave:
      Number(client.threadId) === row?.id &&
      !source.host.startsWith('/') &&
      variables.get('max_user_connections') === '0',
    leave: async (statement) => {
      followed.removeEventListener('abort', destroy);
      // commands are sent without waiting for the answers to those before them: both are on their way when this returns
      client.query(statement).catch(() => {});
      await client.end().catch(() => {});
    },
    close: async () => {
      followed.removeEventListener('abort', destroy);
      const timer = setTimeout(() => client.destroy(), CLOSE_TIMEOUT_MS);
      await client.end().catch(() => client.destroy());
      clearTimeout(timer);
    },
  };
}

/** The server's name for the failure of a query, such as ER_LOCK_WAIT_TIMEOUT. */
export function errorName(error: unknown): string | undefined {
  return error instanceof OperatorError ? codeOf(error.cause) : codeOf(error);
}

/** Quotes an identifier for SQL. */
export const quoteIdentifier = (name: string): string => `\`${name.replaceAll('`', '``')}\``;

/** Quotes a literal for SQL that takes no parameters; for sessions whose sql_mode lets backslashes escape. */
export const quoteLiteral = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
