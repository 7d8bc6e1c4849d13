import { messageOf, OperatorError } from '../../../errors.ts';
import type { Connection } from '../server/connection.ts';
import { loadHint } from '../server/load-hints.ts';
import type { Sessions } from '../server/sessions.ts';
import type { BuildPlan, Reference, Task } from './build-plan.ts';

/**
 * Builds what belongs upon loaded tables: indexes side by side, the largest tables' first, then foreign keys.
 * @throws OperatorError RESTORE_FAILED with the statement that failed
 */
export async function build({ steps }: BuildPlan, sessions: Sessions): Promise<void> {
  for (const step of steps) {
    if (step.kind === 'in order') for (const sql of step.statements) await run(sessions.first, sql);
    else if (step.kind === 'indexes') await buildIndexes(step.tasks, sessions);
    else await addReferences(step.tasks, sessions);
  }
}

async function run(connection: Connection, sql: string): Promise<void> {
  try {
    await connection.query(sql);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    const statement = sql.replace(/\s+/g, ' ').slice(0, 200);
    const message = `${messageOf(error)} (${statement})`;
    throw new OperatorError('RESTORE_FAILED', message, {
      hint: `${loadHint(message) ?? ''} The live database is as it was.`.trimStart(),
      cause: error.cause,
    });
  }
}

async function buildIndexes(tasks: readonly Task[], sessions: Sessions): Promise<void> {
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
async function addReferences(tasks: readonly Reference[], sessions: Sessions): Promise<void> {
  const facts = await tableFacts(sessions.first, tasks);
  const unchecked: Reference[] = [];
  for (const task of tasks) {
    const isCheckable = facts.get(task.table)?.kind === 'r' && !/NOT (VALID|ENFORCED)$/.test(task.sql);
    await run(sessions.first, isCheckable ? `${task.sql} NOT VALID` : task.sql);
    if (isCheckable) unchecked.push(task);
  }
  const sizeOf = ({ table }: Reference) => facts.get(table)?.sizeBytes ?? 0;
  unchecked.sort((a, b) => sizeOf(b) - sizeOf(a));
  await sessions.each(unchecked, (connection, { table, constraint }) =>
    run(connection, `ALTER TABLE ${table} VALIDATE CONSTRAINT ${constraint}`),
  );
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
