import type { SourceConfig } from '../../config-sources.ts';
import { messageOf, OperatorError } from '../../errors.ts';
import { log } from '../../log.ts';
import type { Contents, Manifest } from '../../manifest.ts';
import { runProgram, type Stage, stageError } from '../../process-stream.ts';
import type { RestoreSession, UndoResult } from '../engine.ts';
import { type Connection, connect, libpqEnvironment, quoteIdentifier, quoteLiteral } from './connection.ts';
import { countContents, readSequences } from './contents.ts';
import { carryOver } from './database-settings.ts';
import { assertComplete } from './dump.ts';
import { HASHES_UNREAD } from './globals.ts';
import { assertRestorable, missingRoles } from './preflight.ts';
import { programFor } from './programs.ts';
import {
  besideDatabases,
  connectBeside,
  dropDatabase,
  dropLeftovers,
  freeBesideName,
  listDatabases,
  lockRestore,
} from './server.ts';
import { swapDatabases } from './swap.ts';

/** For the sessions that load: their work is worthless until the swap, whose commit waits for the disk as ever. */
const LOADING_OPTIONS = [
  'synchronous_commit=off',
  'maintenance_work_mem=256MB',
  'statement_timeout=0',
  'lock_timeout=0',
  'idle_in_transaction_session_timeout=0',
]
  .map((option) => `-c ${option}`)
  .join(' ');

/** What a newer pg_dump writes at a dump's head and an older server does not know. */
const HEAD_SETTINGS = [
  { line: 'SET transaction_timeout = 0;', since: 170_000 },
  { line: 'SET default_table_access_method = heap;', since: 120_000 },
] as const;

/** No place to restore into, empty as they are. */
const MAINTENANCE = ['postgres', 'template0', 'template1'];

interface RestoreOptions {
  readonly to?: string;
  readonly manifest?: Manifest;
  readonly globals?: string;
  readonly signal: AbortSignal;
}

/** See Engine.beginRestore. */
export async function beginRestore(source: SourceConfig, options: RestoreOptions): Promise<RestoreSession> {
  const { to, manifest, globals, signal } = options;
  const target = to ?? source.database;
  if (to !== undefined && MAINTENANCE.includes(to)) {
    throw new OperatorError(
      'RESTORE_REFUSED',
      `${to} is a database of the server's own, whose content is copied or relied on elsewhere`,
      {
        hint: 'Name another one.',
      },
    );
  }
  const connection = await connectBeside(source, signal);
  try {
    await lockRestore(connection, { ...source, database: target });
    await dropLeftovers(connection, target);
    const databases = await listDatabases(connection);
    const targetExists = databases.some((row) => row.name === target);
    warnOfOlderServer(connection, manifest);
    if (to !== undefined && targetExists) {
      await assertEmpty(source, to, signal);
      return session({ connection, source, target, staging: to, isForeign: true, targetExists, globals, signal });
    }
    if (globals !== undefined) await makeMissingRoles(connection, source, manifest, globals, signal);
    await assertRestorable(connection, { source, target, targetExists, swaps: to === undefined, manifest }, signal);
    const staging = await freeBesideName(connection, target, 'restoring');
    // once begun, making it is not to be broken off: what was not made could not be told from what was
    await connection.query(
      await createStatement(connection, staging, to === undefined ? target : source.database, manifest),
    );
    return session({ connection, source, target, staging, isForeign: false, targetExists, globals, signal });
  } catch (error) {
    await connection.close();
    throw error;
  }
}

function warnOfOlderServer(connection: Connection, manifest: Manifest | undefined): void {
  const dumped = Number.parseInt(manifest?.serverVersion ?? '0', 10);
  const here = Math.floor(connection.serverVersionNum / 10_000);
  if (dumped > here) {
    log.warn(
      `the backup is of PostgreSQL ${manifest?.serverVersion}, this server is ${here}: what the older one does not know will stop the restore`,
    );
  }
}

// everything that somebody made, but for what came with an extension
const OBJECTS_OF_USERS = `
  with own as (
    select 'pg_class'::regclass as class, oid, relnamespace as schema from pg_class
    union all select 'pg_proc'::regclass, oid, pronamespace from pg_proc
    union all select 'pg_type'::regclass, oid, typnamespace from pg_type where typtype in ('d', 'e', 'r')
    union all select 'pg_namespace'::regclass, oid, oid from pg_namespace where nspname <> 'public')
  select (
    (select count(*) from own join pg_namespace n on n.oid = own.schema
     where n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
       and not exists (select from pg_depend d where d.classid = own.class and d.objid = own.oid and d.deptype in ('e', 'i')))
    + (select count(*) from pg_largeobject_metadata)
  )::text as n`;

