import type { DatabaseSource } from '../../../source.ts';
import type { KeptDatabase } from '../../engine.ts';
import { removeOld } from '../../kept.ts';
import type { Connection } from '../server/connection.ts';
import { besideDatabases, connectBeside } from '../server/databases.ts';
import { dropDatabase } from '../server/drop.ts';
import { lockRestore } from '../server/locks.ts';

async function read(connection: Connection, source: DatabaseSource, isOursAlone = false): Promise<KeptDatabase[]> {
  const kept: KeptDatabase[] = [];
  for (const role of ['previous', 'undone'] as const) {
    for (const { name, since, sizeBytes, isOurs } of await besideDatabases(connection, source.database, role)) {
      if (isOurs || !isOursAlone) kept.push({ name, role, since, sizeBytes });
    }
  }
  return kept.sort((a, b) => b.since.getTime() - a.since.getTime());
}

/** See Engine.kept. */
export async function keptDatabases(source: DatabaseSource, signal: AbortSignal): Promise<KeptDatabase[]> {
  const connection = await connectBeside(source, signal);
  return read(connection, source).finally(() => connection.close());
}

/** See Engine.dropKept. */
export async function dropKept(source: DatabaseSource, before: Date, signal: AbortSignal): Promise<KeptDatabase[]> {
  const connection = await connectBeside(source, signal);
  return removeOld(before, {
    // what does not say that a restore put it aside has nothing but a name in common with it
    list: () => read(connection, source, true),
    underLock: async (work) => {
      await lockRestore(connection, source);
      return work();
    },
    remove: (name) => dropDatabase(connection, source, name, signal),
  }).finally(() => connection.close());
}
