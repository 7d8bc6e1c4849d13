import type { SourceConfig } from '../../config-sources.ts';
import { OperatorError } from '../../errors.ts';
import type { UndoResult } from '../engine.ts';
import { besideDatabases, connectBeside, freeBesideName, listDatabases, lockRestore } from './server.ts';
import { swapDatabases } from './swap.ts';

/** See Engine.undo. */
export async function undoRestore(source: SourceConfig, signal: AbortSignal): Promise<UndoResult> {
  const connection = await connectBeside(source, signal);
  try {
    await lockRestore(connection, source);
    const live = source.database;
    const [previous] = await besideDatabases(connection, live, 'previous');
    if (!previous) {
      throw new OperatorError(
        'RESTORE_REFUSED',
        `there is nothing to undo: no database that a restore of ${live} replaced is kept`,
        {
          hint: 'A restore keeps the one it replaces until it is undone or cleaned up. make list-backups shows the safety backups.',
        },
      );
    }
    const liveExists = (await listDatabases(connection)).some((row) => row.name === live);
    const keptAs = await freeBesideName(connection, live, 'undone');
    await swapDatabases(connection, source, { live, liveExists, kept: keptAs, next: previous.name }, signal);
    return { database: live, restoredFrom: previous.name, keptAs };
  } finally {
    await connection.close();
  }
}
