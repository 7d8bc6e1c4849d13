import type pg from 'pg';
import { codeOf, messageOf } from '../../../errors.ts';

/** The limit by which a server ends a statement or a session, by its SQLSTATE; a server that tells of one has it. */
const LIMITS: Readonly<Record<string, string>> = {
  57014: 'statement_timeout',
  '55P03': 'lock_timeout',
  '57P05': 'idle_session_timeout',
  '25P03': 'idle_in_transaction_session_timeout',
  '25P04': 'transaction_timeout',
};
/** The version that brought idle_session_timeout. */
const ENDS_IDLE_SESSIONS = 14;

/** What ends a session, watched from before it is connected. */
export interface WatchedSession {
  /** The option by which another session starts without the limit that has ended this one; undefined when it was none. */
  withoutLimit(error: unknown): string | undefined;
}

const stateOf = (error: unknown) => [codeOf(error), codeOf((error as Error | undefined)?.cause)];

/**
 * A limit of a moment (`ALTER DATABASE … SET idle_session_timeout = '1ms'`) ends a session before it can set anything. The
 * server's word on that is lost when it is written to meanwhile.
 */
export function watchSession(client: pg.Client): WatchedSession {
  let said: unknown;
  let major = 0;
  client.on('error', (error) => {
    said ??= error;
  });
  const { connection } = client as unknown as { connection: NodeJS.EventEmitter };
  connection.on('parameterStatus', ({ parameterName, parameterValue }: Record<string, string>) => {
    if (parameterName === 'server_version') major = Number.parseInt(parameterValue ?? '', 10);
  });
  const isLost = (error: unknown) =>
    stateOf(error).some((state) => state === 'EPIPE' || state === 'ECONNRESET') ||
    /terminated|not queryable/.test(messageOf(error));
  return {
    withoutLimit: (error) => {
      const [limit] = [said, error].flatMap(stateOf).flatMap((state) => LIMITS[state ?? ''] ?? []);
      // a server that has told its version has let the session in
      if (limit === undefined && major >= ENDS_IDLE_SESSIONS && isLost(error)) return asOption('idle_session_timeout');
      return limit && asOption(limit);
    },
  };
}

const asOption = (limit: string) => `-c ${limit}=0`;

/** Of these options those that set limits off, each once. */
export function limitsIn(options: string): string {
  return [...new Set(options.match(/-c \w+_timeout=0(?= |$)/g))].join(' ');
}
