import { messageOf, OperatorError } from '../../errors.ts';
import type { Manifest } from '../../repository/manifest.ts';
import type { DatabaseSource, Source } from '../../source.ts';
import { type Connection, connect } from './server/connection.ts';

/** Words in the text of a function that, all of them together, a version knows no more, or means otherwise. */
interface Changed {
  readonly since: number;
  readonly words: readonly RegExp[];
  readonly what: string;
}

/** From the release notes, "Migration to Version …": what stored functions are likely to use. */
const CHANGED: readonly Changed[] = [
  { since: 12, words: [/\b(abstime|reltime|tinterval)\b/], what: 'these types are gone' },
  { since: 12, words: [/\bwith\s+oids\b|\boids\s*=\s*true/i], what: 'tables have no hidden column oid' },
  {
    since: 13,
    words: [/\bpg_stat_statements\b/i, /\b(total|min|max|mean|stddev)_time\b/i],
    what: 'the columns of pg_stat_statements are named …_exec_time',
  },
  { since: 14, words: [/[0-9a-z_)]\s+!(?=[\s;)])/i], what: 'postfix operators are gone' },
  { since: 15, words: [/\bpg_(start|stop)_backup\b/], what: 'pg_backup_start and pg_backup_stop are their names' },
  {
    since: 16,
    words: [/\bpromote_trigger_file\b|\bvacuum_defer_cleanup_age\b|\bforce_parallel_mode\b/],
    what: 'these settings are gone or renamed',
  },
  {
    since: 17,
    words: [/\bpg_stat_bgwriter\b/i, /\b(checkpoint|buffers_checkpoint|buffers_backend)/i],
    what: 'these columns lie in pg_stat_checkpointer and pg_stat_io',
  },
  { since: 17, words: [/\bold_snapshot_threshold\b|\bdb_user_namespace\b/], what: 'these settings are gone' },
  {
    since: 17,
    words: [/\bpg_stat_statements\b/i, /\bblk_(read|write)_time\b/i],
    what: 'the columns of pg_stat_statements are named shared_blk_…_time',
  },
  { since: 18, words: [/\bpg_stat_wal\b/i, /\bwal_(write|sync)/i], what: 'these columns lie in pg_stat_io' },
];

const FUNCTIONS = `
  select p.oid::regprocedure::text as name, p.prosrc as text, pg_get_functiondef(p.oid) as definition
  from pg_proc p join pg_language l on l.oid = p.prolang join pg_namespace n on n.oid = p.pronamespace
  where p.prokind in ('f', 'p') and l.lanname in ('sql', 'plpgsql') and n.nspname not in ('pg_catalog', 'information_schema')
    and not exists (select 1 from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
  order by 1`;

const SHOWN = 5;
/** Of a failed definition its first line is enough. */
const NAMED_LENGTH = 200;

/**
 * What a newer version says of a database beyond taking it: functions whose text it does not take, which a load leaves unread; words
 * in them that it has given up; settings that it does not know; how passwords are kept.
 */
export async function adviceFor(
  place: Source,
  staging: string,
  {
    manifest,
    globals,
    to: version,
    signal,
  }: { manifest: Manifest | undefined; globals: string | undefined; to: string; signal: AbortSignal },
): Promise<string[]> {
  const connection = await connect(place as DatabaseSource, staging, signal);
  try {
    const to = Number(version);
    const from = manifest === undefined ? to : Number.parseInt(manifest.serverVersion, 10);
    const functions = await connection.query<{ name: string; text: string | null; definition: string }>(FUNCTIONS);
    return [
      ...(await refused(connection, functions)),
      ...changedWords(functions, from, to),
      ...(await unknownSettings(connection, manifest)),
      ...(/\bPASSWORD\s+'md5/i.test(globals ?? '') && to >= 18
        ? [
            'roles have passwords in MD5, of which 18 warns and which a later version will not take: set them again, with password_encryption = scram-sha-256',
          ]
        : []),
    ];
  } finally {
    await connection.close();
  }
}

async function refused(
  connection: Connection,
  functions: readonly { name: string; definition: string }[],
): Promise<string[]> {
  const problems: string[] = [];
  await connection.query(
    'begin; reset all; set local check_function_bodies = on; set local session_replication_role = replica',
  );
  for (const { name, definition } of functions) {
    await connection.query('savepoint one');
    try {
      await connection.query(definition);
    } catch (error) {
      const cause = error instanceof OperatorError ? (error.cause ?? error) : error;
      problems.push(`${name}: ${messageOf(cause).slice(0, NAMED_LENGTH)}`);
    }
    await connection.query('rollback to savepoint one');
  }
  await connection.query('rollback');
  if (problems.length === 0) return [];
  return [
    `functions whose text this version does not take, if ${problems.length === 1 ? 'it did' : 'they did'} before: ${some(problems)}`,
  ];
}

/** What versions after `from` and up to `to` have given up, with the functions that use it. */
export function changedWords(
  functions: readonly { name: string; text: string | null }[],
  from: number,
  to: number,
): string[] {
  return CHANGED.filter(({ since }) => from < since && since <= to).flatMap(({ since, words, what }) => {
    const names = functions.filter(({ text }) => words.every((word) => word.test(text ?? ''))).map(({ name }) => name);
    return names.length === 0 ? [] : [`since ${since} ${what}: look at ${some(names)}`];
  });
}

async function unknownSettings(connection: Connection, manifest: Manifest | undefined): Promise<string[]> {
  const set = Object.keys(manifest?.serverSettings ?? {});
  const known = new Set(
    (await connection.query<{ name: string }>('select lower(name) as name from pg_settings')).map(({ name }) => name),
  );
  // one of an extension is known where that is loaded
  const unknown = set.filter((name) => !name.includes('.') && !known.has(name.toLowerCase()));
  return unknown.length === 0
    ? []
    : [
        `settings of the source's server that this version does not know: ${some(unknown)}: take them out of postgresql.conf`,
      ];
}

function some(names: readonly string[]): string {
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
  return `${names.slice(0, SHOWN).join(', ')}${more}`;
}
