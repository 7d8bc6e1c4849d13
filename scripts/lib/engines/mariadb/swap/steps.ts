import { messageOf, OperatorError } from '../../../errors.ts';
import { log } from '../../../terminal/log.ts';
import {
  type CodeKind,
  type CodeObject,
  createAll,
  createCode,
  dropCode,
  listCode,
  readCode,
} from '../server/code-objects.ts';
import { type Connection, errorName, quoteIdentifier } from '../server/connection.ts';
import { displayName, listTables } from '../server/contents.ts';
import { dropDatabase, LOCK_WAIT_SECONDS } from '../server/databases.ts';
import { createViews } from '../server/views.ts';
import { isJournal, readState, recordState, removeJournal, type SwapPlan, type SwapState } from './journal.ts';
import { bindToOwn } from './rebind.ts';

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

/** Databases that a swap of this process has made, should it come to taking them back. */
const made = new WeakSet<SwapPlan>();

/**
 * Makes the database that was not there when the plan was made.
 * @throws OperatorError RESTORE_REFUSED when somebody else has made it since, and put something into it
 */
async function makeDatabase(connection: Connection, plan: SwapPlan): Promise<void> {
  const { live, old } = plan;
  const [name, defaults] = old === null ? [live, plan.defaults] : [old, plan.oldDefaults ?? plan.defaults];
  try {
    await connection.query(
      `create database ${quoteIdentifier(name)} character set ${defaults.encoding} collate ${defaults.collation}`,
    );
    made.add(plan);
  } catch (error) {
    if (errorName(error) !== 'ER_DB_CREATE_EXISTS') throw error;
    // made by a swap that broke off, or by an application that looked for its database: nothing is in it
    if (await isEmpty(connection, name)) return;
    throw new OperatorError('RESTORE_REFUSED', `${name} was made by somebody else while the backup was loaded`, {
      hint: 'Stop what makes it, and restore again: what is in it now will then be kept. Nothing of it was touched.',
      cause: error,
    });
  }
}

async function isEmpty(connection: Connection, database: string): Promise<boolean> {
  const tables = await listTables(connection, database);
  return tables.length === 0 && (await listCode(connection, database)).length === 0;
}

/** What was emptied goes, unless there is something in it that the swap did not leave there. The live database is whole. */
async function dropEmptied(connection: Connection, plan: SwapPlan): Promise<void> {
  const strange = [...(await tablesOf(connection, plan.next))].filter((name) => !isJournal(name));
  if (strange.length > 0) {
    await removeJournal(connection, plan);
    log.warn(
      `${plan.next} stays, for these tables in it are none of the swap's: ${strange.map(displayName).join(', ')}`,
    );
    return;
  }
  try {
    await dropDatabase(connection, plan.next);
  } catch (error) {
    await removeJournal(connection, plan);
    log.warn(`${plan.next}, which is of no more use, could not be dropped: ${messageOf(error)}`);
  }
}

async function tablesOf(connection: Connection, database: string): Promise<Set<string>> {
  return new Set(
    (await listTables(connection, database)).filter(({ kind }) => kind !== 'view').map(({ name }) => name),
  );
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
  // set what new tables are made with
  await connection.query(
    `alter database ${quoteIdentifier(live)} character set ${plan.defaults.encoding} collate ${plan.defaults.collation}`,
  );
  // start the events
  await dropCode(connection, live, ['event']);
  for (const event of nextCode.filter(({ kind }) => kind === 'event'))
    await createCode(connection, live, event, { asleep: !plan.runsEvents });
}

/** The replaced database keeps its code too. What of it was broken before must not stop the restore that mends it. */
async function furnishOld(connection: Connection, { old, liveCode }: SwapPlan): Promise<void> {
  if (old === null) return;
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
    const there = new Set((await readCode(connection, live)).map(({ kind, name }) => `${kind} ${name}`));
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
    const into = old ?? live;
    const isOurs = made.has(plan) || (await readState(connection, plan)) === 'made';
    if (isOurs && (await isEmpty(connection, into))) await dropDatabase(connection, into);
    await removeJournal(connection, plan);
    return true;
  } catch (error) {
    log.warn(`the swap could not be taken back: ${messageOf(error)}`);
    return false;
  }
}
