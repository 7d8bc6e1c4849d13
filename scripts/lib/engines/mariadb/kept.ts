import type { SourceConfig } from '../../config-sources.ts';
import { log } from '../../log.ts';
import type { KeptDatabase } from '../engine.ts';
import { type Connection, connect } from './connection.ts';
import { takeLock } from './locks.ts';
import { besideDatabases, dropDatabase, sizeOf } from './server.ts';
import { findUnfinished } from './swap-journal.ts';

async function read(connection: Connection, { database }: SourceConfig): Promise<KeptDatabase[]> {
  const kept: KeptDatabase[] = [];
  // what a swap that broke off still needs is not something put aside
  const inUse = (await findUnfinished(connection, database)).flatMap(({ plan }) => [plan.next, plan.old]);
  for (const role of ['previous', 'undone'] as const) {
    for (const { name, since } of await besideDatabases(connection, database, role)) {
      if (!inUse.includes(name)) kept.push({ name, role, since, sizeBytes: await sizeOf(connection, name) });
    }
  }
  return kept.sort((a, b) => b.since.getTime() - a.since.getTime());
}

/** See Engine.kept. */
export async function keptDatabases(source: SourceConfig, signal: AbortSignal): Promise<KeptDatabase[]> {
  const connection = await connect(source, signal);
  return read(connection, source).finally(() => connection.close());
}

/** See Engine.dropKept. Under the restore lock: an undo may be swapping one of them in. */
export async function dropKept(source: SourceConfig, before: Date, signal: AbortSignal): Promise<KeptDatabase[]> {
  const connection = await connect(source, signal);
  try {
    const isOld = ({ since }: KeptDatabase) => since < before;
    if (!(await read(connection, source)).some(isOld)) return [];
    await takeLock(connection, { purpose: 'restore', source });
    const old = (await read(connection, source)).filter(isOld);
    for (const { name } of old) {
      await dropDatabase(connection, name);
      log.info(`dropped ${name}: its time to be undone is over`);
    }
    return old;
  } finally {
    await connection.close();
  }
}
