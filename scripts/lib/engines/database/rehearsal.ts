import { OperatorError } from '../../errors.ts';
import type { DatabaseSource } from '../../source.ts';
import type { Check, Rehearsal, RehearsalOptions } from '../engine.ts';
import { assertDrillRoom } from '../room.ts';

/** A restore writes its tables, the log of that, and what sorts of index builds spill. */
const ROOM_FACTOR = 1.5;
/** Without a manifest: how much larger a database is than its compressed dump, at most in all likelihood. */
const UNPACKED_FACTOR = 12;
/** How many rows of what a query of the operator's gives are told. */
export const SHOWN_ROWS = 5;
export const QUERY_TIMEOUT_SECONDS = 600;

/** How an engine rehearses, on a server `S` that it asks over connections `C`. */
interface RehearsalParts<C, S> {
  /** What a server takes before anything is in it. */
  readonly serverBytes: number;
  start(): Promise<S>;
  /** Makes what a dump takes for granted on its server. Returns the source as it is there. */
  furnish(server: S): Promise<DatabaseSource>;
  connect(place: DatabaseSource, staging: string): Promise<C>;
  inspect(connection: C, staging: string, server: S): Promise<Check[]>;
  /** Runs one query which cannot write. */
  query(connection: C, sql: string): Promise<Record<string, unknown>[]>;
  /** Whether the query failed because it would have written. */
  isWrite(error: unknown): boolean;
  /** What the server said. */
  reasonOf(error: unknown): string;
}

/** A rehearsal on a throwaway server: see Engine.rehearse. */
export async function rehearseOn<C extends { close(): Promise<void> }, S extends { stop(): Promise<void> }>(
  options: RehearsalOptions,
  parts: RehearsalParts<C, S>,
): Promise<Rehearsal> {
  const { serverBytes } = parts;
  // the disk of another machine cannot be looked at
  if (options.borrowed === undefined)
    await assertDrillRoom(options, { roomFactor: ROOM_FACTOR, unpackedFactor: UNPACKED_FACTOR, serverBytes });
  const server = await parts.start();
  try {
    const source = await parts.furnish(server);
    const inside = async <T>(staging: string, work: (connection: C) => Promise<T>): Promise<T> => {
      const connection = await parts.connect(source, staging);
      return work(connection).finally(() => connection.close());
    };
    return {
      source,
      inspect: (staging) => inside(staging, (connection) => parts.inspect(connection, staging, server)),
      query: (staging, sql) =>
        inside(staging, (connection) =>
          parts.query(connection, sql).catch((error: unknown) => {
            const reason = parts.reasonOf(error instanceof OperatorError ? (error.cause ?? error) : error);
            const what = parts.isWrite(error) ? 'it tries to write, which a check may not' : reason;
            throw new OperatorError('DRILL_FAILED', what, { cause: error });
          }),
        ),
      stop: server.stop,
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}
