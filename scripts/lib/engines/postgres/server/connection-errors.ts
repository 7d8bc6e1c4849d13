import pg from 'pg';
import { codeOf, messageOf, OperatorError } from '../../../errors.ts';
import { containerHint } from '../../../machine/container.ts';
import { type DatabaseSource, passwordVariable } from '../../../source.ts';
import { nextStepFor, serverWords } from './server-says.ts';

/** The error of a query that failed. */
export function queryError(source: DatabaseSource, database: string, error: unknown): OperatorError {
  const isDenied = codeOf(error) === '42501';
  return new OperatorError('PROCESS_FAILED', `PostgreSQL at ${where(source, database)}: ${serverWords(error)}`, {
    hint: isDenied
      ? `${source.user} may not read all of it: GRANT pg_read_all_data TO ${pg.escapeIdentifier(source.user)} (PostgreSQL 14 and newer), or back up as the owner.`
      : (nextStepFor(error) ?? ''),
    cause: error,
  });
}

function where(source: DatabaseSource, database: string): string {
  return `${source.host}:${source.port}, database ${JSON.stringify(database)}`;
}

/** The variable that holds a part of the source, for hints. */
function variableOf(source: DatabaseSource, part: 'HOST' | 'PORT' | 'DB' | 'USER' | 'PASSWORD'): string {
  if (source.variable === 'POSTGRES_DB') return `POSTGRES_${part}`;
  return part === 'PASSWORD' ? passwordVariable(source.variable) : source.variable;
}

function variablesOf(source: DatabaseSource): string {
  return [...new Set([variableOf(source, 'HOST'), variableOf(source, 'PORT')])].join(' and ');
}

/** The error of a connection that could not be made, with the variable to look at. */
export function connectError(source: DatabaseSource, database: string, error: unknown): OperatorError {
  // one of our own says what to do itself
  const hint = error instanceof OperatorError && error.hint !== '' ? error.hint : connectHint(source, database, error);
  return new OperatorError(
    'SOURCE_CONNECT',
    `source ${source.name}: cannot connect to PostgreSQL at ${where(source, database)} as ${source.user}: ${isPasswordMissing(error) ? 'the server asks for a password, and none is set' : serverWords(error)}`,
    { hint, cause: error },
  );
}

/** Told by the driver in words about its own arguments. */
function isPasswordMissing(error: unknown): boolean {
  return /client password must be/.test(messageOf(error));
}

/** The server has said nothing: every answer of its own has a code of five characters. */
function isUnanswered(error: unknown): boolean {
  return !/^[0-9A-Z]{5}$/.test(String(codeOf(error) ?? ''));
}

function connectHint(source: DatabaseSource, database: string, error: unknown): string {
  if (isPasswordMissing(error)) return `Set ${variableOf(source, 'PASSWORD')}.`;
  const inContainer = isUnanswered(error)
    ? containerHint(source.host, 'the database', variableOf(source, 'HOST'))
    : undefined;
  return [hintOf(source, database, error), inContainer].filter((hint) => hint !== undefined).join(' ');
}

function hintOf(source: DatabaseSource, database: string, error: unknown): string {
  switch (codeOf(error)) {
    case '28P01':
      return `The user or the password is wrong: check ${variableOf(source, 'USER')} and ${variableOf(source, 'PASSWORD')}. (POSTGRES_PASSWORD in .env does not change the password of a database that exists already.)`;
    case 'P0001':
      return 'A function that the database runs at a login (an event trigger ON login) refuses this session: let it pass application_name compose-db-backup and databases of other names, or work as a superuser, whose sessions leave it out (event_triggers = off).';
    case '28000':
      return `The server refuses this user from here: check ${variableOf(source, 'USER')} and the server's pg_hba.conf.`;
    case '42501':
      return `This user may not enter the database: GRANT CONNECT ON DATABASE ${pg.escapeIdentifier(database)} TO ${pg.escapeIdentifier(source.user)}.`;
    case '3D000':
      return `There is no such database on this server: check ${variableOf(source, 'DB')}.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The host name is unknown here: check ${variableOf(source, 'HOST')}, and that both containers share a network.`;
    case 'ECONNREFUSED':
    case 'ENOENT':
      return `Nothing listens there: is the server running? Check ${variablesOf(source)}.`;
    default:
      return nextStepFor(error) ?? `Check ${variablesOf(source)}, and that the server is reachable from here.`;
  }
}
