import type { SourceConfig } from '../../config-sources.ts';
import { log } from '../../log.ts';
import type { KeptDatabase } from '../engine.ts';
import type { Connection } from './connection.ts';
import { besideDatabases, connectBeside, dropDatabase, lockRestore } from './server.ts';

async function read(connection: Connection, source: SourceConfig): Promise<KeptDatabase[]> {
  const kept: KeptDatabase[] = [];
  for (const role of ['previous', 'undone'] as const) {
    for (const { name, since, sizeBytes } of await besideDatabases(connection, source.database, role)) {
      kept.push({ name, role, since, sizeBytes });
    }
  }
  return kept.sort((a, b) => b.since.getTime() - a.since.getTime());
}

/** See Engine.kept. */
export async function keptDatabases(source: SourceConfig, signal: AbortSignal): Promise<KeptDatabase[]> {
  const connection = await connectBeside(source, signal);
  return read(connection, source).finally(() => connection.close());
}

/** See Engine.dropKept. Under the restore lock: an undo may be swapping one of them in. */
export async function dropKept(source: SourceConfig, before: Date, signal: AbortSignal): Promise<KeptDatabase[]> {
  const connection = await connectBeside(source, signal);
  try {
    const old = (await read(connection, source)).filter(({ since }) => since < before);
    if (old.length === 0) return [];
    await lockRestore(connection, source);
    for (const { name } of old) {
      await dropDatabase(connection, name);
      log.info(`dropped ${name}: its time to be undone is over`);
    }
    return old;
  } finally {
    await connection.close();
  }
}
