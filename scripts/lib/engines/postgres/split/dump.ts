import { fileURLToPath } from 'node:url';
import { OperatorError } from '../../../errors.ts';
import { bash } from '../../../pipeline/bash.ts';
import type { Stage } from '../../../pipeline/chain.ts';
import { inLargeWrites } from '../../../pipeline/large-writes.ts';
import { formatBytes } from '../../../quantities.ts';
import type { Contents } from '../../../repository/manifest.ts';
import { LAST_PART } from '../../../repository/object-key.ts';
import type { DatabaseSource } from '../../../source.ts';
import type { DumpStream } from '../../dumping.ts';
import { assertComplete } from '../server/completion.ts';
import { type Connection, conninfo, libpqEnvironment, quoteIdentifier } from '../server/connection.ts';
import { countLargeObjects } from '../server/contents.ts';
import { DUMP_METER } from '../server/passed.ts';
import { pgDumpStage } from '../server/pg-dump.ts';
import { type Program, programFor } from '../server/programs.ts';
import { PROGRAM_HINTS, programWords } from '../server/server-says.ts';
import { copyScript } from './copy-script.ts';
import { dealOut, loadedLast, type Piece } from './pieces.ts';
import type { TableToDump } from './tables.ts';

const INPUT_FROM_3 = fileURLToPath(new URL('./input-from-3.sh', import.meta.url));

export const FIRST_PART = '0000-pre-data';

/** What the name of a part ends in that is to be loaded by itself, when all other rows are there. */
export const CHECKED = 'checked-data';

/**
 * How long a stream waits for a table. The session that holds the tables lets nobody alter one: a session that waits to do so
 * waits for the dump, the dump for him, and the application for both.
 */
const QUEUE_WAIT_MS = 10_000;

/** Less than that per stream takes no longer by one stream than by two: each has to be begun. */
const WORTH_A_STREAM_BYTES = 64 * 1024 * 1024;

/** How many streams to write at a time, and with BACKUP_JOBS=auto, why that many. */
export function folderJobs(source: DatabaseSource, tables: readonly TableToDump[]): { jobs: number; chosen?: string } {
  if (!source.jobsBySize) return { jobs: source.jobs };
  const totalBytes = tables.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const jobs = Math.max(1, Math.min(source.jobs, Math.ceil(totalBytes / WORTH_A_STREAM_BYTES)));
  const what = `${formatBytes(totalBytes)} of tables, at most ${source.jobs} on this machine`;
  return { jobs, chosen: `${jobs} ${jobs === 1 ? 'job' : 'jobs'}: ${what}` };
}

/** What a folder's streams are made from. */
export interface FolderDump {
  readonly source: DatabaseSource;
  /** In the transaction that exported the snapshot, in which every table is held. */
  readonly connection: Connection;
  readonly snapshotId: string;
  readonly tables: readonly TableToDump[];
  /** As they stood when the snapshot had been taken: what stands in the dump. */
  readonly sequences: Contents['sequences'];
  /** Those that extensions mark as configuration, likewise. */
  readonly extensionSequences: Contents['sequences'];
  readonly encoding: string;
  readonly databaseBytes: number;
  readonly pgDump: Program;
  /** What is left out: see Omission. */
  readonly omission: { readonly options: readonly string[]; readonly emptiedTables: readonly string[] } | undefined;
}

/** A stream of rows, and of which tables. */
type DataStream = DumpStream & {
  readonly pieces: readonly Piece[];
  /** How many rows of each have passed. */
  readonly counts: readonly number[];
};

/** The streams of a folder: definitions, large objects, rows in several streams, and what is built upon them. */
export async function folderStreams(dump: FolderDump): Promise<{ streams: DumpStream[]; contents: () => Contents }> {
  const { source, connection, tables, sequences, extensionSequences: others, encoding, snapshotId, omission } = dump;
  const psql = await programFor('psql', connection.serverVersionNum);
  const largeObjects = await countLargeObjects(connection);
  const growth = source.compression.method === 'none' ? 2 : 1;

  const unread = source.holdsNoTables ? await sequencesUnread(connection) : [];
  const streams: DumpStream[] = [sectionStream(dump, FIRST_PART, ['--section=pre-data', ...unread])];
  const nextPart = (what: string) => `${String(streams.length).padStart(4, '0')}-${what}`;
  if (largeObjects > 0) {
    const part = nextPart('large-objects');
    // at most what is not tables; they are written in hexadecimal
    const tableBytes = tables.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const expectedBytes = Math.max(0, dump.databaseBytes - tableBytes) * 2;
    streams.push(sectionStream(dump, part, ['--section=data', '--exclude-table-data=*.*'], expectedBytes));
  }
  const dealt = dealOut(tables, source.jobs);
  if (dealt.length === 0 && sequences.length + others.length > 0) dealt.push([]);
  const last = loadedLast(tables);
  if (last.length > 0) dealt.push(last);
  for (const [index, pieces] of dealt.entries()) {
    const counts: number[] = [];
    const hasSequences = index === 0 && sequences.length + others.length > 0;
    const script = copyScript({
      snapshotId,
      pieces,
      sequences: index === 0 ? [...sequences, ...others] : [],
      encoding,
      serverVersionNum: connection.serverVersionNum,
      lockTimeoutMs: Math.min(source.lockTimeoutMs, QUEUE_WAIT_MS),
    });
    const stream: DataStream = {
      part: nextPart(pieces === last ? CHECKED : 'data'),
      expectedBytes: pieces.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) * growth,
      stage: copyStage(source, psql, script, encoding),
      meter: { path: DUMP_METER, onLine: (line) => takeCount(line, counts) },
      verifyEnd: assertComplete,
      tables: hasSequences ? undefined : [...new Set(pieces.map(({ table }) => countedAs(table)))],
      pieces,
      counts,
    };
    streams.push(stream);
  }
  // a restore reads these statements as text, whatever the encoding of the rows is; some encodings have no way to UTF-8
  const asText = ['SQL_ASCII', 'MULE_INTERNAL'].includes(encoding) ? [] : ['--encoding=UTF8'];
  streams.push(sectionStream(dump, LAST_PART, ['--section=post-data', ...unread, ...asText]));
  return {
    streams,
    contents: () => ({ tables: countRows(tables, streams, omission?.emptiedTables), sequences, largeObjects }),
  };
}

