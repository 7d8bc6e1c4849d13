import { type Connection, connect } from '../engines/postgres/server/connection.ts';
import { type SlotSight, slotSight } from '../engines/postgres/walsender/slot-sight.ts';
import type { LogServer } from '../source.ts';

/** A session beside the one that streams, opened when it is needed and again when it was lost. */
export interface Monitor {
  /** Undefined when the server could not be asked. */
  look(slot: string): Promise<SlotSight | undefined>;
  close(): Promise<void>;
}

export function newMonitor(server: LogServer, signal: AbortSignal): Monitor {
  let connection: Connection | undefined;
  const close = async () => {
    const open = connection;
    connection = undefined;
    await open?.close();
  };
  return {
    look: async (slot) => {
      try {
        connection ??= await connect(server.source, server.source.database, signal);
        return await slotSight(connection, slot);
      } catch {
        await close();
        return undefined;
      }
    },
    close,
  };
}
