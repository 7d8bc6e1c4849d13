import { OperatorError } from '../../../errors.ts';
import type { Stage } from '../../../pipeline/chain.ts';
import type { Contents, SourceFacts } from '../../../repository/manifest.ts';
import type { SourceConfig } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import type { DumpSession } from '../../engine.ts';
import { secondPassed } from '../../second-passed.ts';
import { assertComplete } from '../server/completion.ts';
import { type Connection, connect } from '../server/connection.ts';
import { countContents, readSequences } from '../server/contents.ts';
import { lockKey } from '../server/locks.ts';
import { pgDumpStage } from '../server/pg-dump.ts';
import { type Program, programFor, versionText } from '../server/programs.ts';
import { exportSnapshot } from '../server/snapshot.ts';
import { folderJobs, folderStreams } from '../split/dump.ts';
import { fixTables } from '../split/locks.ts';
import { mindBystanders } from './bystanders.ts';
import { readGlobals } from './globals.ts';

/**
 * Locks the source and exports the snapshot that both the dump and the row counts use.
 *
 * @param putAside dump this database of the server in the place of the source's own, and wait for the lock
 */
export async function beginDump(source: SourceConfig, signal: AbortSignal, putAside?: string): Promise<DumpSession> {
  const session = await fixState(source, signal, putAside);
  // a database that was put aside is nobody's any more
  if (putAside !== undefined) return session;
  try {
    return await mindBystanders(session, source, signal);
  } catch (error) {
    await session.close();
    throw error;
  }
}

async function fixState(source: SourceConfig, signal: AbortSignal, putAside?: string): Promise<DumpSession> {
  // the lock is always that of the live database: what shares a name shares it
  const lockHolder = await connect(source, source.database, signal);
  const dumped = putAside === undefined ? source : { ...source, database: putAside };
  let connection = lockHolder;
  try {
    await lock(lockHolder, source, putAside !== undefined);
    if (putAside !== undefined) connection = await connect(dumped, putAside, signal);
    const program = await programFor('pg_dump', connection.serverVersionNum);
    warnOfNewerClient(program, connection.serverVersionNum);
    const isFolder = source.format === 'folder';
    const { snapshot, tables } = isFolder
      ? await fixTables(connection, dumped, signal)
      : { snapshot: await exportSnapshot(connection), tables: [] };
    const facts = await readFacts(connection, program);
    const sequencesBefore = await readSequences(connection);
    const common = {
      createdAt: snapshot.time,
      facts,
      globals: () => readGlobals(connection, dumped.database, facts.roles ?? []),
      close: async () => {
        await secondPassed(snapshot.time.getTime(), () => serverTime(connection), signal);
        await Promise.all([connection.close(), lockHolder.close()]);
      },
    };
    if (isFolder) {
      const { jobs, chosen } = folderJobs(source, tables);
      const { streams, contents } = await folderStreams({
        source: { ...dumped, jobs },
        connection,
        snapshotId: snapshot.id,
        tables,
        sequences: sequencesBefore,
        encoding: facts.encoding ?? 'UTF8',
        databaseBytes: facts.databaseBytes ?? 0,
        pgDump: program,
      });
      return {
        ...common,
        streams,
        jobs,
        ...(chosen === undefined ? {} : { chosen }),
        contents: (dumpEnded) => dumpEnded.then(contents),
      };
    }
    return {
      ...common,
      streams: [
        {
          expectedBytes: (facts.databaseBytes ?? 0) * (source.compression.method === 'none' ? 2 : 1),
          stage: dumpStage(dumped, program, snapshot.id),
          verifyEnd: (tail) => {
            if (source.format === 'sql') assertComplete(tail);
          },
        },
      ],
      jobs: 1,
      contents: (dumpEnded) => dumpedContents(connection, sequencesBefore, dumpEnded),
    };
  } catch (error) {
    await Promise.all([connection.close(), lockHolder.close()]);
    throw error;
  }
}

async function lock(connection: Connection, source: SourceConfig, wait: boolean): Promise<void> {
  const key = lockKey('backup', source.name);
  if (wait) {
    await connection.query('select pg_advisory_lock($1::bigint)', [key]);
    return;
  }
  const [row] = await connection.query<{ locked: boolean }>('select pg_try_advisory_lock($1::bigint) as locked', [key]);
  if (row?.locked) return;
  throw new OperatorError('LOCKED', `source ${source.name}: another backup of it is running`, {
    hint: 'Wait until it has ended (make logs-backup). The lock lives in the database and goes with its holder.',
  });
}

function warnOfNewerClient(program: Program, serverVersionNum: number): void {
  const serverMajor = Math.floor(serverVersionNum / 10_000);
  if (program.major === serverMajor) return;
  log.warn(
    `pg_dump ${program.version} dumps a PostgreSQL ${versionText(serverVersionNum)} server; set POSTGRES_VERSION=${serverMajor} so that dumps restore on that very version`,
  );
}