/** Makes the roles that the backup needs and the server lacks; those that it has stay as they are. */
async function makeMissingRoles(
  connection: Connection,
  source: SourceConfig,
  manifest: Manifest | undefined,
  globals: string,
  signal: AbortSignal,
): Promise<void> {
  const missing = await missingRoles(connection, manifest);
  if (missing.length === 0) return;
  try {
    const beside = source.database === 'postgres' ? 'template1' : 'postgres';
    await runGlobals(source, beside, globals, connection.serverVersionNum, ['--variable=roles_only=1'], signal);
    log.info(`made the roles that the server lacked: ${missing.join(', ')}`);
    if (!globals.includes(HASHES_UNREAD)) return;
    const [without] = await connection.query<{ names: string | null }>(
      "select string_agg(rolname, ', ' order by rolname) as names from pg_roles where rolname = any($1) and not rolcanlogin",
      [missing],
    );
    if (without?.names)
      log.warn(`these roles may not log in: ${without.names}. Where they should: ALTER ROLE … LOGIN PASSWORD '…'`);
  } catch (error) {
    signal.throwIfAborted();
    // assertRestorable names the roles, and what to do
    log.warn(`the missing roles could not be made: ${messageOf(error)}`);
  }
}

/** Owner, settings and grants as the backup has them. A user who may not give them restores the data all the same. */
async function giveOwnSettings(
  source: SourceConfig,
  staging: string,
  globals: string,
  serverVersionNum: number,
  signal: AbortSignal,
): Promise<void> {
  try {
    await runGlobals(source, staging, globals, serverVersionNum, [], signal);
  } catch (error) {
    signal.throwIfAborted();
    log.warn(`owner, settings and grants of the database could not be set as they were: ${messageOf(error)}`);
  }
}

/** Runs the SQL of a backup's globals through psql, whose variables it uses. */
async function runGlobals(
  source: SourceConfig,
  database: string,
  globals: string,
  serverVersionNum: number,
  variables: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const stage = await loadStage(source, database, 'sql', serverVersionNum);
  const result = await runProgram({ ...stage, args: [...stage.args, ...variables] }, { input: globals, signal });
  if (result.exitCode !== 0) throw stageError(result);
}

async function assertEmpty(source: SourceConfig, database: string, signal: AbortSignal): Promise<void> {
  const connection = await connect(source, database, signal);
  try {
    const [row] = await connection.query<{ n: string }>(OBJECTS_OF_USERS);
    if (row?.n === '0') return;
  } finally {
    await connection.close();
  }
  throw new OperatorError('RESTORE_REFUSED', `the database ${database} exists and is not empty`, {
    hint: 'Name a database that does not exist yet, or an empty one. Without --to, the live database is swapped safely.',
  });
}

/** CREATE DATABASE with the encoding and locale of the live database, or else of the dumped one. */
async function createStatement(
  connection: Connection,
  name: string,
  like: string,
  manifest: Manifest | undefined,
): Promise<string> {
  const [live] = await connection.query<{ d: Record<string, string | null>; encoding: string; tablespace: string }>(
    `select to_jsonb(d) - 'datacl' as d, pg_encoding_to_char(encoding) as encoding, t.spcname as tablespace
     from pg_database d join pg_tablespace t on t.oid = d.dattablespace where datname = $1`,
    [like],
  );
  const d = live?.d ?? {};
  const encoding = live?.encoding ?? manifest?.encoding;
  const collate = d.datcollate ?? manifest?.collation;
  const ctype = d.datctype ?? manifest?.characterType;
  const provider = d.datlocprovider ?? manifest?.localeProvider;
  const locale = d.datlocale ?? d.daticulocale ?? manifest?.locale;
  const parts = [
    `create database ${quoteIdentifier(name)} template template0`,
    encoding && `encoding ${quoteLiteral(encoding)}`,
    collate && `lc_collate ${quoteLiteral(collate)}`,
    ctype && `lc_ctype ${quoteLiteral(ctype)}`,
    provider === 'i' && locale && `locale_provider icu icu_locale ${quoteLiteral(locale)}`,
    provider === 'b' && locale && `locale_provider builtin builtin_locale ${quoteLiteral(locale)}`,
    d.daticurules && `icu_rules ${quoteLiteral(d.daticurules)}`,
    live && live.tablespace !== 'pg_default' && `tablespace ${quoteIdentifier(live.tablespace)}`,
  ];
  return parts.filter(Boolean).join(' ');
}

