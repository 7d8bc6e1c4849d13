import { OperatorError } from '../../../errors.ts';
import type { Stage } from '../../../pipeline/chain.ts';
import type { Contents, DerivedSum } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import type { DumpOptions, DumpSession } from '../../dumping.ts';
import { assertComplete } from '../server/completion.ts';
import { connect } from '../server/connection.ts';
import { derivedSums, ofTheDump } from '../server/derived.ts';
import { lockBackup, unlockBackup } from '../server/locks.ts';
import { contentsAsPassed, watchDump } from '../server/passed.ts';
import { pgDumpStage } from '../server/pg-dump.ts';
import { besideProgram, findPrograms, type Program, programFor, versionText } from '../server/programs.ts';
import { exportSnapshot } from '../server/snapshot.ts';
import { folderJobs, folderStreams } from '../split/dump.ts';
import { fixTables } from '../split/locks.ts';
import { type Bystanders, type FixedSession, lookAfterBystanders } from './bystanders.ts';
import { readFacts, sharedNames } from './facts.ts';
import { readGlobals } from './globals.ts';
import { findOmission, type Omission } from './left-out.ts';
import { memberWriting } from './members.ts';
import { readOutline } from './outline.ts';

/**
 * Locks the source and exports the snapshot that both the dump and the row counts use.
 */
export async function beginDump(source: DatabaseSource, { kept, signal }: DumpOptions): Promise<DumpSession> {
  // asked while the server is
  void findPrograms('pg_dump');
  let bystanders: Promise<Bystanders> | undefined;
  try {
    const session = await fixState(source, signal, kept, async () => {
      // a database that is only kept is nobody's any more: nobody waits for it
      bystanders = kept === undefined ? lookAfterBystanders(source, signal) : undefined;
      await bystanders;
    });
    return (await bystanders)?.mind(session) ?? session;
  } catch (error) {
    await bystanders?.then(({ close }) => close()).catch(() => {});
    throw error;
  }
}

