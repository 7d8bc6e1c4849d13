import { messageOf, OperatorError } from '../../errors.ts';
import type { Manifest } from '../../repository/manifest.ts';
import type { DatabaseSource } from '../../source.ts';
import { QUERY_TIMEOUT_SECONDS, rehearseOn, SHOWN_ROWS } from '../database/rehearsal.ts';
import type { Check, Rehearsal, RehearsalOptions } from '../engine.ts';
import { borrowDrillServer, nameOnDrillServer } from './drill-server.ts';
import { DROPPED, INVALID_OBJECTS } from './dump/facts.ts';
import { describeLackingVersions, lackingVersions } from './server/called-around.ts';
import { type Connection, connect, quoteIdentifier, sqlState } from './server/connection.ts';
import {
  startThrowawayServer,
  type ThrowawayOptions,
  type ThrowawayServer,
  throwawaySource,
} from './server/throwaway-server.ts';

const EMPTY_SERVER_BYTES = 64 * 1024 * 1024;

/** See Engine.rehearse. */
export function rehearse(source: DatabaseSource, options: RehearsalOptions): Promise<Rehearsal> {
  const { directory, manifest, signal } = options;
  const version = options.version ?? manifest?.serverVersion;
  const major = version === undefined ? undefined : Number.parseInt(version, 10);
  return rehearseOn(options, {
    serverBytes: EMPTY_SERVER_BYTES,
    start: () =>
      start(source, options, {
        ...(major === undefined ? {} : { major }),
        parent: directory,
        durable: options.isForLooking !== true,
        isForLooking: options.isForLooking === true,
        settings: [
          'shared_buffers=256MB',
          'max_wal_size=4GB',
          'autovacuum=off',
          'allow_in_place_tablespaces=on',
        ].filter(
          // a developer setting that came with PostgreSQL 15
          (setting) => !setting.startsWith('allow_in_place') || (major ?? 0) >= 15,
        ),
        signal,
      }),
    furnish: async (server) => {
      const database = options.borrowed === undefined ? source.database : nameOnDrillServer(source.database);
      const place = throwawaySource(server, database, source);
      await furnish(place, source, options);
      return place;
    },
    connect: (place, staging) => connect(place, staging, signal),
    inspect: async (connection, _, server) => [
      await checkValidity(connection, manifest),
      await checkExtensions(connection, manifest),
      ...(await checkDropped(connection, manifest)),
      await checkIndexes(connection),
      ...leftOut(server),
    ],
    query: runQuery,
    isWrite: (error) => sqlState(error) === '25006',
    reasonOf: messageOf,
  });
}

/** The server that somebody keeps for this; or one of our own. */
async function start(
  source: DatabaseSource,
  options: RehearsalOptions,
  own: ThrowawayOptions,
): Promise<ThrowawayServer> {
  const { borrowed, manifest, signal } = options;
  return borrowed === undefined ? startLike(options, own) : borrowDrillServer(borrowed, { source, manifest, signal });
}

/** A server like the source's, or where its settings let none start, one without them. */
async function startLike({ manifest, signal }: RehearsalOptions, options: ThrowawayOptions): Promise<ThrowawayServer> {
  if (manifest === undefined) return startThrowawayServer(options);
  try {
    return await startThrowawayServer({ ...options, like: manifest });
  } catch (error) {
    signal.throwIfAborted();
    const settings = manifest.serverSettings;
    if (settings === undefined || !(error instanceof OperatorError) || error.code !== 'PROCESS_FAILED') throw error;
    const { max_locks_per_transaction = '64', max_connections = '100' } = settings;
    const like = { ...manifest, serverSettings: { max_locks_per_transaction, max_connections } };
    const server = await startThrowawayServer({ ...options, like });
    const reason = `settings of the source's server, with which none starts here: ${messageOf(error)}`;
    return { ...server, notRehearsed: [...server.notRehearsed, reason] };
  }
}

function leftOut({ notRehearsed }: ThrowawayServer): Check[] {
  return notRehearsed.length === 0 ? [] : [{ name: 'not rehearsed', ok: true, detail: notRehearsed.join('; ') }];
}

/** Makes what a dump takes for granted on its server: roles and tablespaces. */
async function furnish(
  place: DatabaseSource,
  source: DatabaseSource,
  { manifest, hasGlobals, signal }: RehearsalOptions,
): Promise<void> {
  const connection = await connect(place, 'postgres', signal);
  try {
    for (const role of hasGlobals ? [] : new Set([...(manifest?.roles ?? []), source.user])) {
      if (role !== place.user) await connection.query(`create role ${quoteIdentifier(role)}`);
    }
    // one of our own has it set; a developer setting that came with PostgreSQL 15
    if ((manifest?.tablespaces ?? []).length > 0 && connection.serverVersionNum >= 150_000)
      await connection.query('set allow_in_place_tablespaces = on');
    for (const tablespace of manifest?.tablespaces ?? []) {
      await connection.query(`create tablespace ${quoteIdentifier(tablespace)} location ''`);
    }
    await assertExtensions(connection, manifest);
  } finally {
    await connection.close();
  }
}

