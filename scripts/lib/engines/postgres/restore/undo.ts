import type { DatabaseSource } from '../../../source.ts';
import type { UndoResult } from '../../engine.ts';
import { nothingToUndo } from '../../kept.ts';
import { besideDatabases, connectBeside, freeBesideName, listDatabases } from '../server/databases.ts';
import { lockRestore } from '../server/locks.ts';
import { assertRenamable, assertWritable } from './preflight.ts';
import { swapDatabases } from './swap.ts';

/** See Engine.undo. */
export async function undoRestore(source: DatabaseSource, signal: AbortSignal): Promise<UndoResult> {
  const connection = await connectBeside(source, signal);
  try {
    await assertWritable(connection);
    await lockRestore(connection, source);
    const live = source.database;
    const beside = await besideDatabases(connection, live, 'previous');
    // of one that does not say what it is nothing is lost by putting it in place
    const previous = beside.find(({ isOurs }) => isOurs) ?? beside[0];
    if (!previous) throw nothingToUndo(live);
    await assertRenamable(connection, live, true);
    const liveExists = (await listDatabases(connection)).some((row) => row.name === live);
    const keptAs = await freeBesideName(connection, live, 'undone');
    await swapDatabases(
      connection,
      source,
      { live, liveExists, kept: keptAs, role: 'undone', next: previous.name },
      signal,
    );
    return { database: live, restoredFrom: previous.name, keptAs };
  } finally {
    await connection.close();
  }
}
