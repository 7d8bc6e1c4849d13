import { messageOf, OperatorError } from '../../errors.ts';
import type { Manifest } from '../../repository/manifest.ts';
import type { DatabaseSource } from '../../source.ts';
import { log } from '../../terminal/log.ts';
import type { BorrowedServer } from '../engine.ts';
import { assertDrillServer, assertElsewhere, databasesOfDrills, MADE } from './drill-server-guards.ts';
import { type Connection, connect, quoteIdentifier, quoteLiteral, sqlState } from './server/connection.ts';
import { dropDatabase } from './server/drop.ts';
import { LIKE_SOURCE } from './server/like-source.ts';
import { lockKey } from './server/locks.ts';
import { versionText } from './server/programs.ts';
import type { ThrowawayServer } from './server/throwaway-server.ts';

const LOCK = lockKey('drill', 'server');
/** A session that was broken off holds it for a moment longer; whoever looks at a prompt, for as long as he likes. */
const LOCK_WAIT_MS = 10_000;
const GIVING_BACK_MS = 120_000;
const LOCK_NOT_AVAILABLE = '55P03';
/** Its own, which it cannot lend the name of. */
const OWN_DATABASES = ['postgres', 'template0', 'template1'];

/** What a database is called on a server that is kept for drills. */
export function nameOnDrillServer(database: string): string {
  return OWN_DATABASES.includes(database) ? `${database}_of_the_backup` : database;
}

/**
 * A server that somebody keeps for drills, in place of one of our own: where the database's image cannot be built from. What a
 * drill makes on it is gone when that ends; what one left that was killed, when the next begins.
 *
 * @throws OperatorError CONFIG for every server that might be somebody's, before anything is changed on it; LOCKED
 */
export async function borrowDrillServer(
  borrowed: BorrowedServer,
  { source, manifest, signal }: { source: DatabaseSource; manifest: Manifest | undefined; signal: AbortSignal },
): Promise<ThrowawayServer> {
  const { place } = borrowed;
  assertElsewhere(borrowed);
  const connection = await connect(place, place.database, signal);
  try {
    await assertDrillServer(connection, borrowed, manifest);
    if (!(await hold(connection)))
      throw new OperatorError('LOCKED', 'another drill or look uses the server of DRILL_SERVER_URL', {
        hint: 'Wait until it has ended. The lock ends with that run.',
      });
    await empty(connection, place, await databasesOfDrills(connection, place, signal), signal);
    const made = quoteLiteral(nameOnDrillServer(source.database));
    await connection.query(`alter database ${quoteIdentifier(place.database)} set ${MADE} = ${made}`);
    const { host, port, user, password, sslMode, sslRootCert, sslCert, sslKey } = place;
    return {
      host,
      port,
      user,
      access: {
        sslMode,
        ...(password === undefined ? {} : { password }),
        ...(sslRootCert === undefined ? {} : { sslRootCert }),
        ...(sslCert === undefined ? {} : { sslCert }),
        ...(sslKey === undefined ? {} : { sslKey }),
      },
      version: versionText(connection.serverVersionNum),
      notRehearsed: await differences(connection, manifest),
      stop: () => giveBack(connection, place),
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** One drill or look at a time, for the session's life. @returns whether it is this one's turn */
async function hold(connection: Connection): Promise<boolean> {
  await connection.query(`begin; set local lock_timeout = ${LOCK_WAIT_MS}`);
  try {
    await connection.query('select pg_advisory_lock($1::bigint)', [LOCK]);
    return true;
  } catch (error) {
    if (sqlState(error) !== LOCK_NOT_AVAILABLE) throw error;
    return false;
  } finally {
    await connection.query('rollback');
  }
}

/** Drops what drills have made: databases, tablespaces, roles. */
async function empty(
  connection: Connection,
  place: DatabaseSource,
  databases: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (const name of databases) await dropDatabase(connection, place, name, signal);
  const spaces = await connection.query<{ name: string }>(
    'select spcname::text as name from pg_tablespace where oid >= 16384',
  );
  for (const { name } of spaces) await connection.query(`drop tablespace ${quoteIdentifier(name)}`);
  const roles = (
    await connection.query<{ name: string }>(
      'select rolname::text as name from pg_roles where oid >= 16384 and rolname <> current_user',
    )
  ).map(({ name }) => quoteIdentifier(name));
  // what they were granted on the server itself, and one by another
  for (const role of roles) await connection.query(`drop owned by ${role}`);
  if (roles.length > 0) await connection.query(`drop role ${roles.join(', ')}`);
  await connection.query(`alter database ${quoteIdentifier(place.database)} reset ${MADE}`);
}

/**
 * Over a session of its own, for an interrupt has broken off the other one. Whoever else has the server by then empties it.
 * Never rejects: the drill has its result, and the next one empties the server before it begins.
 */
async function giveBack(connection: Connection, place: DatabaseSource): Promise<void> {
  const signal = AbortSignal.timeout(GIVING_BACK_MS);
  await connection.close();
  try {
    const another = await connect(place, place.database, signal);
    try {
      if (await hold(another)) await empty(another, place, await databasesOfDrills(another, place, signal), signal);
    } finally {
      await another.close();
    }
  } catch (error) {
    log.warn(`the server of DRILL_SERVER_URL could not be emptied; the next drill tries again: ${messageOf(error)}`);
  }
}

/** What of its settings is otherwise than at the source's server. */
async function differences(connection: Connection, manifest: Manifest | undefined): Promise<string[]> {
  const there = manifest?.serverSettings ?? {};
  const here = new Map(
    (await connection.query<{ name: string; value: string }>('select name, reset_val as value from pg_settings')).map(
      ({ name, value }) => [name.toLowerCase(), value],
    ),
  );
  return LIKE_SOURCE.filter((name) => there[name] !== undefined && here.get(name.toLowerCase()) !== there[name]).map(
    (name) =>
      `${name} = ${there[name]}, which is ${JSON.stringify(here.get(name.toLowerCase()) ?? '')} at DRILL_SERVER_URL`,
  );
}
