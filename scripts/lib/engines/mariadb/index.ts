import { expandServer } from '../database/expand.ts';
import type { Engine } from '../engine.ts';
import { beginDump } from './dump/dump.ts';
import { identify } from './identify.ts';
import { looking } from './looking.ts';
import { rehearse } from './rehearsal.ts';
import { beside, dropKept, kept } from './restore/kept.ts';
import { beginRestore } from './restore/restore.ts';
import { undoRestore } from './restore/undo.ts';
import { connect } from './server/connection.ts';
import { listOwn } from './server/databases.ts';
import { survey } from './survey.ts';

/** MariaDB, and MySQL as far as MariaDB's own mariadb-dump and mariadb serve it. */
export const mariadb: Engine = {
  expand: expandServer({ connect, list: listOwn }),
  beginDump,
  beginRestore,
  undo: undoRestore,
  kept,
  beside,
  dropKept,
  rehearse,
  identify,
  looking,
  survey,
};
