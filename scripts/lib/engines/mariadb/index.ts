import { OperatorError } from '../../errors.ts';
import { type DatabaseSource, expanded, isServer } from '../../source.ts';
import type { Engine } from '../engine.ts';
import { beginDump } from './dump/dump.ts';
import { rehearse } from './rehearsal.ts';
import { dropKept, keptDatabases } from './restore/kept.ts';
import { beginRestore } from './restore/restore.ts';
import { undoRestore } from './restore/undo.ts';
import { connect } from './server/connection.ts';
import { isBeside, listDatabases } from './server/databases.ts';
import { runsUnderWay } from './server/locks.ts';

/** MariaDB, and MySQL as far as MariaDB's own mariadb-dump and mariadb serve it. */
export const mariadb: Engine = {
  expand,
  beginDump,
  beginRestore,
  undo: undoRestore,
  kept: keptDatabases,
  underWay: runsUnderWay,
  dropKept,
  rehearse,
};

/** `*` is every database but the server's own and what restores keep beside the live ones. */
async function expand(source: DatabaseSource, signal: AbortSignal): Promise<DatabaseSource[]> {
  if (!isServer(source)) return [source];
  const connection = await connect(source, signal);
  try {
    const all = await listDatabases(connection);
    const names = all.filter((name) => !isBeside(name, all));
    if (names.length === 0)
      throw new OperatorError('SOURCE_CONNECT', `source ${source.name}: the server has no databases`);
    return names.map((database) => expanded(source, database));
  } finally {
    await connection.close();
  }
}
