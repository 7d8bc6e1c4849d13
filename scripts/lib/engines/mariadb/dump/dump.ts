import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { OperatorError } from '../../../errors.ts';
import type { Stage } from '../../../pipeline/chain.ts';
import type { StageResult } from '../../../pipeline/result.ts';
import type { Contents } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import type { DumpSession } from '../../engine.ts';
import { secondPassed } from '../../second-passed.ts';
import { clientEnvironment } from '../server/client.ts';
import { type Connection, connect } from '../server/connection.ts';
import { countCode, displayName, readSequences } from '../server/contents.ts';
import { asStored } from '../server/databases.ts';
import { readFacts } from '../server/facts.ts';
import { HISTORY_OPTION, readVersioned, whyWithoutHistory } from '../server/history.ts';
import { takeLock } from '../server/locks.ts';
import { isOlder, type Program, programFor } from '../server/programs.ts';
import { putBackLeft } from '../server/raised.ts';
import { asRead, type Reading, readingOf } from '../server/relay.ts';
import { seriesOf } from '../server/version.ts';
import { assertNotHalfSwapped } from '../swap/journal.ts';
import { assertComplete } from './completion.ts';
import { readGlobals } from './globals.ts';
import { notRestorable, packetWarning } from './not-restorable.ts';
import { readOutline } from './outline.ts';
import { assertSeesEverything, warnOfWhatIsLost } from './sight.ts';

const COUNTER = fileURLToPath(new URL('./counted-dump.pl', import.meta.url));
const NAME = 'mariadb-dump';

