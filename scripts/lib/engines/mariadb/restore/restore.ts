import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import type { RestoreOptions, RestoreSession } from '../../restoring.ts';
import { connect } from '../server/connection.ts';
import { countCode } from '../server/contents.ts';
import { asStored, freeBesideName, listDatabases, storedName } from '../server/databases.ts';
import { readOpenEnd } from '../server/history.ts';
import { takeLock } from '../server/locks.ts';
import { makesFunctions, type Needs, raiseLimits } from '../server/raised.ts';
import { type Accounts, makeMissingAccounts } from './accounts.ts';
import { dropLeftovers } from './leftovers.ts';
import { assertRestorable } from './preflight.ts';
import { session } from './session.ts';
import { assertEmpty, createStaging } from './staging.ts';
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
