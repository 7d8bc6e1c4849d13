import { type Connection, connect, sqlState } from '../engines/postgres/server/connection.ts';
import { type SlotSight, slotSight } from '../engines/postgres/walsender/slot-sight.ts';
import type { LogServer } from '../source.ts';

/** A server answers within milliseconds; one that is gone without a word never does. */
const ANSWER_WITHIN_MS = 15_000;
/** admin_shutdown ends a session, cannot_connect_now refuses one: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const SHUT_DOWN = ['57P01', '57P03'];

/** A session beside the one that streams, opened when it is needed and again when it was lost. */
export interface Monitor {
  /** Undefined when the server could not be asked. */
  look(slot: string): Promise<SlotSight | undefined>;
  /** Whether the last look failed because the server ends its sessions, or lets nobody in. */
  readonly isShutDown: boolean;
  close(): Promise<void>;
}

export function newMonitor(server: LogServer, signal: AbortSignal): Monitor {
  let connection: Connection | undefined;
  let isShutDown = false;
  const close = async () => {
    const open = connection;
    connection = undefined;
    await open?.close();
  };
  let given = new AbortController();
  return {
    look: async (slot) => {
      const withinMs = ANSWER_WITHIN_MS + (connection ? 0 : server.source.connectTimeoutMs);
      const timer = setTimeout(() => given.abort(), withinMs);
      try {
        connection ??= await connect(server.source, server.source.database, AbortSignal.any([signal, given.signal]));
        const sight = await slotSight(connection, slot);
        isShutDown = false;
        return sight;
      } catch (error) {
        isShutDown = SHUT_DOWN.includes(sqlState(error) ?? '');
        await close();
        given = new AbortController();
        return undefined;
      } finally {
        clearTimeout(timer);
      }
    },
    get isShutDown() {
      return isShutDown;
    },
    close,
  };
}
