import type { DatabaseSource } from '../../source.ts';
import type { KeptDatabase } from '../engine.ts';
import { nothingToUndo, removeOld } from '../kept.ts';

type Kept = KeptDatabase['role'];

/** How an engine's server is asked for what restores keep beside a database. */
interface KeptBeside<C> {
  connect(source: DatabaseSource, signal: AbortSignal): Promise<C>;
  /** Those of a role; `isOurs` are those that say so themselves. */
  list(
    connection: C,
    source: DatabaseSource,
    role: Kept,
  ): Promise<readonly (Omit<KeptDatabase, 'role'> & { isOurs: boolean })[]>;
  /** Puts right, before anything is removed, what a run that was killed left on the server. */
  mend?(connection: C): Promise<void>;
  /** Keeps restores and undos out until the connection is closed. */
  lock(connection: C, source: DatabaseSource): Promise<void>;
  drop(connection: C, name: string, of: { source: DatabaseSource; signal: AbortSignal }): Promise<void>;
}

/** See Engine.kept and Engine.dropKept. */
export function keptBeside<C extends { close(): Promise<void> }>(server: KeptBeside<C>) {
  const read = async (connection: C, source: DatabaseSource, isOursAlone: boolean): Promise<KeptDatabase[]> => {
    const kept: KeptDatabase[] = [];
    for (const role of ['previous', 'undone', 'picked'] as const) {
      for (const { name, since, sizeBytes, isOurs } of await server.list(connection, source, role))
        if (isOurs || !isOursAlone) kept.push({ name, role, since, sizeBytes });
    }
    return kept.sort((a, b) => b.since.getTime() - a.since.getTime());
  };
  return {
    kept: async (source: DatabaseSource, signal: AbortSignal): Promise<KeptDatabase[]> => {
      const connection = await server.connect(source, signal);
      return read(connection, source, false).finally(() => connection.close());
    },
    dropKept: async (
      source: DatabaseSource,
      before: Date,
      signal: AbortSignal,
      role?: KeptDatabase['role'],
    ): Promise<KeptDatabase[]> => {
      const connection = await server.connect(source, signal);
      try {
        await server.mend?.(connection);
        const isMeant = (kept: KeptDatabase) => role === undefined || kept.role === role;
        return await removeOld(before, {
          // what does not say that a restore kept it has nothing but a name in common with it
          list: async () => (await read(connection, source, true)).filter(isMeant),
          underLock: async (work) => {
            await server.lock(connection, source);
            return work();
          },
          remove: (name) => server.drop(connection, name, { source, signal }),
        });
      } finally {
        await connection.close();
      }
    },
  };
}

/**
 * What an undo puts back in place, of those that restores replaced, the newest first.
 * @throws OperatorError RESTORE_REFUSED when there is none
 */
export function toPutBack<B extends { isOurs: boolean }>(replaced: readonly B[], live: string): B {
  // of one that does not say what it is nothing is lost by putting it in place
  const found = replaced.find(({ isOurs }) => isOurs) ?? replaced[0];
  if (!found) throw nothingToUndo(live);
  return found;
}
