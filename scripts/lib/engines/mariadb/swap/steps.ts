import { messageOf, OperatorError } from '../../../errors.ts';
import { log } from '../../../terminal/log.ts';
import { letBrokenMove, readBroken } from '../server/broken.ts';
import { type CodeKind, type CodeObject, dropCode, listCode } from '../server/code-objects.ts';
import { type Connection, quoteIdentifier, quoteLiteral } from '../server/connection.ts';
import { displayName } from '../server/contents.ts';
import { LOCK_WAIT_SECONDS } from '../server/databases.ts';
import { createAll, createCode } from '../server/make-code.ts';
import { createViews } from '../server/views.ts';
import { recordState, removeJournal, type SwapPlan, type SwapState } from './journal.ts';
import { dropEmptied, dropMade, isMade, makeDatabase, tablesOf } from './made.ts';
import { bindToOwn } from './rebind.ts';
import { giveRoutineGrants } from './routine-grants.ts';

const ROUTINES: readonly CodeKind[] = ['package', 'package body', 'function', 'procedure'];
const qualified = (database: string, name: string) => `${quoteIdentifier(database)}.${quoteIdentifier(name)}`;

interface Advance {
  /** A view that could not be made the first time, and cannot be made now, must not keep everything else waiting. */
  readonly isResumed: boolean;
  /** Called when the live database is whole. */
  isLive(): Promise<void>;
}

/** Takes every step that has not been taken, in order. Each may have been taken in part. */
export async function advance(
  connection: Connection,
  plan: SwapPlan,
  from: SwapState,
  { isResumed, isLive }: Advance,
): Promise<void> {
  await connection.query(
    `set session lock_wait_timeout = ${LOCK_WAIT_SECONDS}, session foreign_key_checks = 0, session sql_mode = ''`,
  );
  if (from === 'begun') {
    await makeDatabase(connection, plan);
    await recordState(connection, plan, 'made');
  }
  if (from === 'begun' || from === 'made') {
    // with a swap that is resumed, what was let go already is broken no more
    if (plan.old !== null)
      await letBrokenMove(connection, plan.live, await readBroken(connection, plan.live, plan.broken));
    await moveTables(connection, plan);
    await recordState(connection, plan, 'moved');
  }
  if (from !== 'live') {
    await bindToOwn(
      connection,
      plan.live,
      [plan.next, plan.old].filter((name) => name !== null),
    );
    if (plan.old !== null) await bindToOwn(connection, plan.old, [plan.live, plan.next]);
    await furnishLive(connection, plan, isResumed);
    await recordState(connection, plan, 'live');
  }
  await isLive();
  await furnishOld(connection, plan);
  await dropEmptied(connection, plan);
}

type Rename = readonly [fromDatabase: string, from: string, toDatabase: string, to: string];

/** All of them or none: the server undoes what it has renamed when one fails. */
async function rename(connection: Connection, pairs: readonly Rename[]): Promise<void> {
  if (pairs.length === 0) return;
  const texts = pairs.map(([a, from, b, to]) => `${qualified(a, from)} to ${qualified(b, to)}`);
  await connection.query(`rename table ${texts.join(', ')}`);
}

async function moveTables(connection: Connection, plan: SwapPlan): Promise<void> {
  const { live, next, old } = plan;
  // drop the triggers of the restored tables, which could not be moved with them
  await dropCode(connection, next, ['trigger']);
  if (old !== null) {
    // stop the events of the live database
    await dropCode(connection, live, ['event']);
    const kept = await tablesOf(connection, old);
    let here = await tablesOf(connection, live);
    // hide the live tables that have triggers
    await rename(
      connection,
      plan.liveTables.flatMap(({ name, hidden }) =>
        hidden !== undefined && !kept.has(name) && !here.has(hidden) && here.has(name)
          ? [[live, name, live, hidden]]
          : [],
      ),
    );
    // drop their triggers
    await dropCode(connection, live, ['trigger']);
    // drop the views of the live database
    await dropCode(connection, live, ['view']);
    here = await tablesOf(connection, live);
    const waiting = await tablesOf(connection, next);
    // what has been made since the plan was is the replaced database's too
    const planned = new Set(plan.liveTables.flatMap(({ name, hidden }) => [name, ...(hidden ? [hidden] : [])]));
    const haveMoved = kept.size > 0 || plan.nextTables.some(({ name }) => !waiting.has(name));
    const since = haveMoved ? [] : [...here].filter((name) => !planned.has(name));
    // let the tables change places
    await rename(connection, [
      ...since.map((name): Rename => [live, name, old, name]),
      ...plan.liveTables.flatMap(({ name, hidden = name }): Rename[] =>
        !kept.has(name) && here.has(hidden) ? [[live, hidden, old, name]] : [],
      ),
      ...movesIn(plan, waiting),
    ]);
    return;
  }
  const waiting = await tablesOf(connection, next);
  // move the tables
  await rename(connection, movesIn(plan, waiting));
}

function movesIn({ live, next, nextTables }: SwapPlan, waiting: ReadonlySet<string>): Rename[] {
  return nextTables.flatMap(({ name, hidden = name }): Rename[] =>
    waiting.has(name) ? [[next, name, live, hidden]] : [],
  );
}