interface SessionParts {
  readonly connection: Connection;
  readonly source: SourceConfig;
  readonly target: string;
  readonly staging: string;
  readonly isForeign: boolean;
  readonly targetExists: boolean;
  readonly globals: string | undefined;
  readonly signal: AbortSignal;
}

function session(parts: SessionParts): RestoreSession {
  const { connection, source, target, staging, isForeign, targetExists, globals, signal } = parts;
  let isCommitted = false;
  return {
    staging,
    isForeign,
    droppedLines: HEAD_SETTINGS.filter(({ since }) => connection.serverVersionNum < since).map(({ line }) => line),
    stage: (format) => loadStage(source, staging, format, connection.serverVersionNum),
    verifyEnd: (tail, format) => {
      if (format === 'sql') assertComplete(tail);
    },
    contents: () => restoredContents(source, staging, signal),
    prepare: async () => {
      const inside = await connect(source, staging, signal);
      await inside.query('analyze').finally(() => inside.close());
      if (isForeign) return;
      if (targetExists) await carryOver(connection, target, staging);
      // there is no live one to take owner, settings and grants from: those of the backup
      else if (globals !== undefined)
        await giveOwnSettings(source, staging, globals, connection.serverVersionNum, signal);
    },
    commit: async () => {
      isCommitted = true;
      if (isForeign) return { database: target, previousDatabase: null };
      const kept = targetExists ? await freeBesideName(connection, target, 'previous') : null;
      try {
        await swapDatabases(
          connection,
          source,
          { live: target, liveExists: targetExists, kept: kept ?? '', next: staging },
          signal,
        );
      } catch (error) {
        isCommitted = false;
        throw error;
      }
      return { database: target, previousDatabase: kept };
    },
    discard: async () => {
      if (isCommitted || isForeign) return;
      await discard(source, staging);
    },
    close: () => connection.close(),
  };
}

/** With a connection of its own: an interrupt has broken the others off. */
async function discard(source: SourceConfig, staging: string): Promise<void> {
  try {
    const connection = await connectBeside(source, AbortSignal.timeout(60_000));
    await dropDatabase(connection, staging).finally(() => connection.close());
  } catch (error) {
    log.warn(
      `${staging} could not be dropped; the next restore removes it: ${error instanceof Error ? error.message : error}`,
    );
  }
}

async function loadStage(
  source: SourceConfig,
  staging: string,
  format: string,
  serverVersionNum: number,
): Promise<Stage> {
  const env = { ...libpqEnvironment(source, staging), PGOPTIONS: LOADING_OPTIONS };
  if (format === 'custom') {
    const program = await programFor('pg_restore', serverVersionNum);
    // pg_restore takes the database from its command line alone, and reads a name with = as a connection string
    const database = `dbname='${staging.replace(/['\\]/g, '\\$&')}'`;
    return {
      name: 'pg_restore',
      command: program.path,
      args: ['--no-password', '--exit-on-error', '--single-transaction', `--dbname=${database}`],
      env,
    };
  }
  const program = await programFor('psql', serverVersionNum);
  return {
    name: 'psql',
    command: program.path,
    args: [
      '--no-psqlrc',
      '--no-password',
      '--quiet',
      '--single-transaction',
      '--variable=ON_ERROR_STOP=1',
      '--output=/dev/null',
    ],
    env,
  };
}

async function restoredContents(source: SourceConfig, staging: string, signal: AbortSignal): Promise<Contents> {
  const connection = await connect(source, staging, signal);
  try {
    const counts = await countContents(connection);
    return { ...counts, sequences: await readSequences(connection) };
  } finally {
    await connection.close();
  }
}

/** See Engine.undo. */
export async function undoRestore(source: SourceConfig, signal: AbortSignal): Promise<UndoResult> {
  const connection = await connectBeside(source, signal);
  try {
    await lockRestore(connection, source);
    const live = source.database;
    const [previous] = await besideDatabases(connection, live, 'previous');
    if (!previous) {
      throw new OperatorError(
        'RESTORE_REFUSED',
        `there is nothing to undo: no database that a restore of ${live} replaced is kept`,
        {
          hint: 'A restore keeps the one it replaces until it is undone or cleaned up. make list-backups shows the safety backups.',
        },
      );
    }
    const liveExists = (await listDatabases(connection)).some((row) => row.name === live);
    const keptAs = await freeBesideName(connection, live, 'undone');
    await swapDatabases(connection, source, { live, liveExists, kept: keptAs, next: previous.name }, signal);
    return { database: live, restoredFrom: previous.name, keptAs };
  } finally {
    await connection.close();
  }
}
