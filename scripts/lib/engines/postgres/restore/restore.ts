import { OperatorError } from '../../../errors.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { pointOfNoReturn } from '../../committed.ts';
import type { RestoreOptions, RestoreSession } from '../../restoring.ts';
import { copying } from '../pick/copying.ts';
import { dropOthers } from '../pick/drop-others.ts';
import { Pick } from '../pick/pick.ts';
import { type Connection, connect } from '../server/connection.ts';
import { connectBeside, freeBesideName, listDatabases } from '../server/databases.ts';
import { dropDatabase } from '../server/drop.ts';
import { lockRestore } from '../server/locks.ts';
import { mark } from '../server/marks.ts';
import { restoreJobs } from '../split/load.ts';
import { analyzeAll } from './analyze.ts';
import { makeMissingRoles } from './apply-globals.ts';
import { assertBoundExtensions, makeBoundExtensions } from './bound-extensions.ts';
import { BrokenObjects, describeBroken } from './broken-objects.ts';
import { setLeftOut } from './extension-sequences.ts';
import { giveAll, sentences, tellOfSubscriptions } from './give.ts';
import { dropLeftovers } from './leftovers.ts';
import { planLoad } from './plan-load.ts';
import { assertRestorable, assertRoles, assertWritable } from './preflight.ts';
import { proofSide, roleNames } from './proof-side.ts';
import { type Ready, readyForLoad } from './ready.ts';
import { restoredContents } from './restored-contents.ts';
import { leaveOutLibraries } from './settings-in-force.ts';
import { assertEmpty, create, createStatement, dropWhatItLacked } from './staging.ts';
import { swapDatabases } from './swap.ts';
import type { Ungiven } from './ungiven.ts';
import { resumeWork, tellOfStillness } from './workers.ts';

/** No place to restore into, empty as they are. */
const MAINTENANCE = ['postgres', 'template0', 'template1'];

/** See Engine.beginRestore. */
export async function beginRestore(source: DatabaseSource, options: RestoreOptions): Promise<RestoreSession> {
  const { to, manifest, globals, ownSearchPath = false, withoutBroken = false, rehearses = false, signal } = options;
  const pick = options.pick && new Pick(options.pick);
  const target = to ?? source.database;
  if (to !== undefined && MAINTENANCE.includes(to)) {
    throw new OperatorError(
      'RESTORE_REFUSED',
      `${to} is a database of the server's own, whose content is copied or relied on elsewhere`,
      { hint: 'Name another one.' },
    );
  }
  const connection = await connectBeside(source, signal);
  try {
    await assertWritable(connection);
    await lockRestore(connection, { ...source, database: target });
    await dropLeftovers(connection, source, target, signal);
    const databases = await listDatabases(connection);
    const targetExists = databases.some((row) => row.name === target);
    warnOfOlderServer(connection, manifest);
    const rolesBefore = await roleNames(connection);
    const broken = withoutBroken ? new BrokenObjects() : undefined;
    const order = { globals, manifest, ownSearchPath, broken, rehearses, signal };
    const known = { connection, source, target, targetExists, rolesBefore, pick, isBeside: to !== undefined, ...order };
    const isForeign = to !== undefined && targetExists;
    if (isForeign) await assertEmpty(source, to, manifest, signal);
    const { isKnownServer } = options;
    const about = {
      source,
      target,
      targetExists,
      swaps: to === undefined && !pick,
      isForeign,
      manifest,
      isKnownServer,
    };
    await assertRestorable(connection, about, signal);
    await assertBoundExtensions(connection, { manifest, target, isForeign });
    const liveExists = (targetExists && !isForeign) || databases.some((row) => row.name === source.database);
    const run = globals === undefined ? undefined : { connection, source, database: target, globals, signal };
    const lackingRoles = run === undefined ? [] : await makeMissingRoles(run, manifest, !liveExists);
    await assertRoles(connection, manifest);
    if (isForeign) {
      return session({
        ...known,
        staging: target,
        lackingRoles,
        isForeign,
        ready: await readyForLoad({ ...known, staging: target }),
      });
    }
    const staging = await freeBesideName(connection, target, 'restoring');
    // once begun, making it is not to be broken off: what was not made could not be told from what was
    await create(
      connection,
      await createStatement(connection, staging, to === undefined ? target : source.database, manifest),
    );
    await mark(connection, staging, { role: 'restoring', live: target });
    const readied = (async () => {
      await dropWhatItLacked(source, staging, manifest, signal);
      await makeBoundExtensions(connection, source, staging, manifest, signal);
      return readyForLoad({ ...known, staging });
    })();
    const ready = await readied.catch(async (error: unknown) => {
      await discard(source, staging);
      throw error;
    });
    return session({ ...known, staging, lackingRoles, isForeign: false, ready });
  } catch (error) {
    await connection.close();
    throw error;
  }
}

