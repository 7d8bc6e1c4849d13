// query-relay.mjs COMMAND [ARGUMENT …]: runs a mariadb-dump and stands between it and its server: its session is given settings
// before it asks anything, what it asks of a table is asked with some columns written otherwise, and all else passes as it is.
// An argument `--at-the-relay` becomes where the relay listens. What it is to do stands as JSON in descriptor 3. Its exit
// status is the command's.
// https://mariadb.com/docs/server/reference/clientserver-protocol
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import { Packets, packet } from './wire-packets.mjs';

/**
 * @typedef {object} RelayOrder
 * @property {{ host: string, port: number } | { path: string }} server
 * @property {import('node:tls').ConnectionOptions & { checksName: boolean } | null} tls
 * @property {string | null} socket where to listen; null for a port of this machine
 * @property {number} connectTimeoutMs
 * @property {string | null} settings a statement for the client's session
 * @property {Record<string, Record<string, string>>} expressions by table and column, what stands for the column
 */

const PLACE = '--at-the-relay';
const SELECT = 'SELECT /*!40001 SQL_NO_CACHE */ ';
const COM_QUERY = 3;
const OK = 0;
const ERROR = 255;
/** Before its words: the mark, the number, and the state after a #. */
const ERROR_HEAD_BYTES = 9;
const CLIENT_SSL = 0x800;
/** By the beginning of its answer to the server's greeting a client asks for TLS. */
const REQUEST_BYTES = 32;
const KEEPALIVE_MS = 30_000;

/** @type {RelayOrder} */
const order = JSON.parse(readFileSync(3, 'utf8'));

/** @param {string} name in backquotes */
const unquoted = (name) => name.slice(1, -1).replaceAll('``', '`');

/**
 * A query of mariadb-dump's for a table's rows, with what stands for some of its columns.
 * @param {Buffer} query
 */
function rewritten(query) {
  const text = query.toString('utf8');
  if (!text.startsWith(SELECT) || !Buffer.from(text, 'utf8').equals(query)) return query;
  const tokens = text.slice(SELECT.length).match(/`(?:[^`]|``)*`|[^`]+/g) ?? [];
  const from = tokens.findIndex((token) => !token.startsWith('`') && token.endsWith(' FROM '));
  const columns = order.expressions[unquoted(tokens[from + 1] ?? '')];
  if (from < 0 || columns === undefined) return query;
  const asked = tokens.map((token, at) => {
    const expression = at < from && token.startsWith('`') ? columns[unquoted(token)] : undefined;
    return expression === undefined ? token : `${expression} AS ${token}`;
  });
  return Buffer.from(SELECT + asked.join(''), 'utf8');
}

/** One connection of the client's, and the one to the server that stands for it. */
class Relayed {
  #client;
  /** @type {import('node:net').Socket} */
  #server;
  /** The server counts so many packets more: it was asked for TLS before the client answered it. */
  #ahead = 0;
  /** Who the client is has been settled: with each command the count begins anew. */
  #isKnown = false;
  /**
   * The server's word that the client is let in, which it gets when its session is set.
   * @type {Buffer | undefined}
   */
  #welcome;
  #fromServer = new Packets((sequence, payload) => this.#toClient(sequence, payload));
  #fromClient = new Packets((sequence, payload) => this.#toServer(sequence, payload));

  /** @param {import('node:net').Socket} client */
  constructor(client) {
    this.#client = client;
    const server = connect({ ...order.server, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS });
    this.#server = server;
    server.setTimeout(order.connectTimeoutMs, () => server.destroy(new Error('it does not answer')));
    server.once('data', () => server.setTimeout(0));
    server.on('error', (error) => this.#fail(error));
    this.#hear();
    client.on('data', (chunk) => this.#fromClient.feed(chunk));
    client.on('drain', () => this.#server.resume());
    client.on('error', () => this.#server.destroy());
    client.on('close', () => this.#server.end());
  }

  #hear() {
    const server = this.#server;
    server.on('data', (chunk) => {
      if (!this.#isKnown) this.#fromServer.feed(chunk);
      else if (!this.#client.write(chunk)) server.pause();
    });
    server.on('drain', () => this.#client.resume());
    server.on('close', () => this.#client.end());
  }

  /**
   * @param {number} sequence
   * @param {Buffer} payload
   */
  #toClient(sequence, payload) {
    const isError = payload[0] === ERROR;
    if (this.#welcome !== undefined) {
      if (isError) this.#fail(new Error(`it does not take ${order.settings}: ${payload.subarray(ERROR_HEAD_BYTES)}`));
      this.#client.write(this.#welcome);
      this.#isKnown = true;
      return;
    }
    const passed = packet(sequence - this.#ahead, payload);
    if (payload[0] === OK && order.settings !== null) {
      this.#welcome = passed;
      this.#server.write(packet(0, Buffer.concat([Buffer.from([COM_QUERY]), Buffer.from(order.settings)])));
      return;
    }
    this.#client.write(passed);
    this.#isKnown = payload[0] === OK || isError;
  }

  /**
   * @param {number} sequence
   * @param {Buffer} payload
   */
  #toServer(sequence, payload) {
    if (order.tls !== null && this.#ahead === 0) {
      this.#secure(payload, order.tls);
      return;
    }
    const isQuery = this.#isKnown && sequence === 0 && payload[0] === COM_QUERY;
    const sent = isQuery ? Buffer.concat([payload.subarray(0, 1), rewritten(payload.subarray(1))]) : payload;
    if (!this.#server.write(packet(this.#isKnown ? sequence : sequence + this.#ahead, sent))) this.#client.pause();
  }

  /**
   * The client's answer to the greeting goes to the server in TLS, of which the client knows nothing.
   * @param {Buffer} answer
   * @param {NonNullable<RelayOrder['tls']>} tls
   */
  #secure(answer, { checksName, ...tls }) {
    const asking = Buffer.from(answer);
    asking.writeUInt32LE((asking.readUInt32LE(0) | CLIENT_SSL) >>> 0);
    const socket = this.#server;
    socket.removeAllListeners('data').removeAllListeners('drain').removeAllListeners('close');
    socket.write(packet(1, asking.subarray(0, REQUEST_BYTES)));
    const ignoringName = checksName ? {} : { checkServerIdentity: () => undefined };
    const server = connectSecurely({ ...tls, ...ignoringName, socket });
    this.#server = server;
    this.#ahead = 1;
    server.on('error', (error) => this.#fail(error));
    this.#hear();
    server.once('secureConnect', () => server.write(packet(2, asking)));
  }

  /** @param {Error} error */
  #fail(error) {
    process.stderr.write(`the connection to the server: ${error.message}\n`);
    this.#client.destroy();
    this.#server.destroy();
  }
}

const [command = '', ...args] = process.argv.slice(2);
const relay = createServer((client) => void new Relayed(client));
relay.listen(order.socket === null ? { host: '127.0.0.1', port: 0 } : { path: order.socket }, () => {
  const address = relay.address();
  const place =
    typeof address === 'string' || address === null
      ? ['--protocol=socket', `--socket=${address}`]
      : ['--protocol=tcp', `--host=${address.address}`, `--port=${address.port}`];
  const child = spawn(
    command,
    args.flatMap((arg) => (arg === PLACE ? place : [arg])),
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT', 'SIGHUP'])) {
    process.on(signal, () => {
      // a process that was stopped takes the end only once it goes on
      child.kill(signal);
      child.kill('SIGCONT');
    });
  }
  child.on('error', (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(127);
  });
  child.on('close', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
});