/**
 * What keeps pg_dump from reading, and locking, each sequence for parts that its place does not stand in. Materialized views
 * are not to be among it: that they are to be refreshed counts as their data.
 */
async function sequencesUnread(connection: Connection): Promise<string[]> {
  const rows = await connection.query<{ schema: string; sequence: string | null }>(
    `select n.nspname as schema, s.relname as sequence from pg_namespace n
       left join pg_class s on s.relnamespace = n.oid and s.relkind = 'S'
         and exists (select from pg_class m where m.relnamespace = n.oid and m.relkind = 'm')
     where n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
       and (s.oid is not null or not exists (select from pg_class m where m.relnamespace = n.oid and m.relkind = 'm'))`,
  );
  const all = rows.every(({ sequence }) => sequence === null);
  const [any] = await connection.query<{ views: boolean }>(
    "select exists (select from pg_class where relkind = 'm') as views",
  );
  if (all && any?.views === false) return ['--exclude-table-data=*.*'];
  return rows.map(
    ({ schema, sequence }) =>
      `--exclude-table-data=${quoteIdentifier(schema)}.${sequence === null ? '*' : quoteIdentifier(sequence)}`,
  );
}

/** A part of the dump that pg_dump writes. Large ones are large objects alone. */
function sectionStream(
  { source, snapshotId, pgDump, encoding, omission }: FolderDump,
  part: string,
  args: readonly string[],
  expectedBytes = 0,
): DumpStream {
  return {
    part,
    expectedBytes,
    stage: pgDumpStage(source, pgDump, snapshotId, [
      `--encoding=${encoding}`,
      '--format=plain',
      ...args,
      ...(omission?.options ?? []),
    ]),
    verifyEnd: assertComplete,
  };
}

/** psql reads its script from a descriptor: there may be megabytes of it, and nobody types its password. */
function copyStage(source: DatabaseSource, psql: Program, script: string, encoding: string): Stage {
  const program = inLargeWrites(psql.path, [
    '--no-psqlrc',
    `--dbname=${conninfo(source.database, psql.major)}`,
    '--no-password',
    '--quiet',
    '--variable=ON_ERROR_STOP=1',
    '--echo-errors',
  ]);
  return {
    name: 'psql',
    ...bash(INPUT_FROM_3, [program.command, ...program.args]),
    env: { ...libpqEnvironment(source, source.database), PGCLIENTENCODING: encoding },
    files: [script],
    hints: [
      [
        /lock timeout/i,
        'Another session is waiting to alter that table, and the application behind it: both can proceed now. Run the backup again when it has finished.',
      ],
      ...PROGRAM_HINTS,
    ],
    words: programWords,
  };
}

/** @returns whether the line was the meter's, which reports a count for each piece in turn */
function takeCount(line: string, counts: number[]): boolean {
  const rows = /^ROWS (\d+) /.exec(line)?.[1];
  if (rows !== undefined) counts.push(Number(rows));
  return rows !== undefined || line.startsWith('SETVAL ');
}

/** The rows that were written of each table. */
function countRows(
  tables: readonly TableToDump[],
  streams: readonly DumpStream[],
  emptied: readonly string[] = [],
): Contents['tables'] {
  const users = tables.filter(({ condition }) => condition === null);
  const rows = new Map<string, number>([
    ...emptied.map((name) => [name, 0] as const),
    ...users.map((table) => [countedAs(table), 0] as const),
  ]);
  for (const { part, pieces, counts } of streams.filter(isData)) {
    if (counts.length !== pieces.length) {
      throw new OperatorError(
        'DUMP_INCOMPLETE',
        `${part} has rows of ${counts.length} tables, not of ${pieces.length}`,
        { hint: 'Nothing of it is used. This should not happen: please report it.' },
      );
    }
    for (const [index, { table }] of pieces.entries()) {
      const before = rows.get(countedAs(table));
      if (before !== undefined) rows.set(countedAs(table), before + (counts[index] ?? 0));
    }
  }
  return [...rows].map(([table, count]) => ({ table, rows: count }));
}

/** What its rows belong to once they are restored. */
const countedAs = ({ name, via }: TableToDump) => via?.name ?? name;

function isData(stream: DumpStream): stream is DataStream {
  return 'pieces' in stream;
}