function warnOfOlderServer(connection: Connection, manifest: Manifest | undefined): void {
  const dumped = Number.parseInt(manifest?.serverVersion ?? '0', 10);
  const here = Math.floor(connection.serverVersionNum / 10_000);
  if (dumped > here) {
    log.warn(
      `the backup is of PostgreSQL ${manifest?.serverVersion}, this server is ${here}: what the older one does not support will stop the restore`,
    );
  }
}

interface SessionParts {
  readonly connection: Connection;
  readonly source: DatabaseSource;
  readonly target: string;
  readonly staging: string;
  readonly isForeign: boolean;
  readonly ready: Ready;
  readonly targetExists: boolean;
  readonly pick: Pick | undefined;
  /** It has a name that the operator gave it. */
  readonly isBeside: boolean;
  /** See RestoreOptions.rehearses. */
  readonly rehearses: boolean;
  readonly globals: string | undefined;
  readonly manifest: Manifest | undefined;
  readonly ownSearchPath: boolean;
  readonly broken: BrokenObjects | undefined;
  /** What of the backup's roles could not be made. */
  readonly lackingRoles: readonly Ungiven[];
  readonly rolesBefore: readonly string[];
  readonly signal: AbortSignal;
}

function session(own: SessionParts): RestoreSession {
  const { connection, source, target, staging, isForeign, ready, targetExists, pick, signal } = own;
  const point = pointOfNoReturn();
  let counting: Promise<Connection> | undefined;
  let placed = target;
  return {
    staging,
    isForeign,
    plan: async (format, parts, members) => [
      ...(await planLoad(own, format, parts, members)),
      { jobs: 1, loads: [], after: ready.loaded },
    ],
    proof: pick ? pick.proofSide(proofSide(own)) : proofSide(own),
    ...(pick && {
      picked: {
        holds: (table) => pick.holds(table),
        copying: (database) => copying(source, database, pick, signal),
      },
    }),
    missing: () => (own.broken?.broken ?? []).map(describeBroken),
    contents: () => {
      counting = connect(source, staging, signal);
      return restoredContents(counting);
    },
    prepare: async () => {
      // while rights are given nobody has them for a moment: those who count beside this have to be inside by then
      await counting?.catch(() => undefined);
      await ready.giveBack(connection);
      await setLeftOut(source, staging, own.manifest, signal);
      // what is the operator's own has its owner and grants from him
      const ungiven = isForeign ? [] : await giveAll(own, false);
      // its comment is now that of the live one
      if (!isForeign) await mark(connection, staging, { role: 'restoring', live: target });
      if (!isForeign) await leaveOutLibraries(own);
      await analyzeAll(source, staging, restoreJobs(source), signal);
      await tellOfSubscriptions(connection, staging);
      return sentences([...own.lackingRoles, ...ungiven], own);
    },
    commit: async () => {
      if (pick) await dropOthers(source, staging, pick, signal);
      const ungiven = isForeign ? [] : sentences(await giveAll(own, true), own);
      if (isForeign) {
        point.pass();
        if (!own.rehearses) await tellOfStillness(connection, source, target);
        return { database: target, previousDatabase: null };
      }
      const kept = await point.passWith(
        async () => {
          const { live, as } = await placeOf(own);
          const liveExists = as === undefined && targetExists;
          const name = liveExists ? await freeBesideName(connection, target, 'previous') : null;
          const order = { live, liveExists, kept: name ?? '', role: 'previous', next: staging, as } as const;
          await swapDatabases(connection, source, order, signal);
          placed = live;
          return name;
        },
        () => false,
      );
      // a copy beside the live one is for looking into it as it is
      const go = own.isBeside || pick ? tellOfStillness : resumeWork;
      if (!own.rehearses) await go(connection, source, placed);
      return { database: placed, previousDatabase: kept, ungiven };
    },
    discard: () => point.unlessPassed(() => (isForeign ? ready.giveUp() : discard(source, staging))),
    close: () => connection.close(),
  };
}

/** Where what was restored goes: in the place of the live database, or beside it under a name that says what it is. */
async function placeOf({ connection, target, pick, isBeside }: SessionParts) {
  if (!pick || isBeside) return { live: target, as: undefined };
  const live = await freeBesideName(connection, target, 'picked');
  return { live, as: { role: 'picked', live: target } as const };
}

/** With a connection of its own: an interrupt has broken the others off. */
async function discard(source: DatabaseSource, staging: string): Promise<void> {
  try {
    const connection = await connectBeside(source, AbortSignal.timeout(60_000));
    await dropDatabase(connection, source, staging, AbortSignal.timeout(60_000)).finally(() => connection.close());
  } catch (error) {
    log.warn(
      `${staging} could not be dropped; the next restore removes it: ${error instanceof Error ? error.message : error}`,
    );
  }
}