const ROLES = `
  select distinct r.rolname as name
  from pg_shdepend s join pg_roles r on r.oid = s.refobjid
  where s.refclassid = 'pg_authid'::regclass
    and (s.dbid = (select oid from pg_database where datname = current_database())
      or s.classid = 'pg_database'::regclass
        and s.objid = (select oid from pg_database where datname = current_database()))
    and r.rolname !~ '^pg_'
  union select pg_get_userbyid(datdba) from pg_database where datname = current_database()
  union select pg_get_userbyid(relowner) from pg_class where oid >= 16384 and relkind in ('r', 'p', 'v', 'm', 'S', 'f')
  union select pg_get_userbyid(nspowner) from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
    and nspname <> 'public'
  order by 1`;

const TABLESPACES = `
  select distinct t.spcname as name from pg_class c join pg_tablespace t on t.oid = c.reltablespace
  where c.reltablespace <> 0 and t.spcname !~ '^pg_' order by 1`;

/** Constraints that were never validated, and indexes that a failed CREATE INDEX CONCURRENTLY left. */
export const INVALID_OBJECTS = `
  select format('constraint %I on %s', conname, conrelid::regclass) as name
  from pg_constraint c join pg_namespace n on n.oid = c.connamespace
  where not convalidated and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  union all
  select format('index %s', indexrelid::regclass) from pg_index where not indisvalid and indexrelid >= 16384
  order by 1`;

/** Event triggers, but for those of extensions, which come and go with them. */
const EVENT_TRIGGERS = `
  select evtname as name from pg_event_trigger t where not exists (
    select from pg_depend d where d.classid = 'pg_event_trigger'::regclass and d.objid = t.oid and d.deptype = 'e')
  order by 1`;

async function readFacts(connection: Connection, program: Program): Promise<SourceFacts> {
  // column names of pg_database changed with the versions; a row as JSON has those that there are
  const [row] = await connection.query<{
    d: Record<string, string | null>;
    encoding: string;
    bytes: string;
    table_bytes: string;
    version: string;
  }>(`
    select to_jsonb(d) - 'datacl' as d, pg_encoding_to_char(d.encoding) as encoding,
      pg_database_size(d.oid)::text as bytes,
      (select (coalesce(sum(relpages::bigint), 0) * current_setting('block_size')::bigint)::text
       from pg_class where relkind in ('r', 't') and oid >= 16384) as table_bytes,
      current_setting('server_version') as version
    from pg_database d where datname = current_database()`);
  const extensions = await connection.query<{ name: string; version: string }>(
    'select extname as name, extversion as version from pg_extension order by 1',
  );
  const names = async (sql: string) => (await connection.query<{ name: string }>(sql)).map((r) => r.name);
  const d = row?.d ?? {};
  const locale = d.datlocale ?? d.daticulocale;
  return {
    serverVersion: row?.version ?? versionText(connection.serverVersionNum),
    clientVersion: program.version,
    encoding: row?.encoding ?? '',
    collation: d.datcollate ?? '',
    characterType: d.datctype ?? '',
    ...(d.datlocprovider ? { localeProvider: d.datlocprovider } : {}),
    ...(locale ? { locale } : {}),
    extensions,
    roles: await names(ROLES),
    tablespaces: await names(TABLESPACES),
    invalid: await names(INVALID_OBJECTS),
    eventTriggers: await names(EVENT_TRIGGERS),
    databaseBytes: Number(row?.bytes),
    tableBytes: Number(row?.table_bytes),
  };
}

function dumpStage(source: SourceConfig, program: Program, snapshotId: string): Stage {
  return pgDumpStage(
    source,
    program,
    snapshotId,
    source.format === 'custom' ? ['--format=custom', customCompression(source, program)] : ['--format=plain'],
  );
}

/** A custom-format archive compresses itself: pg_dump before 16 knows gzip levels alone. */
function customCompression(source: SourceConfig, program: Program): string {
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

async function dumpedContents(
  connection: Connection,
  before: Contents['sequences'],
  dumpEnded: Promise<unknown>,
): Promise<Contents> {
  const counts = await countContents(connection);
  await dumpEnded;
  const after = new Map((await readSequences(connection)).map((s) => [s.sequence, s.value]));
  const sequences = before.map((s) => {
    const valueAtEnd = after.get(s.sequence);
    return valueAtEnd === undefined || valueAtEnd === s.value ? s : { ...s, valueAtEnd };
  });
  return { ...counts, sequences };
}

/** The server's clock in milliseconds. */
async function serverTime(connection: Connection): Promise<number> {
  const [row] = await connection.query<{ ms: string }>(
    'select (extract(epoch from clock_timestamp()) * 1000)::bigint::text as ms',
  );
  return Number(row?.ms);
}
