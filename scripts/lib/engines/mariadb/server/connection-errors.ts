import { codeOf, messageOf, OperatorError } from '../../../errors.ts';
import { containerHint } from '../../../machine/container.ts';
import { type DatabaseSource, passwordVariable } from '../../../source.ts';
import type { ServerVersion } from './version.ts';

/** What the server said, without the connector's numbers around it. */
export function serverMessage(error: unknown): string {
  const said = (error as { sqlMessage?: unknown } | null)?.sqlMessage;
  return typeof said === 'string' && said !== '' ? said.replace(/\s*\n\s*/g, ' ') : messageOf(error);
}

/** A query that failed. */
export function queryError(source: DatabaseSource, error: unknown): OperatorError {
  return new OperatorError('PROCESS_FAILED', `MariaDB at ${where(source)}: ${serverMessage(error)}`, { cause: error });
}

function where(source: DatabaseSource): string {
  return source.host.startsWith('/') ? source.host : `${source.host}:${source.port}`;
}

/** Of a server of MySQL's. */
export function notMariaDb({ name, variable }: DatabaseSource, { text }: ServerVersion): OperatorError {
  return new OperatorError(
    'SOURCE_CONNECT',
    `source ${name}: the server is MySQL ${text}, not MariaDB: what would be backed up of it could not be restored`,
    {
      hint: `MySQL is not supported: use its own mysqldump or MySQL Shell for it, and remove ${variable} from the configuration.`,
    },
  );
}

/** Why there is no connection, and which variable to look at. */
export function connectError(source: DatabaseSource, error: unknown): OperatorError {
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
      return `The user or the password is wrong, or the user may not connect from here: check ${variable} and ${passwordVariable(variable)}.`;
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
