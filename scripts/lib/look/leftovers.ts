import { removeLeftoverFolders } from '../engines/database/throwaway.ts';
import { localNotesHeldForMs, withLocalNote } from '../machine/local-lock.ts';

const NOTE = 'look';
const FOLDERS = /^look-(postgres|mariadb)-[A-Za-z0-9]{6}$/;

/**
 * Runs a look. What killed ones have left in the folder is removed first, unless others are at it: theirs cannot be told from
 * what is left.
 */
export function amongLooks<T>(directory: string, work: () => Promise<T>): Promise<T> {
  return withLocalNote(directory, NOTE, async () => {
    // one of them is this one
    if ((await localNotesHeldForMs(directory, NOTE)).length <= 1) removeLeftoverFolders(directory, FOLDERS, 'a look');
    return work();
  });
}

/** Removes what looks that were killed have left, when nobody looks. */
export async function removeLeftoverLooks(directory: string): Promise<void> {
  if ((await localNotesHeldForMs(directory, NOTE)).length === 0) removeLeftoverFolders(directory, FOLDERS, 'a look');
}
