import type { Manifest } from '../../../repository/manifest.ts';
import type { Connection } from './connection.ts';

/** An extension that wants to be told of a load, and whose workers do things of their own in a database that has it. */
export interface CalledAround {
  readonly name: string;
  /** The major version from which on all of this holds. */
  readonly since: number;
  /** Functions of its own, without arguments: before a load, after one, and what keeps its workers out or lets them in. */
  readonly before: string;
  readonly after: string;
  readonly stop: string;
  readonly start: string;
  /** By which the database knows that it is being loaded: of no use to any other database. */
  readonly setting: string;
  /** What keeps its workers out of a whole server. */
  readonly idle: string;
  /** Names what its workers do by themselves, as `name`. */
  readonly jobs: string;
  /** Tables, as a manifest names them, that keep rows of others in a form of its own: which tables' is known to it alone. */
  readonly keepsRows: RegExp;
  /** Says which tables' rows are shown as those of another one, as `part` and `whole`. */
  readonly parts: string;
  /** Names keys that no load can check, as `name`. */
  readonly unchecked: string;
  /** A pattern of schemas whose tables it fills by itself, and keeps out of dumps on purpose. */
  readonly ownRows: string;
}

/** See https://docs.timescale.com/self-hosted/latest/backup-and-restore/logical-backup/. */
export const CALLED_AROUND: readonly CalledAround[] = [
  {
    name: 'timescaledb',
    since: 2,
    before: 'timescaledb_pre_restore',
    after: 'timescaledb_post_restore',
    stop: 'stop_background_workers',
    start: 'start_background_workers',
    setting: 'timescaledb.restoring',
    idle: 'timescaledb.max_background_workers=0',
    jobs: `select format('%s (%s)', proc_name, job_id) as name from timescaledb_information.jobs
      where scheduled and job_id >= 1000 order by job_id`,
    keepsRows: /^_timescaledb_internal\.(?:compress_hyper|_compressed_hypertable)_/,
    parts: `select format('%I.%I', chunk_schema, chunk_name) as part, format('%I.%I', hypertable_schema, hypertable_name) as whole
      from timescaledb_information.chunks`,
    // a hypertable is empty to whoever does not go through the extension
    unchecked: `select format('%I of %s', k.conname, k.conrelid::regclass) as name from pg_constraint k
      join pg_class c on c.oid = k.confrelid join pg_namespace n on n.oid = c.relnamespace
      join timescaledb_information.hypertables h on h.hypertable_schema = n.nspname and h.hypertable_name = c.relname
      where k.contype = 'f' and k.conparentid = 0 order by 1`,
    ownRows: '^_timescaledb_',
  },
];

/** An older version names its views otherwise, and no server that is maintained takes it. */
const isKnown = ({ name, since }: CalledAround, there: { name: string; version: string }) =>
  there.name === name && Number.parseInt(there.version, 10) >= since;

/** Those of them that the database has. */
export async function calledAroundIn(connection: Connection): Promise<CalledAround[]> {
  const rows = await connection.query<{ name: string; version: string }>(
    'select extname as name, extversion as version from pg_extension where extname = any($1)',
    [CALLED_AROUND.map(({ name }) => name)],
  );
  return CALLED_AROUND.filter((known) => rows.some((row) => isKnown(known, row)));
}

/** A word on those that the database has and the server does not preload, where it is read without them. */
export async function readWithout(connection: Connection): Promise<string | undefined> {
  const preloaded = await connection.query<{ name: string }>(
    "select unnest(string_to_array(current_setting('shared_preload_libraries'), ',')) as name",
  );
  const absent = (await calledAroundIn(connection)).filter(({ name }) => !preloaded.some((one) => one.name === name));
  if (absent.length === 0) return undefined;
  const names = absent.map(({ name }) => name).join(', ');
  return `it is read without ${names}, which is not installed here: rows that it keeps compressed are not among what a query finds`;
}

/** As a manifest has it. */
export type Extension = NonNullable<Manifest['extensions']>[number];

/** Those of them that the backup has, as it has them. */
export function calledAroundOf(
  manifest: Manifest | undefined,
): { readonly known: CalledAround; readonly there: Extension }[] {
  return CALLED_AROUND.flatMap((known) => {
    const there = manifest?.extensions?.find((each) => isKnown(known, each));
    return there ? [{ known, there }] : [];
  });
}

/** A version that a server would have to have, and the one that it makes unless told otherwise. */
export interface LackingVersion {
  readonly name: string;
  readonly version: string;
  readonly here: string;
}

/**
 * What they keep in their tables is read by the version that wrote it, and by no other. In a schema of its own it is the dump that
 * makes it, in whichever version the server does.
 *
 * @returns those whose version of the backup is not made on this server, though another is
 */
export async function lackingVersions(
  connection: Connection,
  manifest: Manifest | undefined,
): Promise<LackingVersion[]> {
  const lacking: LackingVersion[] = [];
  for (const { there } of calledAroundOf(manifest)) {
    const [row] = await connection.query<{ here: string; isThere: boolean }>(
      `select default_version as here, default_version = $2 or (not $3 and exists (
         select from pg_available_extension_versions v where v.name = e.name and v.version = $2)) as "isThere"
       from pg_available_extensions e where name = $1`,
      [there.name, there.version, !['public', 'pg_catalog'].includes(there.schema ?? 'public')],
    );
    if (row && !row.isThere) lacking.push({ ...there, here: row.here });
  }
  return lacking;
}

/** A sentence, and what to do. */
export function describeLackingVersions(lacking: readonly LackingVersion[]): { message: string; hint: string } {
  const each = lacking.map(({ name, version, here }) => `${name} ${version}, where there is ${here}`);
  const updates = lacking.map(({ name }) => `ALTER EXTENSION ${name} UPDATE`);
  return {
    message: `the backup needs a version of an extension that is not installed here: ${each.join('; ')}`,
    hint: `That version alone reads its tables: use the image or the packages that the database ran when it was dumped, and update the restored one afterwards (${updates.join('; ')}, as the first statement of a session).`,
  };
}

/** A function of the extension's own by its name, quoted and with its schema, which changed with the versions. */
export async function memberFunction(connection: Connection, extension: string, name: string): Promise<string> {
  const [row] = await connection.query<{ name: string }>(
    `select format('%I.%I', n.nspname, p.proname) as name
     from pg_extension e join pg_depend d on d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid
       and d.classid = 'pg_proc'::regclass and d.deptype = 'e'
     join pg_proc p on p.oid = d.objid join pg_namespace n on n.oid = p.pronamespace
     where e.extname = $1 and p.proname = $2 and p.pronargs = 0 order by n.nspname limit 1`,
    [extension, name],
  );
  if (row) return row.name;
  throw new Error(`the extension ${extension} has no function ${name}`);
}

/** Calls it. */
export async function callMember(connection: Connection, extension: string, name: string): Promise<void> {
  await connection.query(`select ${await memberFunction(connection, extension, name)}()`);
}
