/**
 * What a session of ours relies on and a server's configuration, or its init_connect, may have set otherwise. Names as
 * MariaDB knows them; those that a server does not have are left out. sql_log_bin is the administrator's.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  // the handshake's is ignored by a server with skip-character-set-client-handshake
  character_set_client: 'utf8mb4',
  character_set_results: 'utf8mb4',
  character_set_connection: 'utf8mb4',
  sql_mode: "''",
  autocommit: '1',
  completion_type: "'NO_CHAIN'",
  tx_read_only: '0',
  transaction_read_only: '0',
  tx_isolation: "'REPEATABLE-READ'",
  transaction_isolation: "'REPEATABLE-READ'",
  max_session_mem_used: '9223372036854775807',
  time_zone: "'+00:00'",
  old_mode: "'UTF8_IS_UTF8MB3'",
  // statements that take long, and sessions that are idle beside them
  max_statement_time: '0',
  wait_timeout: '2147483',
  idle_transaction_timeout: '0',
  idle_readonly_transaction_timeout: '0',
  idle_write_transaction_timeout: '0',
  net_read_timeout: '3600',
  net_write_timeout: '3600',
  lock_wait_timeout: '86400',
  innodb_lock_wait_timeout: '50',
  // rows that are read, and how many of them
  sql_select_limit: '18446744073709551615',
  sql_big_selects: '1',
  system_versioning_asof: 'default',
  sql_auto_is_null: '0',
  group_concat_max_len: '1048576',
  // rows that are written
  sql_safe_updates: '0',
  foreign_key_checks: '1',
  unique_checks: '1',
  explicit_defaults_for_timestamp: '1',
  // how definitions are written
  sql_quote_show_create: '1',
};

/**
 * What a session that loads a dump needs beyond this. What was let in once is not judged again: rows that a CHECK or a
 * foreign key would not take any more, and tables that only a server that is not strict made.
 */
export const LOADING: Readonly<Record<string, string>> = {
  // a zero in a key is a zero
  sql_mode: "'NO_AUTO_VALUE_ON_ZERO'",
  foreign_key_checks: '0',
  unique_checks: '0',
  check_constraint_checks: '0',
  innodb_strict_mode: '0',
  // a table that says nothing of it was not compressed
  innodb_compression_default: '0',
  enforce_storage_engine: 'NULL',
};

/** Set only where the server has one: it is the administrator's, and who may not set it is told so, not given other tables. */
const NOT_WHEN_EMPTY = new Set(['enforce_storage_engine']);

/** What a session would have had without us, by the names of the server's variables in lower case. */
export type Variables = ReadonlyMap<string, string>;

/** Read before anything is set; MariaDB and MySQL understand it alike. */
export const VARIABLES_QUERY = 'show session variables';

/** The statement that gives a session of this server what we rely on. */
export function settingsFor(variables: Variables, more: Readonly<Record<string, string>> = {}): string {
  return `set ${assignments(variables, more).join(', ')}`;
}

/** The same, one by one: for a user who may not set one of them. */
export function assignments(variables: Variables, more: Readonly<Record<string, string>> = {}): string[] {
  return Object.entries({ ...SETTINGS, ...more })
    .filter(([name]) => variables.has(name) && !(NOT_WHEN_EMPTY.has(name) && variables.get(name) === ''))
    .map(([name, value]) => `session ${name} = ${value}`);
}

/** What mariadb-dump is given by the server and does not set by itself, and would leave rows or letters out for. */
const OF_READING = [
  'character_set_client',
  'character_set_results',
  'character_set_connection',
  'sql_select_limit',
  'system_versioning_asof',
  // of sequences alone it forgets to
  'sql_quote_show_create',
] as const;

/** The statement that gives a mariadb-dump's session these; undefined when the server gives it them. */
export function settingsForReading(variables: Variables): string | undefined {
  const isGiven = (name: string) => {
    const given = variables.get(name);
    const value = given?.toLowerCase().replace(/^on$/, '1');
    return value === undefined || value === SETTINGS[name];
  };
  if (OF_READING.every(isGiven)) return undefined;
  const wanted = OF_READING.filter((name) => variables.has(name));
  return `SET ${wanted.map((name) => `SESSION ${name} = ${SETTINGS[name]}`).join(', ')}`;
}
