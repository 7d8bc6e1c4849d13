import { removeLeftoverFolders } from '../engines/database/throwaway.ts';
import { localNotesHeldForMs, withLocalNote } from '../machine/local-lock.ts';

const NOTE = 'moment';

/**
 * Runs a restore to a moment. What killed ones have left in the folder is removed, unless others are at it: theirs cannot be told
 * from what is left.
 */
export async function alone<T>(directory: string, work: () => Promise<T>): Promise<T> {
  const others = await localNotesHeldForMs(directory, NOTE);
  return withLocalNote(directory, NOTE, async () => {
    if (others.length === 0) removeLeftoverFolders(directory, /^moment-postgres-[A-Za-z0-9]{6}$/, 'a restore');
    return work();
  });
}
