import { OperatorError } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { command } from '../../../terminal/hints.ts';
import { timeOfBeside } from '../../database/beside-names.ts';
import type { CodeObject } from '../server/code-objects.ts';
import { type Connection, quoteIdentifier } from '../server/connection.ts';
import type { DatabaseDefaults } from '../server/facts.ts';

/** Lies in the database that is swapped in, from before the first change until after the last. */
const JOURNAL = '_compose_db_backup_swap';

/**
 * How far a swap has come. `begun`: the live tables are where they were; `made`: so is the database that some of them go
 * to, and the live ones may be hidden; `moved`: every table is in its new
 * place; `live`: the live database is complete, the replaced one not yet.
 */
export type SwapState = 'begun' | 'made' | 'moved' | 'live';

/** A table of either side. One with triggers gets a name of its own for the moment in which it has none. */
export interface SwappedTable {
  readonly name: string;
  readonly hidden?: string;
}

/** Everything that a swap needs to know, written down before it changes anything. */
export interface SwapPlan {
  readonly version: 1;
  readonly live: string;
  /** The database whose contents become the live one's; dropped at the end. */
  readonly next: string;
  /** Where the live one's contents go; null when there is no live database. */
  readonly old: string | null;
  readonly defaults: DatabaseDefaults;
  readonly oldDefaults: DatabaseDefaults | null;
  /** Of a live database that the swap makes; one that is there keeps its own. */
  readonly comment?: string;
  readonly nextTables: readonly SwappedTable[];
  readonly liveTables: readonly SwappedTable[];
  /** Those of them that the server cannot open. */
  readonly broken?: readonly string[];
  readonly nextCode: readonly CodeObject[];
  readonly liveCode: readonly CodeObject[];
  /** On single routines of the live database, as statements: they go with the routines. */
  readonly routineGrants?: readonly string[];
  /** Events run where they are live, but not in a copy beside. */
  readonly runsEvents: boolean;
  readonly undoes: boolean;
}

export interface Unfinished {
  readonly plan: SwapPlan;
  readonly state: SwapState;
}

const tableOf = (plan: Pick<SwapPlan, 'next'>) => `${quoteIdentifier(plan.next)}.${quoteIdentifier(JOURNAL)}`;

/** Whether a table is the journal, which belongs to neither side. */
export const isJournal = (name: string): boolean => name === JOURNAL;

export async function writeJournal(connection: Connection, plan: SwapPlan): Promise<void> {
  const table = tableOf(plan);
  await connection.query(
    `create or replace table ${table} (id tinyint not null primary key, state varchar(16) not null, plan longtext not null) engine=InnoDB default charset=utf8mb4`,
  );
  await connection.query(`insert into ${table} values (1, 'begun', ?)`, [JSON.stringify(plan)]);
}

export async function recordState(connection: Connection, plan: SwapPlan, state: SwapState): Promise<void> {
  await connection.query(`update ${tableOf(plan)} set state = ?`, [state]);
}

export async function removeJournal(connection: Connection, plan: SwapPlan): Promise<void> {
  await connection.query(`drop table if exists ${tableOf(plan)}`);
}

/** The databases of the server that a journal lies in. The server looks into every database for it. */
export async function journals(connection: Connection): Promise<string[]> {
  const rows = await connection.query<{ next: string }>(
    'select table_schema as next from information_schema.tables where table_name = ?',
    [JOURNAL],
  );
  return rows.map(({ next }) => next);
}

/**
 * The swaps of this database that broke off half way. There is at most one, as the next command ends it.
 * @param among what `journals` has found, where that is known
 */
export async function findUnfinished(
  connection: Connection,
  live: string,
  among?: readonly string[],
): Promise<Unfinished[]> {
  const found: Unfinished[] = [];
  for (const next of among ?? (await journals(connection))) {
    const isOurs = (['restoring', 'previous'] as const).some((role) => timeOfBeside(next, live, role) !== undefined);
    if (!isOurs) continue;
    const [row] = await connection.query<{ state: SwapState; plan: string }>(
      `select state, plan from ${tableOf({ next })}`,
    );
    // made, but nothing written: nothing was changed either
    if (!row) continue;
    const plan = JSON.parse(row.plan) as SwapPlan;
    // one that came here with a copy of the database that it was written in is not about this one
    if (plan.live === live && plan.next === next) found.push({ state: row.state, plan });
  }
  return found;
}

/** @throws OperatorError RESTORE_REFUSED: what is live is half the one and half the other database */
export async function assertNotHalfSwapped(connection: Connection, source: DatabaseSource): Promise<void> {
  const [unfinished] = await findUnfinished(connection, source.database);
  if (!unfinished || unfinished.state === 'live') return;
  throw new OperatorError(
    'RESTORE_REFUSED',
    `a restore of ${source.database} was interrupted while it put the restored tables in place: what is there is neither database whole`,
    { hint: `${command('restore')} or ${command('undo')}: either one first completes it from where it stopped.` },
  );
}
