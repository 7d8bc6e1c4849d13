import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OperatorError } from '../../../errors.ts';
import type { Stage } from '../../../pipeline/chain.ts';
import type { DatabaseSource } from '../../../source.ts';
import { addressKept } from '../../database/address.ts';
import { type TlsOptions, tlsAttempts } from '../../database/tls.ts';
import { clientArguments } from './client.ts';
import type { Connection } from './connection.ts';
import { displayName } from './contents.ts';
import { readEnums } from './exact-enums.ts';
import { type Expressions, readFloats } from './exact-floats.ts';
import { readTexts } from './exact-texts.ts';
import { settingsForReading } from './session.ts';

const RELAY = fileURLToPath(new URL('./query-relay.mjs', import.meta.url));

/** What runs a program, as a stage has it. */
type Command = Pick<Stage, 'command' | 'args' | 'files'>;

/** How a mariadb-dump is to read a database, where it would not by itself. */
export interface Reading {
  readonly source: DatabaseSource;
  readonly connection: Connection;
  readonly expressions: Expressions;
  /** A statement for its session; undefined when it is given what it needs. */
  readonly settings: string | undefined;
  /** Columns whose values are rounded all the same, as people write them. */
  readonly rounded: readonly string[];
  /** Columns with texts that come out as others all the same, likewise. */
  readonly respelled: readonly string[];
  /** For what it needs while it lasts. */
  readonly folder: string;
}

/**
 * What a mariadb-dump of this database has to be told beyond its options.
 * @throws OperatorError SOURCE_CONNECT when it would leave rows or names out, and cannot be told
 */
export async function readingOf(connection: Connection, source: DatabaseSource, folder: string): Promise<Reading> {
  const settings = settingsForReading(connection.variables);
  const floats = await readFloats(connection, source.database);
  const texts = together(await readTexts(connection, source.database), await readEnums(connection, source.database));
  const known = { source, connection, folder, settings };
  if (!isVerifiedByPassword(tlsOf(source, connection)))
    return { ...known, expressions: together(floats, texts), rounded: [], respelled: [] };
  if (settings !== undefined)
    throw new OperatorError(
      'SOURCE_CONNECT',
      `mariadb-dump would leave rows or names out with what the server gives every session; it needs: ${settings}`,
      {
        hint: `Name the authority of the server's certificate (?sslrootcert= in ${source.variable}), or set it on the server.`,
      },
    );
  return { ...known, expressions: {}, rounded: named(floats), respelled: named(texts) };
}

function together(a: Expressions, b: Expressions): Expressions {
  const tables = new Set([...Object.keys(a), ...Object.keys(b)]);
  return Object.fromEntries([...tables].map((table) => [table, { ...a[table], ...b[table] }]));
}

const named = (expressions: Expressions) =>
  Object.entries(expressions).flatMap(([table, columns]) =>
    Object.keys(columns).map((column) => `${displayName(table)}.${displayName(column)}`),
  );

function tlsOf(source: DatabaseSource, { isEncrypted }: Connection): TlsOptions | false {
  return isEncrypted ? (tlsAttempts(source)[0] ?? false) : false;
}

/**
 * From MariaDB 11.4 on a client without an authority may believe a certificate that the server signed itself, by what the two
 * know of the password. Nobody between them can.
 */
const isVerifiedByPassword = (tls: TlsOptions | false) =>
  tls !== false && tls.rejectUnauthorized && tls.ca === undefined;

/**
 * The command of a client that connects as `place` says. Where there is something to be told, it runs under a relay that sets
 * its session and asks for expressions in place of columns: mariadb-dump has no options for these, and what another session
 * reads is none of its snapshot. See docs/adr/0021-relay-of-a-dump.md.
 */
export function asRead(
  { source, connection, expressions, settings, folder }: Reading,
  commandAt: (place: readonly string[]) => Command,
): Command {
  if (settings === undefined && Object.keys(expressions).length === 0)
    return commandAt(clientArguments(source, connection));
  const { host, port, connectTimeoutMs } = source;
  const tls = tlsOf(source, connection);
  const isLocal = host.startsWith('/');
  const { command, args } = commandAt(clientArguments(source, connection, ['--at-the-relay', '--skip-ssl']));
  const order = {
    server: isLocal ? { path: host } : { host: addressKept(source) ?? host, port },
    tls: tls === false ? null : { ...tls, host, checksName: tls.checkServerIdentity === undefined },
    // a client must not think its way to the server safer than it is: some then send a password as it is
    socket: isLocal || tls !== false ? join(folder, `relay-${randomBytes(6).toString('hex')}`) : null,
    connectTimeoutMs,
    settings: settings ?? null,
    expressions,
  };
  return { command: process.execPath, args: [RELAY, command, ...args], files: [JSON.stringify(order)] };
}
