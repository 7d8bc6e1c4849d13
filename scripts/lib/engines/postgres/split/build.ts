import { messageOf, OperatorError } from '../../../errors.ts';
import type { Connection } from '../server/connection.ts';
import { ANY_REFUSAL, loadHint } from '../server/load-hints.ts';
import { serverWords } from '../server/server-says.ts';
import type { Sessions } from '../server/sessions.ts';
import type { BuildPlan, Reference, Task } from './build-plan.ts';
import { IndexBuilds } from './index-builds.ts';
import { giveBackMemory, giveMemory, sortMemoryKb } from './sort-memory.ts';

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

/**
 * Runs a statement of a dump's last part.
 * @throws OperatorError RESTORE_FAILED with the statement, where nobody takes note of it
 */
export async function runOne(connection: Connection, sql: string, tolerance?: Tolerance): Promise<boolean> {
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
  if (tasks.length === 0) return;
  const facts = await tableFacts(sessions.first, tasks);
  const builds = new IndexBuilds();
  builds.add(tasks, ({ table }) => facts.get(table)?.sizeBytes ?? 0);
  await sessions.together(async (connection) => {
    await builds.work(async ({ task, sizeBytes, isAlone }) => {
      await giveMemory(connection, task, sortMemoryKb(sizeBytes, isAlone ? sessions.count : 1));
      await run(connection, task.sql);
    });
    await giveBackMemory(connection);
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
