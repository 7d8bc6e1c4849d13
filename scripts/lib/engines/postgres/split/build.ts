import { messageOf, OperatorError } from '../../../errors.ts';
import type { Connection } from '../server/connection.ts';
import { ANY_REFUSAL, loadHint } from '../server/load-hints.ts';
import { serverWords } from '../server/server-says.ts';
import type { Sessions } from '../server/sessions.ts';
import type { BuildPlan, Reference, Task } from './build-plan.ts';

/**
 * Builds what belongs upon loaded tables: indexes side by side, the largest tables' first, then foreign keys.
 * @param tolerance goes on after a statement that fails
 * @throws OperatorError RESTORE_FAILED with the statement that failed
 */
export async function build({ steps }: BuildPlan, sessions: Sessions, tolerance?: Tolerance): Promise<void> {
  const run: Run = (connection, sql) => runOne(connection, sql, tolerance);
  for (const step of steps) {
    if (step.kind === 'in order') for (const sql of step.statements) await run(sessions.first, sql);
    else if (step.kind === 'indexes') await buildIndexes(step.tasks, sessions, run);
    else await addReferences(step.tasks, sessions, run, tolerance);
  }
}

/** Takes note of what the server refuses, instead of ending with it. */
export interface Tolerance {
  refuse(statement: string, reason: string): void;
  /** A foreign key that holds for rows from now on alone. @throws what is no word of the server's */
  keepUnchecked(key: { readonly table: string; readonly constraint: string }, error: unknown): void;
}

/** @returns false for a statement that was refused, and noted */
type Run = (connection: Connection, sql: string) => Promise<boolean>;

async function runOne(connection: Connection, sql: string, tolerance?: Tolerance): Promise<boolean> {
  try {
    await connection.query(sql);
    return true;
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    if (tolerance && error.code === 'PROCESS_FAILED') {
      await leave(connection, sql);
      tolerance.refuse(sql, serverWords(error.cause));
      return false;
    }
    const statement = sql.replace(/\s+/g, ' ').slice(0, 200);
    const message = `${messageOf(error)} (${statement})`;
    throw new OperatorError('RESTORE_FAILED', message, {
      hint: `${loadHint(message) ?? ANY_REFUSAL[1]} The live database is as it was.`,
      cause: error.cause,
    });
  }
}

/** What a statement of several parts that failed leaves a session in. */
export async function leave(connection: Connection, sql: string): Promise<void> {
  if (sql.startsWith('BEGIN;')) await connection.query('rollback');
  if (sql.startsWith('SET SESSION AUTHORIZATION')) await connection.query('reset session authorization');
}

async function buildIndexes(tasks: readonly Task[], sessions: Sessions, run: Run): Promise<void> {
  const facts = await tableFacts(sessions.first, tasks);
  const sizeOf = ({ table }: Task) => facts.get(table)?.sizeBytes ?? 0;
  const waiting = tasks.toSorted((a, b) => sizeOf(b) - sizeOf(a));
  const tables = new Map<string, { users: number; isExclusive: boolean }>();
  let waiters: (() => void)[] = [];

  // the first that does not have to wait for another one on the same table
  const take = (): Task | undefined => {
    const index = waiting.findIndex(({ table, isExclusive }) => {
      const use = tables.get(table);
      return !use || (!use.isExclusive && !isExclusive);
    });
    return index < 0 ? undefined : waiting.splice(index, 1)[0];
  };
  await sessions.each(tasks, async (connection) => {
    let task = take();
    while (!task) {
      await new Promise<void>((resolve) => waiters.push(resolve));
      task = take();
    }
    const { table, isExclusive } = task;
    const use = tables.get(table) ?? { users: 0, isExclusive };
    tables.set(table, { ...use, users: use.users + 1 });
    try {
      await run(connection, task.sql);
    } finally {
      const users = (tables.get(table)?.users ?? 1) - 1;
      if (users === 0) tables.delete(table);
      else tables.set(table, { users, isExclusive: false });
      const woken = waiters;
      waiters = [];
      for (const wake of woken) wake();
    }
  });
}

/**
 * Foreign keys lock both of their tables against each other, but not while they are checked: they are added unchecked,
 * one after the other, and checked side by side. The result is the same. On a partitioned table there is no such way.
 */
async function addReferences(
  tasks: readonly Reference[],
  sessions: Sessions,
  run: Run,
  tolerance?: Tolerance,
): Promise<void> {
  const facts = await tableFacts(sessions.first, tasks);
  const unchecked: Reference[] = [];
  for (const task of tasks) {
    const isCheckable = facts.get(task.table)?.kind === 'r' && !/NOT (VALID|ENFORCED)$/.test(task.sql);
    const isAdded = await run(sessions.first, isCheckable ? `${task.sql} NOT VALID` : task.sql);
    if (isCheckable && isAdded) unchecked.push(task);
  }
  const sizeOf = ({ table }: Reference) => facts.get(table)?.sizeBytes ?? 0;
  unchecked.sort((a, b) => sizeOf(b) - sizeOf(a));
  await sessions.each(unchecked, async (connection, { table, constraint }) => {
    const sql = `ALTER TABLE ${table} VALIDATE CONSTRAINT ${constraint}`;
    if (!tolerance) await run(connection, sql);
    // it is there already, for rows from now on
    else await connection.query(sql).catch((error: unknown) => tolerance.keepUnchecked({ table, constraint }, error));
  });
}

async function tableFacts(
  connection: Connection,
  tasks: readonly Task[],
): Promise<Map<string, { kind: string; sizeBytes: number }>> {
  const names = [...new Set(tasks.map(({ table }) => table))];
  const rows = await connection.query<{ name: string; kind: string; bytes: string }>(
    `select name, c.relkind as kind, pg_table_size(c.oid)::text as bytes
     from unnest($1::text[]) as name join pg_class c on c.oid = to_regclass(name)`,
    [names],
  );
  return new Map(rows.map(({ name, kind, bytes }) => [name, { kind, sizeBytes: Number(bytes) }]));
}
