import { keptBeside } from '../../database/kept.ts';
import { besideDatabases, connectBeside } from '../server/databases.ts';
import { dropDatabase } from '../server/drop.ts';
import { lockRestore } from '../server/locks.ts';

export const { kept, dropKept } = keptBeside({
  connect: connectBeside,
  list: (connection, { database }, role) => besideDatabases(connection, database, role),
  lock: lockRestore,
  drop: (connection, name, { source, signal }) => dropDatabase(connection, source, name, signal),
});
