import { OperatorError } from '../../errors.ts';
import type { Manifest } from '../../repository/manifest.ts';
import type { DatabaseSource } from '../../source.ts';
import type { BorrowedServer } from '../engine.ts';
import { isEmpty } from './restore/staging.ts';
import type { Connection } from './server/connection.ts';
import { listDatabases } from './server/databases.ts';
import { systemIdentifier } from './server/identity.ts';
import { isOfRestore } from './server/marks.ts';

/** What the server calls itself, by its setting cluster_name: no server with data of anybody's does by chance. */
export const DRILL_SERVER_NAME = 'drill-server';
/** What a look has there under the database's own name stands in a setting of the database postgres. */
export const MADE = 'compose_db_backup.made';
/** The name of what a restore makes, and had no time to mark. */
const RESTORING = /_restoring_\d{14}$/;
/** Made by initdb, or a template, as some images bring: neither is a drill's. */
const OWN_DATABASE = 'postgres';

/** @throws OperatorError CONFIG for an address at which a source is, before anybody connects to it */
export function assertElsewhere({ place, live }: BorrowedServer): void {
  const twin = live.find(({ host, port }) => host === place.host && port === place.port);
  if (twin) throw refused(`is ${place.host}:${place.port}, where a source is`);
}

/**
 * Refuses every server that might be somebody's.
 * @throws OperatorError CONFIG, or TOOL_MISSING for another version than the backup is of
 */
export async function assertDrillServer(
  connection: Connection,
  { identifiers }: BorrowedServer,
  manifest: Manifest | undefined,
): Promise<void> {
  const [row] = await connection.query<{ name: string; isStandby: boolean }>(
    `select current_setting('cluster_name') as name, pg_is_in_recovery() as "isStandby"`,
  );
  if (row?.name !== DRILL_SERVER_NAME)
    throw refused(`does not call itself ${DRILL_SERVER_NAME} (its cluster_name is ${JSON.stringify(row?.name)})`);
  if (row.isStandby) throw refused('is a standby');
  if (!connection.isSuperuser) throw refused('lets its user be no superuser, as a rehearsal has to be');
  const identifier = (await systemIdentifier(connection)) ?? '';
  const source = identifier === manifest?.systemIdentifier ? manifest.source : identifiers.get(identifier);
  if (source !== undefined)
    throw refused(`is the very server that backups of ${source} are of (system identifier ${identifier})`);
  const major = Math.floor(connection.serverVersionNum / 10_000);
  const wanted = manifest === undefined ? major : Number.parseInt(manifest.serverVersion, 10);
  if (major === wanted) return;
  throw new OperatorError('TOOL_MISSING', `DRILL_SERVER_URL is PostgreSQL ${major}, and the backup is of ${wanted}`, {
    hint: 'Run the image that the database runs there. See docs/own-image.md.',
  });
}

/**
 * The databases on it that drills and looks have left which were killed.
 * @throws OperatorError CONFIG when it holds anything else
 */
export async function databasesOfDrills(
  connection: Connection,
  place: DatabaseSource,
  signal: AbortSignal,
): Promise<string[]> {
  const [made] = await connection.query<{ name: string | null }>('select current_setting($1, true) as name', [MADE]);
  const templates = new Set(
    (await connection.query<{ name: string }>('select datname::text as name from pg_database where datistemplate')).map(
      ({ name }) => name,
    ),
  );
  const ours: string[] = [];
  const foreign: string[] = [];
  for (const { name, oid, comment } of await listDatabases(connection)) {
    if (isOfRestore(comment, oid) || name === made?.name) ours.push(name);
    else if (RESTORING.test(name) && (await isEmpty(place, name, signal))) ours.push(name);
    else if (!templates.has(name) && name !== OWN_DATABASE) foreign.push(name);
  }
  if (foreign.length > 0) throw refused(`holds databases that no drill has made: ${foreign.join(', ')}`);
  if (!(await isEmpty(place, OWN_DATABASE, signal)))
    throw refused(`holds what somebody has made in its database ${OWN_DATABASE}`);
  return ours;
}

export function refused(why: string): OperatorError {
  return new OperatorError('CONFIG', `DRILL_SERVER_URL ${why}: nothing was done there`, {
    hint: `It has to be an empty server that is there for drills alone, and says so: postgres -c cluster_name=${DRILL_SERVER_NAME}. See docs/own-image.md.`,
  });
}