/** Locks the source and looks at what is about to be dumped. */
export async function beginDump(given: DatabaseSource, signal: AbortSignal, putAside?: string): Promise<DumpSession> {
  const connection = await connect(given, signal);
  let folder: string | undefined;
  const close = async () => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    await connection.close();
  };
  try {
    await putBackLeft(connection);
    const source = await asStored(connection, given);
    const dumped = putAside === undefined ? source : { ...source, database: putAside };
    await assertExists(connection, dumped);
    await takeLock(connection, { purpose: 'backup', source, waits: putAside !== undefined });
    await assertNotHalfSwapped(connection, source);
    folder = countsFolder(source);
    const program = await programFor(NAME);
    warnOfOtherVersion(program, connection);
    await assertSeesEverything(connection, dumped);
    await warnOfWhatIsLost(connection, dumped);
    const read = await readFacts(connection, dumped.database, program);
    const versioned = await readVersioned(connection, dumped.database);
    const why = whyWithoutHistory(connection, program, versioned);
    const options = dumpOptions(versioned.all.length > 0 && why === undefined);
    const reading = await readingOf(connection, dumped, folder);
    const warnings = await notRestorable(connection, dumped.database, {
      invalid: read.invalid ?? [],
      versioned: versioned.all,
      why,
      rounded: reading.rounded,
    });
    const outline = await readOutline(connection, dumped.database);
    const facts = { ...read, ...(outline === undefined ? {} : { outline }), warnings };
    const before = await readOutside(connection, dumped, facts.invalid);
    const patienceSeconds = await readPatience(connection);
    const createdAt = await serverTime(connection);
    const report = join(folder, 'rows');
    return {
      createdAt: new Date(Math.floor(createdAt / 1_000) * 1_000),
      facts,
      streams: [
        {
          expectedBytes: (facts.databaseBytes ?? 0) * (source.compression.method === 'none' ? 2 : 1),
          stage: dumpStage(reading, program, {
            report,
            options,
            ignored: facts.invalid ?? [],
          }),
          verifyEnd: (tail) => assertComplete(tail),
        },
      ],
      jobs: 1,
      explain: (error) => ofSlowReader(error, patienceSeconds),
      contents: async (dumpEnded) => {
        const readAfter = () => readOutside(connection, dumped, facts.invalid);
        const contents = await dumpedContents(report, before, readAfter, dumpEnded);
        const ofPacket = await packetWarning(connection, contents.longestRowBytes);
        if (ofPacket !== undefined) warnings.push(ofPacket);
        return contents;
      },
      globals: () => readGlobals(connection, dumped.database),
      close: async () => {
        await secondPassed(createdAt, () => serverTime(connection), signal);
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** For the counts of one run. The source is locked: folders of earlier runs are those of killed ones, and go. */
function countsFolder({ host, port, database, name }: DatabaseSource): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([host, port, database, name]))
    .digest('hex')
    .slice(0, 12);
  const start = `mariadb-counts-${digest}-`;
  for (const left of readdirSync(tmpdir()).filter((each) => each.startsWith(start)))
    rmSync(join(tmpdir(), left), { recursive: true, force: true });
  return mkdtempSync(join(tmpdir(), start));
}

/** How long the server lets a client take nothing: mariadb-dump has no option to ask for longer. */
async function readPatience(connection: Connection): Promise<number> {
  const [row] = await connection.query<{ seconds: number }>('select @@global.net_write_timeout as seconds');
  return Number(row?.seconds);
}

/** A storage that is slower than the server is patient looks like a lost connection. */
function ofSlowReader(error: unknown, patienceSeconds: number): unknown {
  if (
    !(error instanceof OperatorError) ||
    !/Error 2013: Lost connection .*during query when dumping/.test(error.message)
  )
    return error;
  return new OperatorError(error.code, error.message, {
    hint: `Either the server ended the connection (look at its log), or the upload stalled for longer than it waits, ${patienceSeconds} s: SET GLOBAL net_write_timeout = 3600 makes it wait an hour.`,
    cause: error,
  });
}

async function assertExists(connection: Connection, source: DatabaseSource): Promise<void> {
  const rows = await connection.query('select 1 from information_schema.schemata where schema_name = ?', [
    source.database,
  ]);
  if (rows.length > 0) return;
  throw new OperatorError(
    'SOURCE_CONNECT',
    `source ${source.name}: the server has no database ${JSON.stringify(source.database)} that ${source.user} may see`,
    { hint: `Check the database's name in ${source.variable}, and that the user has rights on it.` },
  );
}

function warnOfOtherVersion(program: Program, { server }: Connection): void {
  if (!isOlder(program, server)) return;
  log.warn(
    `mariadb-dump ${program.version.text} is older than the server (MariaDB ${server.text}): kinds of objects that came with ${seriesOf(server.number)} would not be in the dump`,
  );
}

/** What decides how a dump is worded: what is restored is dumped in the same words. */
const DUMP_OPTIONS = [
  '--single-transaction',
  '--quick',
  '--routines',
  '--triggers',
  '--events',
  '--hex-blob',
  '--no-tablespaces',
  '--max-allowed-packet=1G',
] as const;

/** @param withHistory former versions of the rows of system-versioned tables too */
export const dumpOptions = (withHistory: boolean): string[] => [
  ...DUMP_OPTIONS,
  ...(withHistory ? [HISTORY_OPTION] : []),
];

function dumpStage(
  reading: Reading,
  program: Program,
  { report, options, ignored }: { report: string; options: readonly string[]; ignored: readonly string[] },
): Stage {
  const { source } = reading;
  return {
    name: NAME,
    ...asRead(reading, (place) => ({
      command: 'perl',
      args: [
        COUNTER,
        report,
        program.path,
        ...place,
        ...options,
        ...ignored.map((view) => `--ignore-table=${source.database}.${view}`),
        '--',
        source.database,
      ],
    })),
    env: clientEnvironment(source),
    hints: [
      [
        /Lost connection|server has gone away|\b2013\b/i,
        'If the storage was slow at that moment, the server gave up on its reader: SET GLOBAL net_write_timeout = 3600 on it.',
      ],
    ],
  };
}

/** What no transaction of the dump holds still: where sequences stand, and how much code there is. */
interface Outside {
  readonly source: DatabaseSource;
  readonly sequences: Contents['sequences'];
  readonly codeObjects: Record<string, number>;
}

async function readOutside(
  connection: Connection,
  source: DatabaseSource,
  invalidViews: readonly string[] = [],
): Promise<Outside> {
  return {
    source,
    sequences: await readSequences(connection, source.database),
    codeObjects: await countCode(connection, source.database, invalidViews),
  };
}

async function dumpedContents(
  report: string,
  before: Outside,
  readAfter: () => Promise<Outside>,
  dumpEnded: Promise<readonly (readonly StageResult[])[]>,
): Promise<Contents> {
  const [results] = await dumpEnded;
  // the reader of the dump reports its failure; there is nothing to count in it
  if (results?.[0]?.exitCode !== 0) return { tables: [], sequences: [] };
  const after = await readAfter();
  const valuesAfter = new Map(after.sequences.map((s) => [s.sequence, s.value]));
  const sequences = before.sequences.map((s) => {
    const valueAtEnd = valuesAfter.get(s.sequence);
    return valueAtEnd === undefined || valueAtEnd === s.value ? s : { ...s, valueAtEnd };
  });
  // what was made or dropped meanwhile may or may not be in the dump
  const isSteady = isDeepStrictEqual(before.codeObjects, after.codeObjects);
  return {
    ...parseCounts(await readFile(report, 'utf8'), before.source),
    sequences,
    ...(isSteady ? { codeObjects: before.codeObjects } : {}),
  };
}

function parseCounts(report: string, source: DatabaseSource): Pick<Contents, 'tables' | 'longestRowBytes'> {
  const lines = report.trimEnd().split('\n');
  if (lines.at(-1) !== 'end') {
    log.warn(
      `${source.name}: this mariadb-dump writes rows in a form that cannot be counted; the manifest has no counts`,
    );
    return { tables: [] };
  }
  const tables = lines.slice(0, -2).map((line) => {
    const [name = '', rows] = line.split(' ');
    return { table: displayName(Buffer.from(name, 'hex').toString('utf8')), rows: Number(rows) };
  });
  return { tables, longestRowBytes: Number(lines.at(-2)?.split(' ')[1]) };
}

/** The server's clock in milliseconds. */
async function serverTime(connection: Connection): Promise<number> {
  const [row] = await connection.query<{ ms: string }>(
    // not of now(): when clocks are put back, an hour of local time comes twice
    'select cast(timestampdiff(microsecond, "1970-01-01", utc_timestamp(3)) div 1000 as char) as ms',
  );
  return Number(row?.ms);
}
