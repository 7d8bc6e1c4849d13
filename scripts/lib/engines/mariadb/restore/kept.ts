import type { DatabaseSource } from '../../../source.ts';
import type { KeptDatabase } from '../../engine.ts';
import { removeOld } from '../../kept.ts';
import { type Connection, connect } from '../server/connection.ts';
import { asStored, besideDatabases, dropDatabase, sizeOf } from '../server/databases.ts';
import { takeLock } from '../server/locks.ts';
import { putBackLeft } from '../server/raised.ts';
import { findUnfinished } from '../swap/journal.ts';

async function read(connection: Connection, source: DatabaseSource, isOursAlone = false): Promise<KeptDatabase[]> {
  const { database } = await asStored(connection, source);
  const kept: KeptDatabase[] = [];
  // what a swap that broke off still needs is not something put aside
  const inUse = (await findUnfinished(connection, database)).flatMap(({ plan }) => [plan.next, plan.old]);
  for (const role of ['previous', 'undone'] as const) {
    for (const { name, since, isOurs } of await besideDatabases(connection, database, role)) {
      if ((isOurs || !isOursAlone) && !inUse.includes(name))
        kept.push({ name, role, since, sizeBytes: await sizeOf(connection, name) });
    }
  }
  return kept.sort((a, b) => b.since.getTime() - a.since.getTime());
}

/** See Engine.kept. */
export async function keptDatabases(source: DatabaseSource, signal: AbortSignal): Promise<KeptDatabase[]> {
  const connection = await connect(source, signal);
  return read(connection, source).finally(() => connection.close());
}

/** See Engine.dropKept. */
export async function dropKept(source: DatabaseSource, before: Date, signal: AbortSignal): Promise<KeptDatabase[]> {
  const connection = await connect(source, signal);
  await putBackLeft(connection);
  return removeOld(before, {
    // what does not say that a restore put it aside has nothing but a name in common with it
    list: () => read(connection, source, true),
    underLock: async (work) => {
      await takeLock(connection, { purpose: 'restore', source: await asStored(connection, source) });
      return work();
    },
    remove: (name) => dropDatabase(connection, name),
  }).finally(() => connection.close());
}