/** @param locked called once the source is locked; nothing is fixed before its promise has resolved */
async function fixState(
  source: DatabaseSource,
  signal: AbortSignal,
  kept: string | undefined,
  locked: () => Promise<void>,
): Promise<FixedSession> {
  // the lock is always that of the live database: what shares a name shares it
  const lockHolder = await connect(source, source.database, signal);
  const dumped = kept === undefined ? source : { ...source, database: kept };
  let connection = lockHolder;
  try {
    await lockBackup(lockHolder, source, kept !== undefined);
    const isLookedAfter = locked();
    // told where it is waited for
    isLookedAfter.catch(() => {});
    if (kept !== undefined) connection = await connect(dumped, kept, signal);
    const program = await programFor('pg_dump', connection.serverVersionNum);
    warnOfNewerClient(program, connection.serverVersionNum);
    const pgRestore = source.format === 'custom' ? (await besideProgram(program, 'pg_restore')).path : undefined;
    // before the snapshot: what is altered between that and pg_dump's own locks is not dumped as the snapshot has it
    const shared = await sharedNames(connection, dumped, signal);
    // what a restore has put aside is kept whole
    const omission = kept === undefined ? await findOmission(connection, source) : undefined;
    const outline = await readOutline(connection);
    const read = await readFacts(connection, program, shared);
    const warnings = [...(read.warnings ?? []), ...(omission?.warnings ?? [])];
    const facts = {
      ...read,
      ...(warnings.length > 0 ? { warnings } : {}),
      ...(outline === undefined ? {} : { outline }),
      ...(omission === undefined ? {} : { leftOut: omission.leftOut }),
    };
    await isLookedAfter;
    const fixed = source.format === 'folder' ? await fixTables(connection, dumped, signal, omission) : undefined;
    const snapshot = fixed?.snapshot ?? (await exportSnapshot(connection));
    const letGo = async () => {
      await connection.query('rollback').catch(() => {});
    };
    const common = {
      holder: connection.pid,
      letGo,
      createdAt: snapshot.time,
      facts: snapshot.exactLsn === undefined ? facts : { ...facts, exactLsn: snapshot.exactLsn },
      globals: () => readGlobals(shared, dumped.database, facts.roles ?? []),
      close: async () => {
        await letGo();
        if (connection !== lockHolder) await connection.close();
        if (shared !== connection) await shared.close();
        const timeMs = snapshot.time.getTime();
        await unlockBackup(lockHolder, source, { timeMs, mayLeave: kept === undefined, signal });
      },
    };
    const derived = async (dumpEnded: Promise<unknown>) => {
      const sums = await derivedSums({ source: dumped, connection, snapshotId: snapshot.id, signal }, dumpEnded);
      return sums.filter(({ table }) => !omission?.isGone(table) && !omission?.isEmptied(table));
    };
    if (fixed) {
      const { jobs, chosen } = folderJobs(source, fixed.tables);
      const { streams, contents } = await folderStreams({
        source: { ...dumped, jobs },
        connection,
        snapshotId: snapshot.id,
        ...fixed,
        encoding: facts.encoding ?? 'UTF8',
        databaseBytes: facts.databaseBytes ?? 0,
        pgDump: program,
        omission,
      });
      return {
        ...common,
        streams,
        jobs,
        ...(chosen === undefined ? {} : { chosen }),
        contents: (dumpEnded) => {
          const counting = dumpEnded.then(async () => {
            await fixed.assertUnaltered?.();
            return contents();
          });
          return withDerived(counting, derived(dumpEnded));
        },
      };
    }
    const passed = watchDump(pgRestore);
    const members = await memberWriting(connection, passed, { source, ...facts });
    return {
      ...common,
      streams: [
        {
          meter: passed.meter,
          ...(members === undefined ? {} : { members }),
          expectedBytes: (facts.databaseBytes ?? 0) * (source.compression.method === 'none' ? 2 : 1),
          stage: dumpStage(dumped, program, snapshot.id, { encoding: facts.encoding, omission }),
          verifyEnd: (tail) => {
            if (source.format === 'sql') assertComplete(tail);
          },
        },
      ],
      jobs: 1,
      contents: async (dumpEnded) => {
        const contents = await contentsAsPassed(connection, passed, omission);
        return withDerived(dumpEnded.then(contents), derived(dumpEnded));
      },
    };
  } catch (error) {
    await Promise.all([connection.close(), lockHolder.close()]);
    throw error;
  }
}

async function withDerived(counting: Promise<Contents>, summing: Promise<DerivedSum[]>): Promise<Contents> {
  const [contents, sums] = await Promise.all([counting, summing]);
  const derived = ofTheDump(sums, contents);
  return derived.length > 0 ? { ...contents, derived } : contents;
}

function warnOfNewerClient(program: Program, serverVersionNum: number): void {
  const serverMajor = Math.floor(serverVersionNum / 10_000);
  if (program.major === serverMajor) return;
  log.warn(
    `pg_dump ${program.version} dumps a PostgreSQL ${versionText(serverVersionNum)} server; set POSTGRES_VERSION=${serverMajor} so that dumps restore on that very version`,
  );
}

function dumpStage(
  source: DatabaseSource,
  program: Program,
  snapshotId: string,
  { encoding = 'UTF8', omission }: { encoding: string | undefined; omission: Omission | undefined },
): Stage {
  const format = source.format === 'custom' ? ['custom', customCompression(source, program)] : ['plain'];
  return pgDumpStage(source, program, snapshotId, [
    `--encoding=${encoding}`,
    `--format=${format[0]}`,
    ...format.slice(1),
    ...(omission?.options ?? []),
  ]);
}

/** A custom-format archive compresses itself: pg_dump before 16 knows gzip levels alone. */
function customCompression(source: DatabaseSource, program: Program): string {
  const { method, level } = source.compression;
  if (program.major >= 16) return `--compress=${method}${level === undefined ? '' : `:${level}`}`;
  if (method === 'zstd') {
    throw new OperatorError(
      'SOURCE_VERSION',
      `pg_dump ${program.version} cannot write custom-format archives with zstd`,
      {
        hint: 'Use BACKUP_COMPRESSION=gzip, or BACKUP_FORMAT=sql, for this server.',
      },
    );
  }
  return `--compress=${method === 'none' ? 0 : (level ?? 6)}`;
}