async function createTriggers(
  connection: Connection,
  database: string,
  code: readonly CodeObject[],
  tables: readonly { readonly of: string; readonly at: string }[],
): Promise<void> {
  for (const { of, at } of tables) {
    for (const trigger of code.filter(({ kind, table }) => kind === 'trigger' && table === of)) {
      await connection.query(`drop trigger if exists ${qualified(database, trigger.name)}`);
      await createCode(connection, database, trigger, { table: at });
    }
  }
}

async function furnishLive(connection: Connection, plan: SwapPlan, isResumed: boolean): Promise<void> {
  const { live, nextTables, nextCode } = plan;
  const here = await tablesOf(connection, live);
  const hidden = nextTables.flatMap((table) =>
    table.hidden !== undefined && here.has(table.hidden) ? [{ of: table.name, at: table.hidden }] : [],
  );
  // make the triggers of the restored tables
  await createTriggers(connection, live, nextCode, hidden);
  // make the routines
  await dropCode(connection, live, ROUTINES);
  for (const routine of nextCode.filter(({ kind }) => ROUTINES.includes(kind)))
    await createCode(connection, live, routine);
  await giveRoutineGrants(connection, plan.routineGrants);
  // show the restored tables that have triggers
  await rename(
    connection,
    hidden.map(({ of, at }): Rename => [live, at, live, of]),
  );
  // make the views
  await dropCode(connection, live, ['view']);
  const failed = await createViews(
    connection,
    live,
    nextCode.filter(({ kind }) => kind === 'view'),
  );
  for (const { object, reason } of failed) {
    const message = `the view ${displayName(object.name)} could not be made: ${reason}`;
    if (!isResumed) throw new OperatorError('RESTORE_FAILED', message);
    log.warn(message);
  }
  // set what new tables are made with, and take the mark off a database that was made for this
  const comment =
    plan.old === null && (await isMade(connection, plan)) ? ` comment ${quoteLiteral(plan.comment ?? '')}` : '';
  await connection.query(
    `alter database ${quoteIdentifier(live)} character set ${plan.defaults.encoding} collate ${plan.defaults.collation}${comment}`,
  );
  // start the events
  await dropCode(connection, live, ['event']);
  for (const event of nextCode.filter(({ kind }) => kind === 'event'))
    await createCode(connection, live, event, { asleep: !plan.runsEvents });
}

/** The replaced database keeps its code too. What of it was broken before must not stop the restore that mends it. */
async function furnishOld(connection: Connection, { old, liveCode, oldDefaults }: SwapPlan): Promise<void> {
  if (old === null) return;
  // one that was interrupted while it made code of another collation
  if (oldDefaults) await connection.query(`alter database ${quoteIdentifier(old)} collate ${oldDefaults.collation}`);
  // give the replaced database its code
  await dropCode(connection, old, ['event', 'trigger', 'view', ...ROUTINES]);
  const rest = liveCode.filter(({ kind }) => kind === 'event' || kind === 'trigger');
  const failed = await createAll(
    connection,
    old,
    liveCode.filter(({ kind }) => ROUTINES.includes(kind)),
  );
  const views = liveCode.filter(({ kind }) => kind === 'view');
  failed.push(...(await createViews(connection, old, views)));
  for (const object of rest) {
    await createCode(connection, old, object, { asleep: true }).catch((error: unknown) => {
      failed.push({ object, reason: messageOf(error) });
    });
  }
  for (const { object, reason } of failed) {
    log.warn(`the ${object.kind} ${displayName(object.name)} of the replaced database could not be kept: ${reason}`);
  }
}

/**
 * Undoes what a swap has done as long as no table has changed places.
 * @returns false when that is over: then only going on leads to a whole database
 */
export async function takeBack(connection: Connection, plan: SwapPlan): Promise<boolean> {
  const { live, next, old } = plan;
  try {
    const waiting = await tablesOf(connection, next);
    const kept = old === null ? new Set<string>() : await tablesOf(connection, old);
    if (kept.size > 0 || plan.nextTables.some(({ name }) => !waiting.has(name))) return false;
    const here = await tablesOf(connection, live);
    const hidden = plan.liveTables.flatMap((table) =>
      table.hidden !== undefined && here.has(table.hidden) ? [{ of: table.name, at: table.hidden }] : [],
    );
    await createTriggers(connection, live, plan.liveCode, hidden);
    await rename(
      connection,
      hidden.map(({ of, at }): Rename => [live, at, live, of]),
    );
    const there = new Set((await listCode(connection, live)).map(({ kind, name }) => `${kind} ${name}`));
    const isGone = ({ kind, name }: CodeObject) => !there.has(`${kind} ${name}`);
    await createViews(
      connection,
      live,
      plan.liveCode.filter((object) => object.kind === 'view' && isGone(object)),
    );
    for (const event of plan.liveCode.filter((object) => object.kind === 'event' && isGone(object)))
      await createCode(connection, live, event);
    await createTriggers(
      connection,
      next,
      plan.nextCode,
      plan.nextTables.flatMap(({ name, hidden: has }) => (has === undefined ? [] : [{ of: name, at: name }])),
    );
    await dropMade(connection, plan);
    await removeJournal(connection, plan);
    return true;
  } catch (error) {
    log.warn(`the swap could not be taken back: ${messageOf(error)}`);
    return false;
  }
}
