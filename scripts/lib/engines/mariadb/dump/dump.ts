import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { OperatorError } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import type { DumpOptions, DumpSession } from '../../dumping.ts';
import { type Connection, connect } from '../server/connection.ts';
import { asStored } from '../server/databases.ts';
import { readFacts } from '../server/facts.ts';
import { readVersioned, whyWithoutHistory } from '../server/history.ts';
import { serverTime, takeLock, unlockBackup } from '../server/locks.ts';
import { isOlder, type Program, programFor } from '../server/programs.ts';
import { putBackLeft } from '../server/raised.ts';
import { readingOf } from '../server/relay.ts';
import { seriesOf } from '../server/version.ts';
import { assertNotHalfSwapped } from '../swap/journal.ts';
import { assertNoneAlike } from './alike.ts';
import { assertComplete } from './completion.ts';
import { countsFolder, dumpedContents, readOutside } from './counts.ts';
import { ofSlowReader, readPatience } from './explain.ts';
import { readGlobals } from './globals.ts';
import { findOmission } from './left-out.ts';
import { needingCode } from './needing-code.ts';
import { notRestorable, packetWarning } from './not-restorable.ts';
import { readOutline } from './outline.ts';
import { assertSeesEverything, warnOfWhatIsLost } from './sight.ts';
import { DUMP_PROGRAM, dumpOptions, dumpStage } from './stage.ts';

/** Locks the source and looks at what is about to be dumped. */
export async function beginDump(given: DatabaseSource, { kept, signal }: DumpOptions): Promise<DumpSession> {
  const connection = await connect(given, signal);
  let folder: string | undefined;
  const close = async () => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    await connection.close();
  };
  try {
    await putBackLeft(connection);
    const source = await asStored(connection, given);
    const dumped = kept === undefined ? source : { ...source, database: kept };
    await assertExists(connection, dumped);
    await takeLock(connection, { purpose: 'backup', source, waits: kept !== undefined });
    await assertNotHalfSwapped(connection, source);
    folder = countsFolder(source);
    const program = await programFor(DUMP_PROGRAM);
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
      respelled: reading.respelled,
    });
    // what a restore has put aside is kept whole
    const omission = kept === undefined ? await findOmission(connection, source) : undefined;
    if (omission) warnings.push(...(await needingCode(connection, dumped.database, omission)));
    await assertNoneAlike(connection, dumped, new Set([...(read.invalid ?? []), ...(omission?.ignored ?? [])]));
    const outline = await readOutline(connection, dumped.database);
    const facts = {
      ...read,
      ...(outline === undefined ? {} : { outline }),
      ...(omission === undefined ? {} : { leftOut: omission.leftOut }),
      warnings,
    };
    const outside = () => readOutside(connection, dumped, { invalidViews: facts.invalid ?? [], omission });
    const before = await outside();
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
            options: [...options, ...(omission?.options ?? [])],
            ignored: facts.invalid ?? [],
          }),
          verifyEnd: (tail) => assertComplete(tail),
        },
      ],
      jobs: 1,
      explain: (error) => ofSlowReader(error, patienceSeconds),
      contents: async (dumpEnded) => {
        const counted = await dumpedContents(report, before, outside, dumpEnded);
        const emptied = (omission?.leftOut.data ?? []).map((table) => ({ table, rows: 0 }));
        const contents = { ...counted, tables: [...counted.tables, ...(counted.tables.length > 0 ? emptied : [])] };
        const ofPacket = await packetWarning(connection, contents.longestRowBytes);
        if (ofPacket !== undefined) warnings.push(ofPacket);
        return contents;
      },
      globals: () => readGlobals(connection, dumped.database),
      close: async () => {
        if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
        await unlockBackup(connection, source, { timeMs: createdAt, mayLeave: dumped === source, signal });
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
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
