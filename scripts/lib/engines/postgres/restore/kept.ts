import { KEPT_ROLES, keptBeside } from '../../database/kept.ts';
import { besideIn, connectBeside, databaseSizes, listDatabases } from '../server/databases.ts';
import { dropDatabase } from '../server/drop.ts';
import { lockRestore, runsUnderWay } from '../server/locks.ts';

export const { kept, beside, dropKept } = keptBeside({
  connect: connectBeside,
  list: async (connection, sources) => {
    const rows = await listDatabases(connection);
    const found = sources.map(({ database }) =>
      KEPT_ROLES.flatMap((role) => besideIn(rows, database, role).map((each) => ({ ...each, role }))),
    );
    const sizes = await databaseSizes(
      connection,
      found.flat().map(({ name }) => name),
    );
    return found.map((each) => each.map((one) => ({ ...one, sizeBytes: sizes.get(one.name) ?? 0 })));
  },
  underWay: runsUnderWay,
  lock: lockRestore,
  drop: (connection, name, { source, signal }) => dropDatabase(connection, source, name, signal),
});
