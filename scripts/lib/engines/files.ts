import type { Engine } from './engine.ts';
import { beginDump } from './files/dump.ts';
import { dropKept, keptFolders } from './files/kept.ts';
import { rehearse } from './files/rehearsal.ts';
import { beginRestore } from './files/restore.ts';
import { runsUnderWay } from './files/under-way.ts';
import { undoRestore } from './files/undo.ts';

/** Folders, and single files, as archives of GNU tar. */
export const files: Engine = {
  expand: async (source) => [source],
  beginDump,
  beginRestore,
  undo: undoRestore,
  kept: keptFolders,
  underWay: runsUnderWay,
  dropKept,
  rehearse,
};
