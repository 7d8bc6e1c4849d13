import type { Socket } from 'node:net';
import pg from 'pg';
import type { DatabaseSource } from '../../../source.ts';
import type { Attempt } from '../../database/attempts.ts';

/** By which the server knows every session of ours, the programs' too. */
export const APPLICATION_NAME = 'compose-db-backup';
/** A peer that is gone without saying so is noticed within two minutes, not after the system's two hours. */
export const KEEPALIVE_IDLE_SECONDS = 30;
/** A server that is gone does not say goodbye. */
const CLOSE_TIMEOUT_MS = 2_000;

/** A client that is not connected yet. `replication` makes it a walsender's: it then takes replication commands as well as SQL. */
export function clientOf(
  source: DatabaseSource,
  database: string,
  { host, ssl, options, replication }: { host: string; ssl: Attempt['ssl']; options: string; replication?: 'database' },
): pg.Client {
  const client = new pg.Client({
    host,
    port: source.port,
    user: source.user,
    database,
    password: source.password,
    ssl,
    ...(options === '' ? {} : { options }),
    ...(replication === undefined ? {} : { replication }),
    application_name: APPLICATION_NAME,
    connectionTimeoutMillis: source.connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_IDLE_SECONDS * 1_000,
  });
  // a server that goes away is reported to the query under way, or to the next one; until there is one, to nobody
  client.on('error', () => {});
  return client;
}

/** Breaks the connection off, whatever it waits for. */
export function cut(client: pg.Client): void {
  const { connection } = client as unknown as { connection?: { stream?: { destroy(): void } } };
  connection?.stream?.destroy();
}

/** Takes leave of the server; of one that does not answer, without. */
export async function end(client: pg.Client): Promise<void> {
  const timer = setTimeout(() => cut(client), CLOSE_TIMEOUT_MS);
  await client.end().catch(() => {});
  clearTimeout(timer);
}

/** Of the protocol's messages: Terminate. */
const TERMINATE = Buffer.from([0x58, 0, 0, 0, 4]);

/**
 * Sends a last statement and takes leave, in one piece: the server runs it to its end, and its session is over then. Nobody
 * reads an answer. Returns once both are on their way, whatever becomes of this process.
 */
export async function endWith(client: pg.Client, statement: string): Promise<void> {
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
  const text = Buffer.from(`${statement}\0`);
  const head = Buffer.alloc(5, 'Q');
  head.writeInt32BE(text.length + 4, 1);
  // no reason to stay
  stream.unref();
  await new Promise<void>((resolve) => {
    stream.once('close', () => resolve());
    stream.end(Buffer.concat([head, text, TERMINATE]), () => resolve());
  });
}
