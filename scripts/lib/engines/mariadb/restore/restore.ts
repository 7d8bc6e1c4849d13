import { dirname } from 'node:path';
import { OperatorError } from '../../../errors.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { pointOfNoReturn } from '../../committed.ts';
import type { RestoreOptions, RestoreSession } from '../../restoring.ts';
import { assertComplete, assertForeignComplete } from '../dump/completion.ts';
import { dropOthers, pickedOf, pickStage, placeOf } from '../pick/pick.ts';
import { listCode } from '../server/code-objects.ts';
import { type Connection, connect, quoteIdentifier } from '../server/connection.ts';
import { countCode, countContents, displayName, listTables } from '../server/contents.ts';
import { asStored, freeBesideName, listDatabases, storedName } from '../server/databases.ts';
import { readOpenEnd } from '../server/history.ts';
import { takeLock } from '../server/locks.ts';
import { makesFunctions, type Needs, raiseLimits } from '../server/raised.ts';
import { describeUnheld, readOrphans, readUnheldChecks, type Unheld } from '../server/unheld.ts';
import { readUnread } from '../server/views.ts';
import { swapDatabases } from '../swap/swap.ts';
import { type Accounts, giveGrants, makeMissingAccounts, rehearseAccounts } from './accounts.ts';
import { makeCodeApart } from './code-apart.ts';
import { dropLeftovers } from './leftovers.ts';
import { clientStage, type LoadPlan, loadStage } from './load-stage.ts';
import { cameWithHistory, type LeftOut, laterFile, makeLater, withLeftOut } from './made-later.ts';
import { assertRestorable, warnOfMissingDefiners } from './preflight.ts';
import { proofSide } from './proof-side.ts';
import { assertEmpty, createStaging, discard } from './staging.ts';
import { completeUnfinished } from './undo.ts';

/** See Engine.beginRestore. */
export async function beginRestore(given: DatabaseSource, options: RestoreOptions): Promise<RestoreSession> {
  const { manifest, globals, pick, signal } = options;
  const swaps = options.to === undefined && pick === undefined;
  const connection = await connect(given, signal);
  let putBack = async () => {};
  try {
    const source = await asStored(connection, given);
    const to = options.to === undefined ? undefined : await storedName(connection, options.to);
    const target = to ?? source.database;
    const place = { ...source, database: target };
    await takeLock(connection, { purpose: 'restore', source: place });
    await completeUnfinished(connection, place, signal);
    await dropLeftovers(connection, place);
    const targetExists = (await listDatabases(connection)).includes(target);
    await assertRestorable(connection, source, { target, targetExists, swaps, manifest });
    // those of a rehearsal are made when what they are granted is there
    const isGiven = globals !== undefined && options.rehearses !== true;
    const dumped = manifest?.database ?? source.database;
    const isNew = swaps && !targetExists;
    const accounts = isGiven ? await makeMissingAccounts(connection, globals, { dumped, isNew }) : NONE;
    const liveCode = targetExists ? await countCode(connection, target) : {};
    putBack = await raiseLimits(connection, source, needsOf(manifest, liveCode));
    const comment = manifest?.comment ?? '';
    const openEnd = await readOpenEnd(connection);
    const known = {
      openEnd,
      globals: options.rehearses === true ? globals : undefined,
      definers: manifest?.roles ?? [],
      hasManifest: manifest !== undefined,
      emptied: manifest?.leftOut?.data ?? [],
      gone: manifest?.leftOut?.tables ?? [],
      comment,
      putBack,
      connection,
      source,
      target,
      signal,
      dumped,
      rehearses: options.rehearses === true,
      pick,
      isBeside: to !== undefined,
      broken: options.withoutBroken ? [] : undefined,
    };
    if (to !== undefined && targetExists) {
      await assertEmpty(connection, to, manifest);
      return session({ ...known, staging: to, isForeign: true, swaps: false, accounts: { ...accounts, grants: [] } });
    }
    const staging = await freeBesideName(connection, target, 'restoring');
    const like = to === undefined ? target : source.database;
    await createStaging(connection, source, { staging, target, like }, manifest);
    return session({
      ...known,
      staging,
      isForeign: false,
      swaps,
      accounts: swaps ? accounts : { ...accounts, grants: [] },
    });
  } catch (error) {
    await putBack();
    await connection.close();
    throw error;
  }
}

/** Without a manifest nobody knows what a dump needs. What is replaced gets its code again where it is kept. */
function needsOf(manifest: Manifest | undefined, liveCode: Readonly<Record<string, number>>): Needs {
  const { longestRowBytes, codeObjects } = manifest ?? {};
  return {
    longestBytes: longestRowBytes,
    makesFunctions: codeObjects === undefined || makesFunctions(codeObjects) || makesFunctions(liveCode),
  };
}

const NONE: Accounts = { grants: [], ungiven: [] };

