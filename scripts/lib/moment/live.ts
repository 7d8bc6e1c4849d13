import { asked } from '../engines/asking.ts';
import { connect } from '../engines/postgres/server/connection.ts';
import { systemIdentifier } from '../engines/postgres/server/identity.ts';
import { slotSight } from '../engines/postgres/walsender/slot-sight.ts';
import { messageOf } from '../errors.ts';
import { isBeside } from '../log/beside.ts';
import type { ChainLog } from '../log/catalog.ts';
import { slotFamily, slotName } from '../log/keys.ts';
import type { LogStore } from '../log/store.ts';
import type { DatabaseSource } from '../source.ts';
import { log } from '../terminal/log.ts';

/** What a running server says of itself, by which its log is told from others of its name. */
export interface LiveServer {
  readonly systemIdentifier: string | undefined;
  /** The chain that its slot holds the place of. */
  readonly chain: ChainLog | undefined;
}

/**
 * Asks the server of a source which of the chains that are stored under its name are its own. A copy of a server, or another one in the
 * same prefix, may have stored its log there too.
 * @returns undefined for a server that does not answer, as when its machine is gone, and where there is nothing to tell apart
 */
export async function liveServer(
  source: DatabaseSource,
  { store, server, chains }: { store: LogStore; server: string; chains: readonly ChainLog[] },
  signal: AbortSignal,
): Promise<LiveServer | undefined> {
  if (chains.length < 2) return undefined;
  try {
    return await asked(signal, source, async (limited) => {
      const connection = await connect(source, 'postgres', limited);
      try {
        const { slot } = await slotSight(connection, slotFamily(store.prefix, server));
        return {
          systemIdentifier: await systemIdentifier(connection),
          chain: chains.find(({ id }) => slotName(store.prefix, server, id) === slot),
        };
      } finally {
        await connection.close();
      }
    });
  } catch (error) {
    signal.throwIfAborted();
    log.info(`which of the logs that are stored as ${server} are its own could not be asked: ${messageOf(error)}`);
    return undefined;
  }
}

/** How near a stored chain is to a running server: what is nearer is restored from, where it leads there. */
export type Kinship = 'its own' | 'earlier' | 'of its copy' | 'of the one before it' | 'of another';

/** @param system the system identifier of the server that the base is of */
export function kinshipOf(live: LiveServer | undefined, chain: ChainLog | undefined, system: string): Kinship {
  if (live === undefined) return 'its own';
  if (live.chain !== undefined && chain?.id.chain === live.chain.id.chain) return 'its own';
  const beside = live.chain !== undefined && chain !== undefined && isBeside(chain, live.chain);
  const own = live.systemIdentifier ?? live.chain?.id.systemIdentifier ?? system;
  if (system === own) return beside ? 'of its copy' : 'earlier';
  return beside ? 'of another' : 'of the one before it';
}

/** The nearest first. One that is `of another` is not restored from. */
export const KINSHIPS: readonly Kinship[] = ['its own', 'earlier', 'of its copy', 'of the one before it'];
