import { fileURLToPath } from 'node:url';
import { OperatorError } from '../../../errors.ts';
import type { Stage } from '../../../pipeline/chain.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { pointOfNoReturn } from '../../committed.ts';
import type { RestoreOptions, RestoreSession } from '../../engine.ts';
import { assertComplete } from '../dump/dump.ts';
import { giveGrants, makeMissingAccounts } from '../dump/globals.ts';
import { clientArguments, clientEnvironment } from '../server/client.ts';
import { listCode } from '../server/code-objects.ts';
import { type Connection, connect, quoteIdentifier } from '../server/connection.ts';
import { countContents, listTables } from '../server/contents.ts';
import { asStored, freeBesideName, listDatabases, storedName } from '../server/databases.ts';
import { takeLock } from '../server/locks.ts';
import { programFor } from '../server/programs.ts';
import { raiseLimits } from '../server/raised.ts';
import { LOADING, settingsFor } from '../server/session.ts';
import { swapDatabases } from '../swap/swap.ts';
import { withoutRows } from './client-words.ts';
import { dropLeftovers } from './leftovers.ts';
import { laterFile, makeLater, withLeftOut } from './made-later.ts';
import { assertRestorable, warnOfMissingDefiners } from './preflight.ts';
import { proofSide } from './proof-side.ts';
import { assertEmpty, createStaging, discard } from './staging.ts';
import { completeUnfinished } from './undo.ts';

const FILTER = fileURLToPath(new URL('./load-filter.pl', import.meta.url));

/** See Engine.beginRestore. */
export async function beginRestore(given: DatabaseSource, options: RestoreOptions): Promise<RestoreSession> {
  const { manifest, globals, signal } = options;
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
    await assertRestorable(connection, source, { target, targetExists, swaps: to === undefined, manifest });
    const grants = globals === undefined ? [] : await makeMissingAccounts(connection, globals);
    const dumped = manifest?.database ?? source.database;
    putBack = await raiseLimits(connection, source);
    const known = { putBack, connection, source, target, signal, dumped, rehearses: options.rehearses === true };
    if (to !== undefined && targetExists) {
      await assertEmpty(connection, to);
      return session({ ...known, staging: to, isForeign: true, swaps: false, grants: [] });
    }
    const staging = await freeBesideName(connection, target, 'restoring');
    await createStaging(connection, source, staging, to === undefined ? target : source.database, manifest);
    const swaps = to === undefined;
    return session({ ...known, staging, isForeign: false, swaps, grants: swaps ? grants : [] });
  } catch (error) {
    await putBack();
    await connection.close();
    throw error;
  }
}

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
  /** The live database is to be replaced; else the restored one goes beside it. */
  readonly swaps: boolean;
  /** What is to be granted once the restored database is in place. */
  readonly grants: readonly string[];
  readonly signal: AbortSignal;
}

function session(parts: SessionParts): RestoreSession {
  const { connection, source, target, staging, isForeign, swaps, grants, signal, dumped, rehearses, putBack } = parts;
  const point = pointOfNoReturn();
  const later = laterFile();
  let making: Promise<void> | undefined;
  const made = () => {
    making ??= onConnection(source, signal, (own) => makeLater(own, { path: later.path, dumped, staging }));
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
            into: await loadStage(source, connection, { staging, dumped, later: later.path, rehearses }),
            // the loading stage leaves out by itself what a server would not understand
            verifyEnd: (tail) => assertComplete(tail),
          },
        ],
      },
    ],
    proof: proofSide({ connection, source, staging, dumped }),
    contents: async () => {
      await made();
      const contents = await onConnection(source, signal, (own) => countContents(own, staging));
      return { ...contents, codeObjects: withLeftOut(contents.codeObjects ?? {}, staging) };
    },
    prepare: async () => {
      await made();
      await onConnection(source, signal, (own) => prepare(own, staging, swaps));
      return [];
    },
    commit: async () => {
      if (isForeign) {
        point.pass();
        return { database: target, previousDatabase: null };
      }
      const old = await point.passWith(
        async () => {
          // looked for again: an application may have created it again in the meantime
          const isThere = swaps && (await listDatabases(connection)).includes(target);
          const name = isThere ? await freeBesideName(connection, target, 'previous') : null;
          const order = { live: target, next: staging, old: name, runsEvents: swaps, undoes: false };
          await swapDatabases(connection, source, order, signal);
          return name;
        },
        // a swap that could be taken back left no journal, and the staging database may go
        (error) => error instanceof OperatorError && error.code === 'RESTORE_FAILED',
      );
      await giveGrants(connection, grants);
      return { database: target, previousDatabase: old };
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

interface LoadPlan {
  readonly staging: string;
  readonly dumped: string;
  readonly later: string;
  readonly rehearses: boolean;
}

async function loadStage(
  source: DatabaseSource,
  connection: Connection,
  { staging, dumped, later, rehearses }: LoadPlan,
): Promise<Stage> {
  const program = await programFor('mariadb');
  return {
    name: 'mariadb',
    command: 'perl',
    args: [
      FILTER,
      staging,
      dumped,
      later,
      rehearses ? 'rehearses' : 'restores',
      program.path,
      ...clientArguments(source, connection),
      '--batch',
      // the dump is data: none of it is a command for the client, whose \! would be the shell
      '--binary-mode',
      '--max-allowed-packet=1G',
      `--init-command=${settingsFor(connection.variables, LOADING)}`,
      `--database=${staging}`,
    ],
    env: clientEnvironment(source),
    onLine: withoutRows(),
  };
}
