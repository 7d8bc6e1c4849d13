import { startDeadline } from '../../../deadline.ts';
import { messageOf, OperatorError } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { command } from '../../../terminal/hints.ts';
import { log } from '../../../terminal/log.ts';
import { readBroken } from '../server/broken.ts';
import { type CodeObject, readCode } from '../server/code-objects.ts';
import { type Connection, connect, errorName } from '../server/connection.ts';
import { displayName, listTables } from '../server/contents.ts';
import { readDefaults } from '../server/facts.ts';
import { createCode } from '../server/make-code.ts';
import { createViews } from '../server/views.ts';
import {
  isJournal,
  removeJournal,
  type SwapPlan,
  type SwappedTable,
  type Unfinished,
  writeJournal,
} from './journal.ts';
import { clientsOf, keepOthersOut, readPrepared } from './other-clients.ts';
import { readRoutineGrants } from './routine-grants.ts';
import { advance, takeBack } from './steps.ts';

/** For how many times CONNECT_TIMEOUT a swap that was told to stop may continue to its end. */
const SWAP_GRACE = 4;

export interface SwapOrder {
  readonly live: string;
  readonly next: string;
  /** The new name of what is live now; null when nothing is. */
  readonly old: string | null;
  /** Of a live database that has to be made. */
  readonly comment?: string;
  readonly runsEvents: boolean;
  readonly undoes: boolean;
}

/**
 * Puts the contents of the database `next` in place of those of `live`, which are kept in `old`. Tables change
 * places in one statement; see docs/adr/0012-mariadb-swap.md for what cannot be so, and for what happens when this
 * breaks off half way.
 */
export async function swapDatabases(
  connection: Connection,
  source: DatabaseSource,
  order: SwapOrder,
  signal: AbortSignal,
): Promise<void> {
  const plan = await rehearseCode(connection, await planSwap(connection, order));
  if (plan.old !== null) await tellOfConnections(connection, plan.live);
  signal.throwIfAborted();
  try {
    await writeJournal(connection, plan);
  } catch (error) {
    await removeJournal(connection, plan).catch(() => {});
    throw error;
  }
  await complete(connection, source, { plan, state: 'begun' }, { isResumed: false, signal });
}

/** Completes a swap that broke off, from where it stopped. */
export async function resumeSwap(
  connection: Connection,
  source: DatabaseSource,
  unfinished: Unfinished,
  signal: AbortSignal,
): Promise<void> {
  const { plan } = unfinished;
  log.warn(
    `${plan.undoes ? 'an undo' : 'a restore'} of ${plan.live} was interrupted during the swap: completing it first`,
  );
  await complete(connection, source, unfinished, { isResumed: true, signal });
}

async function complete(
  connection: Connection,
  source: DatabaseSource,
  { plan, state }: Unfinished,
  { isResumed, signal }: { isResumed: boolean; signal: AbortSignal },
): Promise<void> {
  // once begun, only going on or going back leaves a whole database: an interrupt ends this only when the server hangs
  const late = startDeadline(signal, { graceMs: source.connectTimeoutMs * SWAP_GRACE });
  connection.follow(late.signal);
  const helper = await connect(source, late.signal);
  const others = keepOthersOut(helper, [plan.live, plan.next], connection.id);
  try {
    await advance(connection, plan, state, { isResumed, isLive: () => others.stop() });
  } catch (error) {
    if (await takeBack(connection, plan)) throw await explain(helper, plan, error);
    throw new OperatorError('RESTORE_FAILED', `the swap of ${plan.live} stopped half way: ${messageOf(error)}`, {
      hint: `${command('undo')} or ${command('restore')}: either one first completes it from where it stopped.`,
      cause: error,
    });
  } finally {
    await others.stop();
    await helper.close();
    late.stop();
  }
}

