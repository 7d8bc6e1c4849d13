import { messageOf } from '../../../errors.ts';
import { runProgram } from '../../../pipeline/chain.ts';
import { stageError } from '../../../pipeline/result.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { clientArguments, clientEnvironment } from './client.ts';
import { type Connection, connect } from './connection.ts';
import { programFor } from './programs.ts';

const ZONES = '/usr/share/zoneinfo';
/** Of zones by name nothing is known to a server whose tables of them nobody has filled. */
const KNOWN_ZONE = 'Europe/Berlin';

/** What the manifest says of zones by name: those of events, and whether columns, checks or code convert by any. */
const OF_EVENTS = 'event_time_zones';
const CONVERTED = 'converts_time_zones';

/** For the manifest's settings: what of a database needs the server's tables of time zones. */
export async function readZones({ query }: Connection, database: string): Promise<Record<string, string>> {
  const events = await query<{ zone: string }>(
    `select distinct time_zone as zone from information_schema.events
     where event_schema = ? and time_zone regexp '^[A-Za-z]' and time_zone not in ('SYSTEM', 'UTC') order by 1`,
    [database],
  );
  const [converts] = await query<{ some: number }>(
    `select exists (
       select 1 from information_schema.columns
       where table_schema = ? and concat_ws(' ', generation_expression, column_default) regexp 'convert_tz')
     or exists (select 1 from information_schema.check_constraints where constraint_schema = ? and check_clause regexp 'convert_tz')
       as some`,
    [database, database],
  );
  return {
    ...(events.length > 0 ? { [OF_EVENTS]: events.map(({ zone }) => zone).join(', ') } : {}),
    ...(Number(converts?.some) === 1 ? { [CONVERTED]: 'ON' } : {}),
  };
}

async function knowsZones({ query }: Connection): Promise<boolean> {
  const [row] = await query<{ at: string | null }>(
    `select convert_tz('2026-01-01 00:00:00', '+00:00', '${KNOWN_ZONE}') as at`,
  );
  return row?.at !== null;
}

/** The zones by name that a backup cannot be loaded or read without, and this server does not know; undefined for none. */
export async function lackedZones(
  connection: Connection,
  manifest: Manifest | undefined,
): Promise<{ ofEvents: string | undefined } | undefined> {
  const { [OF_EVENTS]: ofEvents, [CONVERTED]: converts } = manifest?.settings ?? {};
  if (ofEvents === undefined && converts === undefined) return undefined;
  return (await knowsZones(connection)) ? undefined : { ofEvents };
}

/** How the tables are filled, by whoever may. */
export const FILL_ZONES = `mariadb-tzinfo-to-sql ${ZONES} | mariadb -u root -p mysql`;

/** Fills the tables of a rehearsal's server where the backup needs them. Where that cannot be, the load says what it lacks. */
export async function fillZones(
  place: DatabaseSource,
  manifest: Manifest | undefined,
  signal: AbortSignal,
): Promise<void> {
  const connection = await connect(place, signal);
  try {
    if ((await lackedZones(connection, manifest)) === undefined) return;
    const maker = await programFor('mariadb-tzinfo-to-sql');
    const made = await runProgram(
      { name: 'mariadb-tzinfo-to-sql', command: maker.path, args: ['--skip-write-binlog', ZONES] },
      { signal },
    );
    if (made.exitCode !== 0) throw stageError(made);
    const client = await programFor('mariadb');
    const args = [...clientArguments(place, connection), '--batch', '--database=mysql'];
    const loaded = await runProgram(
      { name: 'mariadb', command: client.path, args, env: clientEnvironment(place) },
      { input: made.stdout, signal },
    );
    if (loaded.exitCode !== 0) throw stageError(loaded);
  } catch (error) {
    signal.throwIfAborted();
    log.warn(`the rehearsal's server has no time zones by name: ${messageOf(error)}`);
  } finally {
    await connection.close();
  }
}
