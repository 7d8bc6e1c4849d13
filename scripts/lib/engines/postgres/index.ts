import { OperatorError } from '../../errors.ts';
import { type DatabaseSource, expanded, isServer } from '../../source.ts';
import { log } from '../../terminal/log.ts';
import { ROLES, timeOfBeside } from '../database/beside-names.ts';
import type { Engine } from '../engine.ts';
import { another } from './dump/another.ts';
import { beginDump } from './dump/dump.ts';
import { rehearse } from './rehearsal.ts';
import { dropKept, keptDatabases } from './restore/kept.ts';
import { beginRestore } from './restore/restore.ts';
import { undoRestore } from './restore/undo.ts';
import { quoteIdentifier } from './server/connection.ts';
import { connectBeside, listDatabases } from './server/databases.ts';
import { runsUnderWay } from './server/locks.ts';

/** PostgreSQL, through its own pg_dump, psql and pg_restore. */
export const postgres: Engine = {
  expand,
  beginDump,
  another,
  beginRestore,
  undo: undoRestore,
  kept: keptDatabases,
  underWay: runsUnderWay,
  dropKept,
  rehearse,
};

/** `*` is every database that can be connected to, but for templates and what restores keep beside the live ones. */
async function expand(source: DatabaseSource, signal: AbortSignal): Promise<DatabaseSource[]> {
  if (!isServer(source)) return [source];
  const connection = await connectBeside(source, signal);
  try {
    const rows = await connection.query<{ name: string; invalid: boolean }>(
      'select datname as name, datconnlimit = -2 as invalid from pg_database where datallowconn and not datistemplate order by 1',
    );
    for (const { name } of rows.filter(({ invalid }) => invalid)) {
      log.warn(
        `${source.name}: the database ${name} is left out: a DROP DATABASE of it was interrupted, and it cannot be used any more. DROP DATABASE ${quoteIdentifier(name)} removes what is left`,
      );
    }
    const all = (await listDatabases(connection)).map((row) => row.name);
    const isKept = (name: string) =>
      ROLES.some((role) => all.some((live) => live !== name && timeOfBeside(name, live, role) !== undefined));
    const names = rows
      .filter(({ invalid }) => !invalid)
      .map((row) => row.name)
      .filter((name) => !isKept(name));
    if (names.length === 0)
      throw new OperatorError('SOURCE_CONNECT', `source ${source.name}: the server has no databases`);
    return names.map((database) => expanded(source, database));
  } finally {
    await connection.close();
  }
}
