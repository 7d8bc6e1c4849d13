import { dirname } from 'node:path';
import { OperatorError } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { pointOfNoReturn } from '../../committed.ts';
import type { RestoreSession } from '../../restoring.ts';
import { assertComplete, assertForeignComplete } from '../dump/completion.ts';
import { dropOthers, pickedOf, pickStage, placeOf } from '../pick/pick.ts';
import { listCode } from '../server/code-objects.ts';
import { type Connection, connect, quoteIdentifier } from '../server/connection.ts';
import { countContents, displayName, listTables } from '../server/contents.ts';
import { freeBesideName, listDatabases } from '../server/databases.ts';
import { describeUnheld, readOrphans, readUnheldChecks, type Unheld } from '../server/unheld.ts';
import { readUnread } from '../server/views.ts';
import { swapDatabases } from '../swap/swap.ts';
import { type Accounts, giveGrants, rehearseAccounts } from './accounts.ts';
import { makeCodeApart } from './code-apart.ts';
import { clientStage, type LoadPlan, loadStage } from './load-stage.ts';
import { cameWithHistory, type LeftOut, laterFile, makeLater, withLeftOut } from './made-later.ts';
import { warnOfMissingDefiners } from './preflight.ts';
import { proofSide } from './proof-side.ts';
import { discard } from './staging.ts';

/** What a restore is about. */
export interface SessionParts {
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

/** A restore that has begun: see RestoreSession. */
export function session(parts: SessionParts): RestoreSession {
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
