import type { Engine } from '../engine.ts';
import { beginDump } from './dump.ts';
import { beside, dropKept, keptFolders } from './kept.ts';
import { rehearse } from './rehearsal.ts';
import { beginRestore } from './restore.ts';
import { undoRestore } from './undo.ts';

/** Folders, and single files, as archives of GNU tar. */
export const files: Engine = {
  expand: async (source) => [source],
  beginDump,
  beginRestore,
  undo: undoRestore,
  kept: keptFolders,
  beside,
  dropKept,
  rehearse,
};
