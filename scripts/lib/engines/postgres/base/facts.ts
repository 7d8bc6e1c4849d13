import { messageOf } from '../../../errors.ts';
import type { BaseManifest } from '../../../log/base-manifest.ts';
import { log } from '../../../terminal/log.ts';
import { readServerSettings } from '../dump/server-settings.ts';
import type { Connection } from '../server/connection.ts';

/** What is known of a server beside its files, and what one that is recovered from them is reached by. */
export type ServerFacts = Pick<
  BaseManifest,
  | 'serverVersion'
  | 'walSegmentBytes'
  | 'databases'
  | 'collationVersions'
  | 'preloadLibraries'
  | 'superuser'
  | 'architecture'
  | 'serverSettings'
>;

// the size of a database may be asked for by who may connect to it; column names changed with the versions
const DATABASES = `
  select d.oid::text as oid, d.datname as name,
    case when has_database_privilege(d.oid, 'CONNECT') then pg_database_size(d.oid)::text end as bytes,
    to_jsonb(d) as d
  from pg_database d where d.datallowconn order by d.datname`;

/** Reads them. What this user may not ask for is left out. */
export async function readServerFacts(connection: Connection): Promise<ServerFacts> {
  const databases = await connection.query<{
    oid: string;
    name: string;
    bytes: string | null;
    d: Record<string, string | null>;
  }>(DATABASES);
  const [server] = await connection.query<{ version: string; segment: string; block: string; is64: string }>(`
    select current_setting('server_version') as version,
      (select setting from pg_settings where name = 'wal_segment_size') as segment, version() as is64`);
  const [superuser] = await connection.query<{ name: string }>('select rolname as name from pg_roles where oid = 10');
  const versions = databases.flatMap(({ name, d }) => (d.datcollversion ? [[name, d.datcollversion] as const] : []));
  const libraries = await preloadLibraries(connection);
  return {
    serverVersion: server?.version ?? '',
    walSegmentBytes: Number(server?.segment),
    databases: databases.map(({ oid, name, bytes, d }) => ({
      oid,
      name,
      bytes: bytes === null ? null : Number(bytes),
      ...(d.datcollate ? { collation: d.datcollate } : {}),
      ...(d.datctype ? { characterType: d.datctype } : {}),
    })),
    ...(versions.length > 0 ? { collationVersions: Object.fromEntries(versions) } : {}),
    ...(libraries === undefined ? {} : { preloadLibraries: libraries }),
    ...(superuser === undefined ? {} : { superuser: superuser.name }),
    serverSettings: await readServerSettings(connection),
    ...architectureOf(server?.is64 ?? ''),
  };
}

/** `x86_64-pc-linux-gnu` in what version() says. Files of one are none of another's. */
function architectureOf(version: string): { architecture?: string } {
  const found = / on ([^ ,-]+)-/.exec(version)?.[1];
  return found === undefined ? {} : { architecture: found };
}

async function preloadLibraries(connection: Connection): Promise<string[] | undefined> {
  const [row] = await connection.query<{ text: string | null }>(
    "select current_setting('shared_preload_libraries', true) as text where pg_has_role('pg_read_all_settings', 'USAGE') or (select rolsuper from pg_roles where rolname = current_user)",
  );
  if (row === undefined) return undefined;
  return (row.text ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

/**
 * The transaction that will be the next one, which nothing that was committed until now is; and the oldest that may still be committed,
 * of those that are under way. As text, for they may not fit a number.
 */
export async function nextTransactions(connection: Connection): Promise<{ nextXid?: string; oldestXid?: string }> {
  try {
    const [row] = await connection.query<{ nextXid: string; oldestXid: string }>(
      `select pg_snapshot_xmax(s)::text as "nextXid", pg_snapshot_xmin(s)::text as "oldestXid"
       from pg_current_snapshot() as s`,
    );
    return row ?? {};
  } catch (error) {
    log.info(`the next transaction cannot be told: ${messageOf(error)}`);
    return {};
  }
}
