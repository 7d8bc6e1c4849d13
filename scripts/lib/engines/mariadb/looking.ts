import { createConnection, type FieldInfo } from 'mariadb';
import { OperatorError } from '../../errors.ts';
import type { DatabaseSource } from '../../source.ts';
import type { Answer, Looking } from '../looking.ts';
import { breakOff } from './server/connection.ts';
import { serverMessage } from './server/connection-errors.ts';
import { programFor } from './server/programs.ts';

/** See Engine.looking. */
export const looking: Looking = { client, ask };

async function client(place: DatabaseSource, sql?: string) {
  const program = await programFor('mariadb');
  return {
    name: 'mariadb',
    command: program.path,
    args: [
      '--no-defaults',
      '--protocol=socket',
      // the folder of the server on the command line: whoever ends the server finds its client by it
      `--socket=${place.host}`,
      `--user=${place.user}`,
      '--default-character-set=utf8mb4',
      '--binary-as-hex',
      '--skip-ssl',
      `--database=${place.database}`,
      ...(sql === undefined
        ? ['--prompt=look \\d> ', '--silent', '--table']
        : ['--table', '--show-warnings', `--execute=${sql}`]),
    ],
    env: { MYSQL_HISTFILE: '/dev/null' },
  };
}

const NUMBERS = new Set(['TINY', 'SHORT', 'INT', 'BIGINT', 'INT24', 'YEAR', 'FLOAT', 'DOUBLE']);
const STRINGS = new Set([
  'VAR_STRING',
  'STRING',
  'VARCHAR',
  'BLOB',
  'TINY_BLOB',
  'MEDIUM_BLOB',
  'LONG_BLOB',
  'GEOMETRY',
]);
/** The collation that bytes have. */
const BINARY = 63;

/** Bytes as hexadecimal, as the client writes them with --binary-as-hex; all else as the server does. */
function asText(field: FieldInfo): string | null {
  const isBytes = (STRINGS.has(field.type) && field.collation.index === BINARY) || field.type === 'BIT';
  if (!isBytes) return field.string();
  const bytes = field.buffer();
  return bytes === null ? null : `0x${bytes.toString('hex').toUpperCase()}`;
}

async function ask(place: DatabaseSource, sql: string, signal: AbortSignal): Promise<Answer> {
  signal.throwIfAborted();
  const session = await createConnection({
    socketPath: place.host,
    user: place.user,
    database: place.database,
    charset: 'utf8mb4',
    rowsAsArray: true,
    metaAsArray: true,
    logParam: false,
    typeCast: asText,
  });
  session.on('error', () => {});
  const stream = session.queryStream(sql);
  stream.on('error', () => {});
  const cut = () => {
    breakOff(session);
    // whatever the connector makes of that
    stream.destroy(signal.reason instanceof Error ? signal.reason : new Error('ended'));
  };
  const leave = () => {
    signal.removeEventListener('abort', cut);
    breakOff(session);
  };
  if (signal.aborted) cut();
  else signal.addEventListener('abort', cut, { once: true });
  const answers: FieldInfo[][] = [];
  stream.on('fields', (fields: FieldInfo[]) => {
    answers.push(fields);
    if (answers.length > 1) stream.destroy(new Error(SEVERAL_ANSWERS));
  });
  const items = stream[Symbol.asyncIterator]() as AsyncIterator<Streamed>;
  try {
    const first = await items.next();
    // told before the first row; of a statement without an answer there are none
    const columns = answers[0] ?? [];
    return {
      columns: columns.map((field) => ({
        name: field.name(),
        kind: NUMBERS.has(field.type) ? ('number' as const) : ('text' as const),
      })),
      rows: rowsOf(items, first, { signal, leave }),
    };
  } catch (error) {
    leave();
    signal.throwIfAborted();
    throw failed(error);
  }
}

const SEVERAL_ANSWERS =
  'it gives more than one answer, of which a document has one: ask for each, or without --json and --csv';

type Row = (string | null)[];
/** The connector also puts into the stream what the server says of a statement, or of the end of a procedure: how many rows it changed. */
type Streamed = Row | { readonly affectedRows: number };

async function* rowsOf(
  items: AsyncIterator<Streamed>,
  first: IteratorResult<Streamed>,
  { signal, leave }: { signal: AbortSignal; leave(): void },
): AsyncGenerator<Row> {
  try {
    for (let item = first; !item.done; item = await items.next()) if (Array.isArray(item.value)) yield item.value;
  } catch (error) {
    signal.throwIfAborted();
    throw failed(error);
  } finally {
    leave();
  }
}

function failed(error: unknown): OperatorError {
  return new OperatorError('QUERY_FAILED', `the query failed: ${serverMessage(error)}`, { cause: error });
}
