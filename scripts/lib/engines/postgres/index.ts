import { expandServer } from '../database/expand.ts';
import type { Engine } from '../engine.ts';
import { another } from './dump/another.ts';
import { beginDump } from './dump/dump.ts';
import { identify } from './identify.ts';
import { looking } from './looking.ts';
import { rehearse } from './rehearsal.ts';
import { beside, dropKept, kept } from './restore/kept.ts';
import { beginRestore } from './restore/restore.ts';
import { undoRestore } from './restore/undo.ts';
import { connectBeside, listOwn } from './server/databases.ts';
import { survey } from './survey.ts';
import { adviceFor } from './upgrade.ts';

/** PostgreSQL, through its own pg_dump, psql and pg_restore. */
export const postgres: Engine = {
  expand: expandServer({ connect: connectBeside, list: listOwn }),
  beginDump,
  another,
  beginRestore,
  undo: undoRestore,
  kept,
  beside,
  dropKept,
  rehearse,
  identify,
  looking,
  survey,
  adviceFor,
};
