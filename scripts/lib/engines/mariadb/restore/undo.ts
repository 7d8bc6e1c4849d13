import type { DatabaseSource } from '../../../source.ts';
import { toPutBack } from '../../database/kept.ts';
import type { UndoResult } from '../../engine.ts';
import { type Connection, connect } from '../server/connection.ts';
import { countCode } from '../server/contents.ts';
import { asStored, besideDatabases, freeBesideName, listDatabases } from '../server/databases.ts';
import { takeLock } from '../server/locks.ts';
import { makesFunctions, raiseLimits } from '../server/raised.ts';
import { findUnfinished, type Unfinished } from '../swap/journal.ts';
import { resumeSwap, swapDatabases } from '../swap/swap.ts';

/** Completes a swap that broke off. @returns what it was */
export async function completeUnfinished(
  connection: Connection,
  source: DatabaseSource,
  signal: AbortSignal,
): Promise<Unfinished | undefined> {
  const [unfinished] = await findUnfinished(connection, source.database);
  if (unfinished) await resumeSwap(connection, source, unfinished, signal);
  return unfinished;
}

/** See Engine.undo. An undo or a restore that broke off is completed first; of an undo, that is all that was asked for. */
export async function undoRestore(given: DatabaseSource, signal: AbortSignal): Promise<UndoResult> {
  const connection = await connect(given, signal);
  let putBack = async () => {};
  try {
    const source = await asStored(connection, given);
    const live = source.database;
    await takeLock(connection, { purpose: 'restore', source });
    const completed = await completeUnfinished(connection, source, signal);
    if (completed?.plan.undoes) {
      return { database: live, restoredFrom: completed.plan.next, keptAs: completed.plan.old ?? '' };
    }
    const previous = toPutBack(await besideDatabases(connection, live, 'previous'), live);
    const liveExists = (await listDatabases(connection)).includes(live);
    // its rows are where they are; its code is made again
    const code = { ...(await countCode(connection, previous.name)), ...(await countCode(connection, live)) };
    putBack = await raiseLimits(connection, source, { longestBytes: 0, makesFunctions: makesFunctions(code) });
    const keptAs = await freeBesideName(connection, live, 'undone');
    await swapDatabases(
      connection,
      source,
      { live, next: previous.name, old: liveExists ? keptAs : null, runsEvents: true, undoes: true },
      signal,
    );
    return { database: live, restoredFrom: previous.name, keptAs };
  } finally {
    await putBack();
    await connection.close();
  }
}
