import { type Connection as Client, createConnection } from 'mariadb';
import { codeOf, messageOf, OperatorError } from '../../../errors.ts';
import { containerHint } from '../../../machine/container.ts';
import type { DatabaseSource } from '../../../source.ts';
import { keepTo } from '../../database/address.ts';
import { connectionAttempts, isWorthAnother } from '../../database/attempts.ts';
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
  readonly server: ServerVersion;
  /** What its sessions are given by the server, before ours are told otherwise. */
  readonly variables: Variables;
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
      keepTo(source, address);
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
  return {
    query,
    firstRows,
    server,
    variables,
    nameCase:
      variables.get('lower_case_table_names') === '1' ? 1 : variables.get('lower_case_table_names') === '2' ? 2 : 0,
    isEncrypted,
    follow: (other) => {
      followed.removeEventListener('abort', destroy);
      followed = other;
      followed.addEventListener('abort', destroy, { once: true });
    },
    id: row?.id ?? 0,
    close: async () => {
      followed.removeEventListener('abort', destroy);
      const timer = setTimeout(() => client.destroy(), CLOSE_TIMEOUT_MS);
      await client.end().catch(() => client.destroy());
      clearTimeout(timer);
    },
  };
}

/** What the server said, without the connector's numbers around it. */
export function serverMessage(error: unknown): string {
  const said = (error as { sqlMessage?: unknown } | null)?.sqlMessage;
  return typeof said === 'string' && said !== '' ? said.replace(/\s*\n\s*/g, ' ') : messageOf(error);
}

/** The server's name for the failure of a query, such as ER_LOCK_WAIT_TIMEOUT. */
export function errorName(error: unknown): string | undefined {
  return error instanceof OperatorError ? codeOf(error.cause) : codeOf(error);
}

function queryError(source: DatabaseSource, error: unknown): OperatorError {
  return new OperatorError('PROCESS_FAILED', `MariaDB at ${where(source)}: ${serverMessage(error)}`, { cause: error });
}

function where(source: DatabaseSource): string {
  return source.host.startsWith('/') ? source.host : `${source.host}:${source.port}`;
}

function notMariaDb({ name, variable }: DatabaseSource, { text }: ServerVersion): OperatorError {
  return new OperatorError(
    'SOURCE_CONNECT',
    `source ${name}: the server is MySQL ${text}, not MariaDB: what would be backed up of it could not be restored`,
    {
      hint: `MySQL is not supported: use its own mysqldump or MySQL Shell for it, and remove ${variable} from the configuration.`,
    },
  );
}

function connectError(source: DatabaseSource, error: unknown): OperatorError {
  if (error instanceof OperatorError) return error;
  return new OperatorError(
    'SOURCE_CONNECT',
    `source ${source.name}: cannot connect to MariaDB at ${where(source)} as ${source.user}: ${serverMessage(error)}`,
    { hint: connectHint(source, error), cause: error },
  );
}

function connectHint(source: DatabaseSource, error: unknown): string {
  const { host, variable } = source;
  const code = String(codeOf((error as Error).cause) ?? codeOf(error));
  // a server that has answered is the one that is meant
  const hasAnswered = /^ER_(?!CONNECTION_TIMEOUT|SOCKET)/.test(code);
  const inContainer = hasAnswered ? undefined : containerHint(host, 'the database', variable);
  return [hintOf(source, error), inContainer].filter((hint) => hint !== undefined).join(' ');
}

function hintOf({ variable }: DatabaseSource, error: unknown): string {
  const { cause, message } = error as Error;
  switch (codeOf(cause) ?? codeOf(error)) {
    case 'ER_ACCESS_DENIED_ERROR':
    case 'ER_ACCESS_DENIED_NO_PASSWORD_ERROR':
      return `The user or the password is wrong, or the user may not connect from here: check ${variable} and ${variable}_PASSWORD.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The host name is unknown here: check ${variable}, and that both containers share a network.`;
    case 'ECONNREFUSED':
    case 'ENOENT':
      return `Nothing listens there: is the server running? Check ${variable}.`;
    case 'ER_CON_COUNT_ERROR':
      return 'The server has no connection left: raise max_connections or end idle clients.';
    default:
      // the connector wraps what the socket said
      if (/ENOTFOUND|EAI_AGAIN/.test(message)) return `The host name is unknown here: check ${variable}.`;
      if (/ECONNREFUSED|ENOENT/.test(message))
        return `Nothing listens there: is the server running? Check ${variable}.`;
      return `Check ${variable}, and that the server is reachable from here.`;
  }
}

/** Quotes an identifier for SQL. */
export const quoteIdentifier = (name: string): string => `\`${name.replaceAll('`', '``')}\``;

/** Quotes a literal for SQL that takes no parameters; for sessions whose sql_mode lets backslashes escape. */
export const quoteLiteral = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
