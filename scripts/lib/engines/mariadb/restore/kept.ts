import { keptBeside } from '../../database/kept.ts';
import { connect } from '../server/connection.ts';
import { asStored, besideDatabases, dropDatabase, sizeOf } from '../server/databases.ts';
import { takeLock } from '../server/locks.ts';
import { putBackLeft } from '../server/raised.ts';
import { findUnfinished } from '../swap/journal.ts';

export const { kept, dropKept } = keptBeside({
  connect: (source, signal) => connect(source, signal),
  list: async (connection, source, role) => {
    const { database } = await asStored(connection, source);
    // what a swap that broke off still needs is not something kept
    const inUse = (await findUnfinished(connection, database)).flatMap(({ plan }) => [plan.next, plan.old]);
    const beside = (await besideDatabases(connection, database, role)).filter(({ name }) => !inUse.includes(name));
    return Promise.all(beside.map(async (each) => ({ ...each, sizeBytes: await sizeOf(connection, each.name) })));
  },
  mend: putBackLeft,
  lock: async (connection, source) =>
    takeLock(connection, { purpose: 'restore', source: await asStored(connection, source) }),
  drop: (connection, name) => dropDatabase(connection, name),
});
