import { KEPT_ROLES, keptBeside } from '../../database/kept.ts';
import { connect } from '../server/connection.ts';
import { asStored, besideIn, dropDatabase, readDatabases, sizeOf } from '../server/databases.ts';
import { runsUnderWay, takeLock } from '../server/locks.ts';
import { putBackLeft } from '../server/raised.ts';
import { findUnfinished, journals } from '../swap/journal.ts';

export const { kept, beside, dropKept } = keptBeside({
  connect: (source, signal) => connect(source, signal),
  list: async (connection, sources) => {
    const rows = await readDatabases(connection);
    const among = await journals(connection);
    const found = [];
    for (const source of sources) {
      const { database } = await asStored(connection, source);
      // what a swap that broke off still needs is not something kept
      const inUse = (await findUnfinished(connection, database, among)).flatMap(({ plan }) => [plan.next, plan.old]);
      const ofSource = [];
      for (const role of KEPT_ROLES)
        for (const each of besideIn(rows, database, role))
          if (!inUse.includes(each.name))
            ofSource.push({ ...each, role, sizeBytes: await sizeOf(connection, each.name) });
      found.push(ofSource);
    }
    return found;
  },
  underWay: runsUnderWay,
  mend: putBackLeft,
  lock: async (connection, source) =>
    takeLock(connection, { purpose: 'restore', source: await asStored(connection, source) }),
  drop: (connection, name) => dropDatabase(connection, name),
});
