import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, OperatorError } from '../../../errors.ts';
import { formatDuration } from '../../../quantities.ts';
import type { Contents } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { type Connection, connect, sqlState } from '../server/connection.ts';
import { listRelations, readPositions } from '../server/contents.ts';
import { exportSnapshot, type Snapshot } from '../server/snapshot.ts';
import { SourceAltered } from '../server/source-altered.ts';
import {
  changedTables,
  listExtensionSequences,
  listTables,
  measureTables,
  type SnapshotTable,
  type TableToDump,
} from './tables.ts';

const RETRY_MS = 200;
/** How many tables are locked by one statement. */
const BATCH = 100;
/** After this many snapshots in vain, others alter tables all the time. */
const ATTEMPTS = 10;

/** How long to wait for a sequence: who has it may wait for a table that is held here. */
const SEQUENCE_WAIT_MS = 200;

const LOCK_NOT_AVAILABLE = '55P03';
/** The table, or its schema, is not there any more. */
const GONE = ['42P01', '3F000'];

/** What is not dumped, and what is dumped without its rows: see Omission. */
interface Omitted {
  isGone(name: string): boolean;
  isEmptied(name: string): boolean;
}

/** The state that a folder is dumped of. */
export interface FixedState {
  readonly snapshot: Snapshot;
  readonly tables: TableToDump[];
  /** Where those that the snapshot has stood right after it. */
  readonly sequences: Contents['sequences'];
  /** Those of extensions, likewise. */
  readonly extensionSequences: Contents['sequences'];
  /**
   * To be called when all is dumped, for nobody was kept from altering a table.
   * @throws SourceAltered when somebody did
   */
  readonly assertUnaltered?: () => Promise<void>;
}

/**
 * Takes the snapshot and holds every table that it has as a reader does (ACCESS SHARE) until the transaction ends: nobody
 * can drop or alter it then. What the snapshot has is what is read later: where a table was dropped, altered, truncated
 * or rewritten between the two, another snapshot is taken. While a table is locked by somebody else, none is held.
 *
 * @throws OperatorError DUMP_INCOMPLETE naming the table that was locked for LOCK_TIMEOUT, or when tables are altered
 *   all the time
 */
export async function fixTables(
  connection: Connection,
  source: DatabaseSource,
  signal: AbortSignal,
  omitted?: Omitted,
): Promise<FixedState> {
  const now = await connect(source, source.database, signal);
  await now.query(`set lock_timeout = ${SEQUENCE_WAIT_MS}`);
  const deadline = Date.now() + source.lockTimeoutMs;
  let altered: string[] = [];
  try {
    for (let attempts = 0; attempts < ATTEMPTS; ) {
      const snapshot = await exportSnapshot(connection);
      const all = await listTables(connection);
      const tables = all.filter(({ name }) => !omitted?.isGone(name) && !omitted?.isEmptied(name));
      const { isHeld, lockedBy } = source.holdsNoTables ? FREE : await hold(connection, tables);
      if (lockedBy !== undefined && Date.now() > deadline) throw lockedError(source, lockedBy);
      if (lockedBy === undefined) {
        altered = await changedTables(now, tables);
        const read = isHeld && altered.length === 0 ? await readSequences(connection, now, omitted) : undefined;
        if (read) {
          const fixed = { snapshot, tables: await measureTables(connection, tables), ...read };
          if (!source.holdsNoTables) return fixed;
          return { ...fixed, assertUnaltered: () => assertUnaltered(source, tables, signal) };
        }
        attempts += 1;
      }
      await connection.query('rollback');
      await sleep(RETRY_MS, undefined, { signal });
    }
  } finally {
    await now.close();
  }
  throw new SourceAltered(
    'DUMP_INCOMPLETE',
    `source ${source.name}: tables were altered each time the dump began, most recently ${altered.length > 0 ? altered.slice(0, 5).join(', ') : 'a sequence'}`,
    { hint: 'Wait until whatever does that has ended. Nothing was stored.' },
  );
}

const FREE: Awaited<ReturnType<typeof hold>> = { isHeld: true };

/** A table that was truncated or rewritten has no rows for a snapshot that is older. */
async function assertUnaltered(
  source: DatabaseSource,
  tables: readonly SnapshotTable[],
  signal: AbortSignal,
): Promise<void> {
  const now = await connect(source, source.database, signal);
  const altered = await changedTables(now, tables).finally(() => now.close());
  if (altered.length === 0) return;
  throw new SourceAltered(
    'DUMP_INCOMPLETE',
    `source ${source.name}: tables were altered while they were dumped: ${altered.slice(0, 5).join(', ')}`,
    { hint: 'Back up again. With a higher max_locks_per_transaction nobody could. Nothing was stored.' },
  );
}

/** @returns whether every table is held, and if one is locked, the server's words for it */
async function hold(
  connection: Connection,
  tables: readonly SnapshotTable[],
): Promise<{ isHeld: boolean; lockedBy?: string }> {
  for (let start = 0; start < tables.length; start += BATCH) {
    const names = tables.slice(start, start + BATCH).map(({ name }) => `only ${name}`);
    try {
      // not waiting, it names the table
      await connection.query(`lock table ${names.join(', ')} in access share mode nowait`);
    } catch (error) {
      const state = sqlState(error) ?? '';
      if (GONE.includes(state)) return { isHeld: false };
      if (state === LOCK_NOT_AVAILABLE) return { isHeld: false, lockedBy: messageOf(error) };
      throw error;
    }
  }
  return { isHeld: true };
}

/**
 * Reads them outside of the snapshot's transaction, which would hold each until the end of the dump: somebody who drops
 * one, or truncates its table with RESTART IDENTITY, would wait for that.
 * @returns undefined when one is gone or locked
 */
async function readSequences(
  connection: Connection,
  now: Connection,
  omitted: Omitted | undefined,
): Promise<Pick<FixedState, 'sequences' | 'extensionSequences'> | undefined> {
  const names = (await listRelations(connection, 'S'))
    .map(({ name }) => name)
    .filter((name) => !omitted?.isGone(name) && !omitted?.isEmptied(name));
  const ofExtensions = await listExtensionSequences(connection);
  try {
    return {
      sequences: await readPositions(now, names),
      extensionSequences: await readPositions(now, ofExtensions),
    };
  } catch (error) {
    if ([LOCK_NOT_AVAILABLE, ...GONE].includes(sqlState(error) ?? '')) return undefined;
    throw error;
  }
}

function lockedError({ name, lockTimeoutMs }: DatabaseSource, reason: string): OperatorError {
  return new OperatorError(
    'DUMP_INCOMPLETE',
    `source ${name}: another session has locked a table for longer than ${formatDuration(lockTimeoutMs)} (LOCK_TIMEOUT): ${reason}`,
    { hint: 'End that session (pg_stat_activity), or raise LOCK_TIMEOUT. Nothing was stored.' },
  );
}
