import type pg from 'pg';

/** A setting that ours is to have, whatever a server, a database or a role says. */
interface Relied {
  readonly name: string;
  readonly value: string;
  /** The version that brought it; without it, older than any that is supported. */
  readonly since?: number;
  /** The version that has something better. */
  readonly until?: number;
  /** A role that is no superuser may not set it. */
  readonly isPrivileged?: true;
}

/**
 * What every session relies on, the programs' too: that nobody's limit ends it, that rows are not hidden or passed over,
 * that names and values are written and read in one form.
 */
const ALWAYS: readonly Relied[] = [
  { name: 'statement_timeout', value: '0' },
  { name: 'lock_timeout', value: '0' },
  { name: 'idle_in_transaction_session_timeout', value: '0' },
  { name: 'idle_session_timeout', value: '0', since: 140_000 },
  { name: 'transaction_timeout', value: '0', since: 170_000 },
  { name: 'default_transaction_read_only', value: 'off' },
  { name: 'default_transaction_isolation', value: 'read committed' },
  { name: 'default_transaction_deferrable', value: 'off' },
  { name: 'row_security', value: 'off' },
  { name: 'quote_all_identifiers', value: 'off' },
  { name: 'standard_conforming_strings', value: 'on' },
  { name: 'bytea_output', value: 'hex' },
  // else `{NULL}` is read as a text of four letters, and `x = NULL` in a view or a check as `x IS NULL`
  { name: 'array_nulls', value: 'on' },
  { name: 'transform_null_equals', value: 'off' },
  { name: 'xmloption', value: 'content' },
  { name: 'gin_fuzzy_search_limit', value: '0' },
  { name: 'exit_on_error', value: 'off' },
  // what failed, and whether it may be shown, is told by the server's words
  { name: 'lc_messages', value: 'C', isPrivileged: true },
  // a damaged page is an error, and not a page without rows
  { name: 'zero_damaged_pages', value: 'off', isPrivileged: true },
  { name: 'ignore_checksum_failure', value: 'off', isPrivileged: true },
];

/** What our own sessions rely on beside that; RESET gives back what the database has. */
const OWN_SESSIONS: readonly Relied[] = [
  { name: 'search_path', value: 'pg_catalog' },
  { name: 'DateStyle', value: 'ISO' },
  { name: 'IntervalStyle', value: 'postgres' },
  { name: 'TimeZone', value: 'UTC' },
  { name: 'extra_float_digits', value: '3' },
  { name: 'client_min_messages', value: 'warning' },
];

/** What sessions that load and build may take for each piece of work. */
export const LOADING_MEMORY_KB = 262_144;

/** What loads a dump: its work is worthless until the swap, whose commit waits for the disk as ever. */
const LOADING: readonly Relied[] = [
  { name: 'synchronous_commit', value: 'off' },
  { name: 'maintenance_work_mem', value: String(LOADING_MEMORY_KB) },
  // of what they say the end is kept: what was refused is not to be lost among what a role likes to read
  { name: 'client_min_messages', value: 'warning' },
];

/** Event triggers, which note or refuse what is done, are told nothing of what we do, where the role may. */
const WITHOUT_EVENT_TRIGGERS: readonly Relied[] = [
  { name: 'event_triggers', value: 'off', since: 170_000, isPrivileged: true },
  { name: 'session_replication_role', value: 'replica', until: 170_000, isPrivileged: true },
];

/** What a session has told of its server. */
export interface Session {
  readonly serverVersionNum: number;
  readonly isSuperuser: boolean;
  /** What a session would have otherwise than programs rely on it, as options of a program: empty on most servers. */
  readonly options: string;
}

/** Gives a new session what ours rely on. Two round trips; names of functions are the catalog's whatever the path is. */
export async function settleSession(client: pg.Client): Promise<Session> {
  const { rows } = await client.query<{ version: string; super: string }>(
    `select pg_catalog.set_config('search_path', 'pg_catalog', false),
       pg_catalog.current_setting('server_version_num') as version, pg_catalog.current_setting('is_superuser') as super`,
  );
  const serverVersionNum = Number(rows[0]?.version);
  const isSuperuser = rows[0]?.super === 'on';
  const wanted = fitting([...ALWAYS, ...OWN_SESSIONS, ...WITHOUT_EVENT_TRIGGERS], serverVersionNum, isSuperuser);
  const changed = await client.query<{ name: string }>(
    `select s.name, set_config(s.name, w.value, false)
     from unnest($1::text[], $2::text[]) as w(name, value) join pg_settings s on lower(s.name) = lower(w.name)
     where s.setting is distinct from w.value
       -- a role that is to change nothing, against slips, has been told so itself
       and not (s.name = 'default_transaction_read_only' and s.source in ('user', 'database user'))
       -- English by another name; a pooler may take no options, which programs would be given
       and not (s.name = 'lc_messages' and s.setting ~ '^(C|POSIX|en)([._@]|$)')`,
    [wanted.map(({ name }) => name), wanted.map(({ value }) => value)],
  );
  const names = new Set(changed.rows.map(({ name }) => name));
  const differing = fitting(ALWAYS, serverVersionNum, isSuperuser).filter(({ name }) => names.has(name));
  return { serverVersionNum, isSuperuser, options: asOptions(differing) };
}

/** What the sessions that load a dump are to have. */
export interface Loading {
  readonly serverVersionNum: number;
  readonly isSuperuser: boolean;
  /** The dump has event triggers. */
  readonly hasEventTriggers: boolean;
}

function loading({ serverVersionNum, isSuperuser, hasEventTriggers }: Loading): Relied[] {
  const wanted = [...ALWAYS, ...LOADING, ...(hasEventTriggers ? WITHOUT_EVENT_TRIGGERS : [])];
  return fitting(wanted, serverVersionNum, isSuperuser);
}

/** For the programs that load: PGOPTIONS. */
export const loadingOptions = (what: Loading): string => asOptions(loading(what));

/** For sessions of ours that load: statements, after which all else is as the database has it. */
export function loadingStatements(what: Loading): string[] {
  return ['reset all', ...loading(what).map(({ name, value }) => `set ${name} = '${value}'`)];
}

function fitting(settings: readonly Relied[], serverVersionNum: number, isSuperuser: boolean): Relied[] {
  return settings.filter(
    ({ since = 0, until = Number.POSITIVE_INFINITY, isPrivileged }) =>
      serverVersionNum >= since && serverVersionNum < until && (isSuperuser || isPrivileged !== true),
  );
}

function asOptions(settings: readonly Relied[]): string {
  return settings.map(({ name, value }) => `-c ${name}=${value.replaceAll(/[\\ ]/g, '\\$&')}`).join(' ');
}