interface SessionParts {
  /** Puts back what was widened for the load. */
  readonly putBack: () => Promise<void>;
  readonly connection: Connection;
  readonly source: DatabaseSource;
  readonly target: string;
  readonly staging: string;
  readonly isForeign: boolean;
  /** The database that was dumped. */
  readonly dumped: string;
  readonly rehearses: boolean;
  /** Takes what could not be made, where it was asked to go on without. */
  readonly broken: LeftOut[] | undefined;
  /** When a row of this server's ends that has not ended. */
  readonly openEnd: string;
  /** Ours wrote the dump, with the options that we know. */
  readonly hasManifest: boolean;
  /** The live database is to be replaced; else the restored one goes beside it. */
  readonly swaps: boolean;
  /** It has a name that the operator gave it. */
  readonly isBeside: boolean;
  /** See RestoreOptions.pick. */
  readonly pick: readonly string[] | undefined;
  /** Tables that the backup has without their rows. */
  readonly emptied: readonly string[];
  /** Tables that it has not. */
  readonly gone: readonly string[];
  /** Of the database that was dumped. */
  readonly comment: string;
  /** What is to be granted once the restored database is in place, and what could not be given already. */
  readonly accounts: Accounts;
  /** Of a rehearsal, which makes accounts to see whether that can be done. */
  readonly globals: string | undefined;
  readonly definers: readonly string[];
  readonly signal: AbortSignal;
}

function session(parts: SessionParts): RestoreSession {
  const {
    connection,
    source,
    target,
    staging,
    isForeign,
    swaps,
    accounts,
    globals,
    definers,
    signal,
    dumped,
    rehearses,
    putBack,
    hasManifest,
    openEnd,
    broken,
    emptied,
    gone,
    pick,
  } = parts;
  const point = pointOfNoReturn();
  const later = laterFile();
  let making: Promise<void> | undefined;
  let placed = target;
  const unheld: Unheld[] = [];
  const unread: string[] = [];
  const order: LoadPlan = { staging, dumped, later, rehearses, openEnd, isApart: broken !== undefined };
  const make = async (own: Connection) => {
    const client = await clientStage(source, connection, order, ['--force']);
    broken?.push(...(await makeCodeApart(later.code, client, signal)));
    await makeLater(own, { path: later.path, dumped, staging, broken });
    if (gone.length > 0 && !rehearses) unread.push(...(await readUnread(own, staging)));
    if (broken) unheld.push(...(await readUnheldChecks(own, staging)), ...(await readOrphans(own, staging)).unheld);
  };
  const made = () => {
    making ??= onConnection(source, signal, make);
    return making;
  };
  return {
    staging,
    isForeign,
    plan: async () => [
      {
        jobs: 1,
        loads: [
          {
            into: await loadStage(source, connection, order),
            before: pick && [pickStage(pick)],
            // the loading stage leaves out by itself what a server would not understand
            verifyEnd: hasManifest ? assertComplete : assertForeignComplete,
          },
        ],
      },
    ],
    proof: proofSide({ connection, source, staging, dumped, openEnd, folder: dirname(later.path), emptied }),
    ...(pick && {
      picked: pickedOf(pick, source.database, (ask) => onConnection(source, signal, ask)),
    }),
    missing: () => [
      ...(broken ?? []).map(({ kind, name, why }) => `the ${kind} ${displayName(name)} is left out: ${why}`),
      ...unheld.map(describeUnheld),
      ...unread.map(
        (name) =>
          `the view ${displayName(name)} is there and cannot be read: a function that it calls works with what is left out of this backup (${gone.join(', ')})`,
      ),
    ],
    contents: async () => {
      await made();
      const contents = await onConnection(source, signal, (own) =>
        countContents(own, staging, cameWithHistory(staging)),
      );
      return { ...contents, codeObjects: withLeftOut(contents.codeObjects ?? {}, staging) };
    },
    prepare: async () => {
      await made();
      await onConnection(source, signal, (own) => prepare(own, staging, swaps));
      if (globals === undefined) return accounts.ungiven;
      return onConnection(source, signal, (own) => rehearseAccounts(own, globals, { dumped, staging, definers }));
    },
    commit: async () => {
      if (pick) await onConnection(source, signal, (own) => dropOthers(own, staging, pick));
      if (isForeign) {
        point.pass();
        return { database: target, previousDatabase: null };
      }
      const old = await point.passWith(
        async () => {
          // looked for again: an application may have created it again in the meantime
          const isThere = swaps && (await listDatabases(connection)).includes(target);
          const name = isThere ? await freeBesideName(connection, target, 'previous') : null;
          const own = await placeOf(parts);
          const order = {
            live: own.name,
            next: staging,
            old: name,
            comment: own.comment,
            runsEvents: swaps,
            undoes: false,
          };
          await swapDatabases(connection, source, order, signal);
          placed = own.name;
          return name;
        },
        // a swap that could be taken back left no journal, and the staging database may go
        (error) => error instanceof OperatorError && error.code === 'RESTORE_FAILED',
      );
      return {
        database: placed,
        previousDatabase: old,
        ungiven: await giveGrants(connection, accounts.grants, dumped),
      };
    },
    discard: () => point.unlessPassed(() => discard(source, staging, isForeign)),
    close: async () => {
      later.remove();
      await putBack();
      await connection.close();
    },
  };
}

async function onConnection<T>(
  source: DatabaseSource,
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