async function assertExtensions(connection: Connection, manifest: Manifest | undefined): Promise<void> {
  const rows = await connection.query<{ name: string }>('select name from pg_available_extensions');
  const available = new Set(rows.map(({ name }) => name));
  const missing = (manifest?.extensions ?? []).filter(({ name }) => !available.has(name)).map(({ name }) => name);
  if (missing.length === 0) return assertVersions(connection, manifest);
  throw new OperatorError(
    'TOOL_MISSING',
    `the backup needs extensions that are not installed here: ${missing.join(', ')}`,
    {
      hint: 'Build the backup image from the image that the database runs (POSTGRES_IMAGE, see docs/own-image.md), or install their packages here (for instance postgresql-18-postgis-3), so that restores can be rehearsed.',
    },
  );
}

async function assertVersions(connection: Connection, manifest: Manifest | undefined): Promise<void> {
  const lacking = await lackingVersions(connection, manifest);
  if (lacking.length === 0) return;
  const { message, hint } = describeLackingVersions(lacking);
  throw new OperatorError('TOOL_MISSING', message, { hint });
}

async function checkValidity(connection: Connection, manifest: Manifest | undefined): Promise<Check> {
  const name = 'constraints and indexes valid';
  const invalid = (await connection.query<{ name: string }>(INVALID_OBJECTS)).map((row) => row.name);
  const before = new Set(manifest?.invalid ?? []);
  const newly = invalid.filter((object) => !before.has(object));
  if (newly.length > 0 && manifest?.invalid)
    return { name, ok: false, detail: `not valid, but was when dumped: ${newly.join(', ')}` };
  const [row] = await connection.query<{ n: string }>(
    'select ((select count(*) from pg_constraint where conrelid >= 16384) + (select count(*) from pg_index where indexrelid >= 16384))::text as n',
  );
  const also = invalid.length === 0 ? '' : `; not valid, as in the source: ${invalid.join(', ')}`;
  return { name, ok: true, detail: `${row?.n} looked at${also}` };
}

async function checkExtensions(connection: Connection, manifest: Manifest | undefined): Promise<Check> {
  const name = 'extensions';
  const rows = await connection.query<{ name: string; version: string }>(
    'select extname as name, extversion as version from pg_extension',
  );
  const here = new Map(rows.map((row) => [row.name, row.version]));
  const expected = manifest?.extensions ?? [];
  const missing = expected.filter((extension) => !here.has(extension.name));
  if (missing.length > 0)
    return { name, ok: false, detail: `missing: ${missing.map((extension) => extension.name).join(', ')}` };
  const other = expected.filter((extension) => here.get(extension.name) !== extension.version);
  const detail = other.map((e) => `${e.name} is ${here.get(e.name)} here and ${e.version} at the source`).join(', ');
  return { name, ok: true, detail: detail || `${expected.length} as at the source` };
}

/** A dump of either database looks the same: it says of neither that they are there, nor that they are gone. */
async function checkDropped(connection: Connection, manifest: Manifest | undefined): Promise<Check[]> {
  const expected = manifest?.dropped;
  if (expected === undefined) return [];
  const gone = (await connection.query<{ name: string }>(DROPPED)).map(({ name }) => name);
  const there = expected.filter((name) => !gone.includes(name));
  const detail = there.length > 0 ? `there, and was not when dumped: ${there.join(', ')}` : expected.join(', ');
  return [{ name: 'dropped from the start', ok: there.length === 0, detail }];
}

/** amcheck walks every B-tree and tells a broken one; it is part of PostgreSQL's own contrib. */
async function checkIndexes(connection: Connection): Promise<Check> {
  const name = 'amcheck';
  try {
    await connection.query('create schema drill_amcheck; create extension amcheck with schema drill_amcheck');
  } catch (error) {
    return { name, ok: true, detail: `left out: ${messageOf(error)}` };
  }
  try {
    const rows = await connection.query<{ n: string }>(`
      select count(drill_amcheck.bt_index_check(c.oid)::text)::text as n
      from pg_class c join pg_am a on a.oid = c.relam join pg_index i on i.indexrelid = c.oid
      where a.amname = 'btree' and c.relkind = 'i' and c.oid >= 16384 and i.indisvalid`);
    return { name, ok: true, detail: `${rows[0]?.n} B-tree indexes sound` };
  } catch (error) {
    return { name, ok: false, detail: messageOf(error) };
  }
}

/** Runs one query of the operator's, which may not write. @returns the first rows */
export async function runQuery(connection: Connection, sql: string): Promise<Record<string, unknown>[]> {
  // the operator's query sees the database as the application does
  await connection.query('reset all');
  await connection.query(`set default_transaction_read_only = on; set statement_timeout = '${QUERY_TIMEOUT_SECONDS}s'`);
  // one statement only, which keeps a file from leaving the read-only transaction
  return connection.firstRows(sql, SHOWN_ROWS);
}
