import type { DatabaseSource } from '../../source.ts';
import type { Beside, KeptDatabase, RunUnderWay } from '../engine.ts';
import { nothingToUndo, removeOld } from '../kept.ts';

/** In which roles something is kept beside a database. */
export const KEPT_ROLES = ['previous', 'undone', 'picked'] as const satisfies readonly KeptDatabase['role'][];

/** `isOurs` are those that say so themselves. */
type Found = KeptDatabase & { readonly isOurs: boolean };

/** How an engine's server is asked for what is beside its databases. Answers are in the order of the sources. */
interface BesideDatabases<C> {
  connect(source: DatabaseSource, signal: AbortSignal): Promise<C>;
  /** What restores keep beside these databases. */
  list(connection: C, sources: readonly DatabaseSource[]): Promise<readonly (readonly Found[])[]>;
  /** The runs that hold their locks. */
  underWay(connection: C, sources: readonly DatabaseSource[]): Promise<readonly (readonly RunUnderWay[])[]>;
  /** Puts right, before anything is removed, what a run that was killed left on the server. */
  mend?(connection: C): Promise<void>;
  /** Keeps restores and undos out until the connection is closed. */
  lock(connection: C, source: DatabaseSource): Promise<void>;
  drop(connection: C, name: string, of: { source: DatabaseSource; signal: AbortSignal }): Promise<void>;
}

/** See Engine.kept, Engine.beside and Engine.dropKept. */
export function keptBeside<C extends { close(): Promise<void> }>(server: BesideDatabases<C>) {
  const read = async (connection: C, source: DatabaseSource, isOursAlone: boolean): Promise<KeptDatabase[]> => {
    const [found = []] = await server.list(connection, [source]);
    return asKept(found.filter(({ isOurs }) => isOurs || !isOursAlone));
  };
  return {
    kept: async (source: DatabaseSource, signal: AbortSignal): Promise<KeptDatabase[]> => {
      const connection = await server.connect(source, signal);
      return read(connection, source, false).finally(() => connection.close());
    },
    beside: async (sources: readonly DatabaseSource[], signal: AbortSignal): Promise<Beside[]> => {
      const [first] = sources;
      if (!first) return [];
      const connection = await server.connect(first, signal);
      try {
        const kept = await server.list(connection, sources);
        const underWay = await server.underWay(connection, sources).catch(() => []);
        signal.throwIfAborted();
        return sources.map((_, i) => ({ kept: asKept(kept[i] ?? []), underWay: underWay[i] ?? [] }));
      } finally {
        await connection.close();
      }
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

/** The newest first. */
function asKept(found: readonly Found[]): KeptDatabase[] {
  return found
    .map(({ name, role, since, sizeBytes }) => ({ name, role, since, sizeBytes }))
    .sort((a, b) => b.since.getTime() - a.since.getTime());
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
