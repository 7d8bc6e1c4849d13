import type pg from 'pg';
import Cursor from 'pg-cursor';
import { messageOf, OperatorError } from '../../errors.ts';
import type { DatabaseSource } from '../../source.ts';
import { connectionAttempts } from '../database/attempts.ts';
import type { Answer, Looking } from '../looking.ts';
import { clientOf, cut, end } from './server/client.ts';
import { libpqEnvironment } from './server/connection.ts';
import { findPrograms, programFor } from './server/programs.ts';

const ROWS_AT_A_TIME = 1_000;

/** How JSON has what is of these types (pg_type.oid); of numbers it may not have all digits, so numeric stays text. */
const KINDS: Readonly<Record<number, Answer['columns'][number]['kind']>> = {
  16: 'boolean',
  20: 'number',
  21: 'number',
  23: 'number',
  26: 'number',
  114: 'json',
  700: 'number',
  701: 'number',
  3802: 'json',
};

/** See Engine.looking. */
export const looking: Looking = { client, ask };

async function client(place: DatabaseSource, sql?: string) {
  const [newest] = await findPrograms('psql');
  const program = newest ?? (await programFor('psql', 180_000));
  // the settings of our own sessions are not his who looks
  const { PGOPTIONS: _, ...access } = libpqEnvironment(place, place.database);
  const database = `dbname='${place.database.replace(/['\\]/g, '\\$&')}'`;
  return {
    name: 'psql',
    command: program.path,
    args: [
      '--no-psqlrc',
      // the folder of the server on the command line: whoever ends the server finds its client by it
      `--host=${place.host}`,
      `--port=${place.port}`,
      `--username=${place.user}`,
      `--dbname=${database}`,
      ...(sql === undefined
        ? ['--quiet', '--set=PROMPT1=look %/%R%x%# ', '--set=PROMPT2=look %/%R%x%# ', '--set=HISTFILE=/dev/null']
        : ['--set=ON_ERROR_STOP=1', `--command=${sql}`]),
    ],
    env: { ...access, PGAPPNAME: 'look', PSQL_HISTORY: '/dev/null' },
  };
}

async function ask(place: DatabaseSource, sql: string, signal: AbortSignal): Promise<Answer> {
  // the way by which it was filled
  const [way] = await connectionAttempts(place);
  const at = { host: way?.address ?? place.host, ssl: way?.ssl ?? false, options: '' } as const;
  const session = clientOf(place, place.database, at);
  const breakOff = () => cut(session);
  const leave = async () => {
    signal.removeEventListener('abort', breakOff);
    await end(session);
  };
  signal.addEventListener('abort', breakOff, { once: true });
  try {
    await session.connect();
    // as the server writes them: every type is read as its text
    const types = { getTypeParser: () => (value: string) => value };
    const cursor = session.query(new Cursor<(string | null)[]>(sql, [], { rowMode: 'array', types }));
    const refusal = refuseCopy(cursor, session);
    const first = await Promise.race([read(cursor), refusal]);
    return {
      columns: first.fields.map(({ name, dataTypeID }) => ({ name, kind: KINDS[dataTypeID] ?? 'text' })),
      rows: rowsOf(cursor, first.rows, { signal, leave }),
    };
  } catch (error) {
    await leave();
    signal.throwIfAborted();
    throw failed(error);
  }
}

async function* rowsOf(
  cursor: Cursor<(string | null)[]>,
  first: (string | null)[][],
  { signal, leave }: { signal: AbortSignal; leave(): Promise<void> },
): AsyncGenerator<(string | null)[]> {
  try {
    for (let { rows } = { rows: first }; rows.length > 0; { rows } = await read(cursor)) yield* rows;
  } catch (error) {
    signal.throwIfAborted();
    throw failed(error);
  } finally {
    await leave();
  }
}

function read(cursor: Cursor<(string | null)[]>): Promise<{ rows: (string | null)[][]; fields: pg.FieldDef[] }> {
  return new Promise((resolve, reject) => {
    cursor.read(ROWS_AT_A_TIME, (error, rows, result) => {
      if (error) reject(error);
      else resolve({ rows, fields: result?.fields ?? [] });
    });
  });
}

/** COPY answers past the rows of a cursor, which does not know it. @returns what fails once a statement copies */
function refuseCopy(cursor: object, session: pg.Client): Promise<never> {
  const refused = new Promise<never>((_, reject) => {
    const refuse = () => {
      cut(session);
      reject(new Error('COPY gives no rows: ask with SELECT, or without --json and --csv'));
    };
    Object.assign(cursor, { handleCopyInResponse: refuse, handleCopyData: refuse });
  });
  refused.catch(() => {});
  return refused;
}

function failed(error: unknown): OperatorError {
  const { detail, hint, position } = error as { detail?: string; hint?: string; position?: string };
  const at = position === undefined ? '' : ` (at character ${position})`;
  return new OperatorError('QUERY_FAILED', `the query failed: ${messageOf(error)}${at}`, {
    hint: [detail, hint].filter((text) => text !== undefined).join(' '),
    cause: error,
  });
}
