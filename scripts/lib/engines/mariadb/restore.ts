import { fileURLToPath } from 'node:url';
import type { SourceConfig } from '../../config-sources.ts';
import { messageOf, OperatorError } from '../../errors.ts';
import { log } from '../../log.ts';
import type { Manifest } from '../../manifest.ts';
import type { Stage } from '../../process-stream.ts';
import type { RestoreSession, UndoResult } from '../engine.ts';
import { dropCode, listCode } from './code-objects.ts';
import {
  type Connection,
  clientArguments,
  clientEnvironment,
  connect,
  errorName,
  quoteIdentifier,
} from './connection.ts';
import { countContents, listTables } from './contents.ts';
import { assertComplete } from './dump.ts';
import { readDefaults } from './facts.ts';
import { giveGrants, makeMissingAccounts } from './globals.ts';
import { takeLock } from './locks.ts';
import { assertRestorable, refused, warnOfMissingDefiners } from './preflight.ts';
import { programFor } from './programs.ts';
import { besideDatabases, dropDatabase, dropLeftovers, freeBesideName, listDatabases } from './server.ts';
import { resumeSwap, swapDatabases } from './swap.ts';
import { findUnfinished, type Unfinished } from './swap-journal.ts';

const FILTER = fileURLToPath(new URL('./load-filter.pl', import.meta.url));

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
  const connection = await connect(source, signal);
  try {
    const place = { ...source, database: target };
    await takeLock(connection, { purpose: 'restore', source: place });
    await completeUnfinished(connection, place, signal);
    await dropLeftovers(connection, place);
    const targetExists = (await listDatabases(connection)).includes(target);
    await assertRestorable(connection, source, { target, targetExists, swaps: to === undefined, manifest });
    const grants = globals === undefined ? [] : await makeMissingAccounts(connection, globals);
    if (to !== undefined && targetExists) {
      await assertEmpty(connection, to);
      return session({
        connection,
        source,
        target,
        staging: to,
        isForeign: true,
        targetExists,
        swaps: false,
        grants: [],
        signal,
      });
    }
    const staging = await freeBesideName(connection, target, 'restoring');
    await createStaging(connection, source, staging, to === undefined ? target : source.database, manifest);
    return session({
      connection,
      source,
      target,
      staging,
      isForeign: false,
      targetExists,
      swaps: to === undefined,
      grants: to === undefined ? grants : [],
      signal,
    });
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Completes a swap that broke off. @returns what it was */
async function completeUnfinished(
  connection: Connection,
  source: SourceConfig,
  signal: AbortSignal,
): Promise<Unfinished | undefined> {
  const [unfinished] = await findUnfinished(connection, source.database);
  if (unfinished) await resumeSwap(connection, source, unfinished, signal);
  return unfinished;
}

/** Made like the live database, or else like the dumped one. */
async function createStaging(
  connection: Connection,
  source: SourceConfig,
  staging: string,
  like: string,
  manifest: Manifest | undefined,
): Promise<void> {
  const live = await readDefaults(connection, like);
  const encoding = live?.encoding ?? manifest?.encoding;
  const collation = live?.collation ?? manifest?.collation;
  const parts = [
    `create database ${quoteIdentifier(staging)}`,
    encoding === undefined ? '' : `character set ${word(encoding)}`,
    collation === undefined ? '' : `collate ${word(collation)}`,
  ];
  try {
    await connection.query(parts.join(' '));
  } catch (error) {
    if (errorName(error) !== 'ER_DBACCESS_DENIED_ERROR') throw error;
    const pattern = `${staging.replace(/_restoring_\d+$/, '').replaceAll('_', '\\_')}%`;
    throw refused(
      `the user ${source.user} may not create databases, which a restore beside the live one needs`,
      `As an administrator: GRANT ALL ON ${quoteIdentifier(pattern)}.* to it; or restore into an empty database that you made: --to DB.`,
      error,
    );
  }
}

/** A manifest is data from outside: of a name of a character set only what is one goes into a statement. */
function word(name: string): string {
  if (/^\w+$/.test(name)) return name;
  throw new OperatorError('BACKUP_DAMAGED', `the manifest names a character set that is none: ${JSON.stringify(name)}`);
}

async function assertEmpty(connection: Connection, database: string): Promise<void> {
  const objects = [...(await listTables(connection, database)), ...(await listCode(connection, database))];
  if (objects.length === 0) return;
  throw new OperatorError('RESTORE_REFUSED', `the database ${database} exists and is not empty`, {
    hint: 'Name a database that does not exist yet, or an empty one. Without --to, the live database is swapped safely.',
  });
}

interface SessionParts {
  readonly connection: Connection;
  readonly source: SourceConfig;
  readonly target: string;
  readonly staging: string;
  readonly isForeign: boolean;
  readonly targetExists: boolean;
  /** The live database is to be replaced; else the restored one goes beside it. */
  readonly swaps: boolean;
  /** What is to be granted once the restored database is in place. */
  readonly grants: readonly string[];
  readonly signal: AbortSignal;
}

function session(parts: SessionParts): RestoreSession {
  const { connection, source, target, staging, isForeign, targetExists, swaps, grants, signal } = parts;
  let isCommitted = false;
  return {
    staging,
    isForeign,
    plan: async () => [
      {
        jobs: 1,
        loads: [
          {
            into: await loadStage(source, connection, staging),
            // the loading stage leaves out by itself what a server would not understand
            droppedLines: [],
            verifyEnd: (tail) => assertComplete(tail),
          },
        ],
      },
    ],
    contents: () => onConnection(source, signal, (own) => countContents(own, staging)),
    prepare: () => onConnection(source, signal, (own) => prepare(own, staging, swaps)),
    commit: async () => {
      isCommitted = true;
      if (isForeign) return { database: target, previousDatabase: null };
      const old = targetExists ? await freeBesideName(connection, target, 'previous') : null;
      try {
        await swapDatabases(
          connection,
          source,
          { live: target, next: staging, old, runsEvents: swaps, undoes: false },
          signal,
        );
      } catch (error) {
        // a swap that could be taken back left no journal, and the staging database may go
        isCommitted = error instanceof OperatorError && error.code === 'RESTORE_FAILED';
        throw error;
      }
      await giveGrants(connection, grants);
      return { database: target, previousDatabase: old };
    },
    discard: async () => {
      if (!isCommitted) await discard(source, staging, isForeign);
    },
    close: () => connection.close(),
  };
}

async function onConnection<T>(
  source: SourceConfig,
  signal: AbortSignal,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await connect(source, signal);
  return work(connection).finally(() => connection.close());
}

async function prepare(connection: Connection, staging: string, swaps: boolean): Promise<void> {
  for (const { name, kind } of await listTables(connection, staging)) {
    if (kind !== 'table') continue;
    await connection.query(`analyze table ${quoteIdentifier(staging)}.${quoteIdentifier(name)}`);
  }
  await warnOfMissingDefiners(connection, staging);
  if (swaps) return;
  const events = (await listCode(connection, staging)).filter(({ kind }) => kind === 'event');
  if (events.length > 0) {
    log.warn(
      `events do not run in a copy beside the live database: ${events.map(({ name }) => name).join(', ')}. ALTER EVENT … ENABLE starts them`,
    );
  }
}

async function loadStage(source: SourceConfig, connection: Connection, staging: string): Promise<Stage> {
  const program = await programFor('mariadb');
  return {
    name: 'mariadb',
    command: 'perl',
    args: [
      FILTER,
      staging,
      program.path,
      ...clientArguments(source, connection),
      '--batch',
      // the dump is data: none of it is a command for the client, whose \! would be the shell
      '--binary-mode',
      '--max-allowed-packet=1G',
      '--init-command=set session foreign_key_checks = 0, session unique_checks = 0',
      `--database=${staging}`,
    ],
    env: clientEnvironment(source),
  };
}

/** With a connection of its own: an interrupt has broken the others off. */
async function discard(source: SourceConfig, staging: string, isForeign: boolean): Promise<void> {
  try {
    const connection = await connect(source, AbortSignal.timeout(60_000));
    await (isForeign ? empty(connection, staging) : dropDatabase(connection, staging)).finally(() =>
      connection.close(),
    );
  } catch (error) {
    log.warn(
      `${staging} could not be ${isForeign ? 'emptied' : 'dropped; the next restore removes it'}: ${messageOf(error)}`,
    );
  }
}

/** The database was there before, and empty. */
async function empty(connection: Connection, database: string): Promise<void> {
  await connection.query('set session foreign_key_checks = 0');
  await dropCode(connection, database, [
    'event',
    'trigger',
    'view',
    'function',
    'procedure',
    'package body',
    'package',
  ]);
  for (const { name, kind } of await listTables(connection, database))
    await connection.query(`drop ${kind} if exists ${quoteIdentifier(database)}.${quoteIdentifier(name)}`);
}

/** See Engine.undo. An undo or a restore that broke off is completed first; of an undo, that is all that was asked for. */
export async function undoRestore(source: SourceConfig, signal: AbortSignal): Promise<UndoResult> {
  const connection = await connect(source, signal);
  try {
    const live = source.database;
    await takeLock(connection, { purpose: 'restore', source });
    const completed = await completeUnfinished(connection, source, signal);
    if (completed?.plan.undoes) {
      return { database: live, restoredFrom: completed.plan.next, keptAs: completed.plan.old ?? '' };
    }
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
    const liveExists = (await listDatabases(connection)).includes(live);
    const keptAs = await freeBesideName(connection, live, 'undone');
    await swapDatabases(
      connection,
      source,
      { live, next: previous.name, old: liveExists ? keptAs : null, runsEvents: true, undoes: true },
      signal,
    );
    return { database: live, restoredFrom: previous.name, keptAs };
  } finally {
    await connection.close();
  }
}
