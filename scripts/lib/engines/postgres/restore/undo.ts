import type { DatabaseSource } from '../../../source.ts';
import { toPutBack } from '../../database/kept.ts';
import type { UndoResult } from '../../engine.ts';
import { besideDatabases, connectBeside, freeBesideName, listDatabases } from '../server/databases.ts';
import { lockRestore } from '../server/locks.ts';
import { assertRenamable, assertWritable } from './preflight.ts';
import { swapDatabases } from './swap.ts';
import { resumeWork } from './workers.ts';

/** See Engine.undo. */
export async function undoRestore(source: DatabaseSource, signal: AbortSignal): Promise<UndoResult> {
  const connection = await connectBeside(source, signal);
  try {
    await assertWritable(connection);
    await lockRestore(connection, source);
    const live = source.database;
    const previous = toPutBack(await besideDatabases(connection, live, 'previous'), live);
    await assertRenamable(connection, live, true);
    const liveExists = (await listDatabases(connection)).some((row) => row.name === live);
    const keptAs = await freeBesideName(connection, live, 'undone');
    await swapDatabases(
      connection,
      source,
      { live, liveExists, kept: keptAs, role: 'undone', next: previous.name },
      signal,
    );
    await resumeWork(connection, source, live);
    return { database: live, restoredFrom: previous.name, keptAs };
  } finally {
    await connection.close();
  }
}