/** Reads both sides and writes down what is to happen to each thing. */
async function planSwap(connection: Connection, order: SwapOrder): Promise<SwapPlan> {
  const { live, next, old } = order;
  // those of what is replaced carry over; an undo brings its own back
  const defaults = await readDefaults(connection, old === null || order.undoes ? next : live);
  if (!defaults) throw new OperatorError('RESTORE_FAILED', `the database ${next} is gone`);
  const nextCode = await readCode(connection, next);
  // what of the live side is broken must not hold the restored side back
  const tell = (what: string, error: unknown) =>
    log.warn(`${what} of ${live} cannot be read, and is not kept with what is replaced: ${messageOf(error)}`);
  const liveCode = old === null ? [] : await readCode(connection, live, tell);
  const digits = /\d+$/.exec(next)?.[0] ?? '';
  return {
    version: 1,
    ...order,
    defaults,
    oldDefaults: old === null ? null : ((await readDefaults(connection, live)) ?? null),
    nextTables: await swappedTables(connection, next, nextCode, `_swap${digits}_new`),
    broken: old === null ? [] : (await readBroken(connection, live)).map(({ name }) => name),
    liveTables: old === null ? [] : await swappedTables(connection, live, liveCode, `_swap${digits}_old`),
    nextCode,
    liveCode,
    routineGrants: await readRoutineGrants(connection, live),
  };
}

/**
 * Makes everything that the swap will make once more where it is, in the database that nobody uses yet: what cannot be
 * made is found out before anything live is touched.
 */
async function rehearseCode(connection: Connection, plan: SwapPlan): Promise<SwapPlan> {
  const { next, live, undoes } = plan;
  const views = plan.nextCode.filter(({ kind }) => kind === 'view');
  const failed = await createViews(connection, next, views, true);
  for (const object of plan.nextCode.filter(({ kind }) => kind !== 'view')) {
    await createCode(connection, next, object, { again: true, asleep: true }).catch((error: unknown) => {
      failed.push({ object, reason: messageOf(error) });
    });
  }
  for (const { object, reason } of failed) {
    const message = `the ${object.kind} ${displayName(object.name)} could not be made again, as putting it in place needs: ${reason}`;
    // what broke while it was kept must not keep the rest from coming back
    if (!undoes) throw new OperatorError('RESTORE_REFUSED', message, { hint: `${live} is as it was.` });
    log.warn(`${message}; it is left out`);
  }
  return { ...plan, nextCode: plan.nextCode.filter((object) => !failed.some((each) => each.object === object)) };
}

async function swappedTables(
  connection: Connection,
  database: string,
  code: readonly CodeObject[],
  hiddenPrefix: string,
): Promise<SwappedTable[]> {
  const withTriggers = new Set(code.flatMap(({ table }) => (table === undefined ? [] : [table])));
  return (await listTables(connection, database))
    .filter(({ name, kind }) => kind !== 'view' && !isJournal(name))
    .map(({ name }, i) => (withTriggers.has(name) ? { name, hidden: `${hiddenPrefix}${i}` } : { name }));
}

async function tellOfConnections(connection: Connection, database: string): Promise<void> {
  const clients = await clientsOf(connection, [database], connection.id);
  if (clients.length === 0) return;
  const counts = new Map<string, number>();
  for (const { user } of clients) counts.set(user, (counts.get(user) ?? 0) + 1);
  log.warn(`ending the connections to ${database}: ${[...counts].map(([user, n]) => `${n} × ${user}`).join(', ')}`);
}

async function explain(helper: Connection, { live }: SwapPlan, error: unknown): Promise<unknown> {
  if (errorName(error) !== 'ER_LOCK_WAIT_TIMEOUT') return error;
  const clients = await clientsOf(helper, [live], helper.id).catch(() => []);
  const named = [...new Set(clients.map(({ user }) => user))].join(', ');
  const prepared = await readPrepared(helper);
  if (prepared.length > 0)
    return new OperatorError(
      'RESTORE_REFUSED',
      `${live} could not be swapped: XA transactions are prepared, and hold their tables: ${prepared.join(', ')}`,
      {
        hint: 'XA COMMIT or XA ROLLBACK ends each; then restore again. The live database is as it was.',
        cause: error,
      },
    );
  return new OperatorError('RESTORE_REFUSED', `${live} could not be swapped: it is in use by ${named || 'others'}`, {
    hint: 'Stop these clients, or give the restoring user CONNECTION ADMIN (before MariaDB 10.5: SUPER) and PROCESS, and restore again. The live database is as it was.',
    cause: error,
  });
}
