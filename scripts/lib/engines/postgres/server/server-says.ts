import { codeOf, messageOf, OperatorError } from '../../../errors.ts';

/** What the driver's errors carry beside a message: https://www.postgresql.org/docs/current/protocol-error-fields.html */
interface ServerError {
  /** In the server's language. */
  readonly severity?: string;
  readonly detail?: string;
  readonly hint?: string;
}

/**
 * What the server says of an error, on one line: its message, DETAIL and HINT. Never a row of data: messages are logged,
 * sent and stored, and the backups may be encrypted. A key's columns and table stay, its
 * values where they are numbers or UUIDs.
 */
export function serverWords(error: unknown): string {
  if (error instanceof OperatorError) return messageOf(error);
  const { severity, detail, hint } = (typeof error === 'object' && error !== null ? error : {}) as ServerError;
  const isKnown = severity === undefined || ENGLISH.test(severity);
  return [
    messageOf(error),
    ...(detail && isKnown ? [`DETAIL: ${withoutRows(detail)}`] : []),
    ...(hint ? [`HINT: ${hint}`] : []),
  ].join(' ');
}

/** Where rows stand in a message is known of English ones: of others, which a role may not be able to switch off, no DETAIL is shown. */
const ENGLISH = /^(ERROR|FATAL|PANIC|WARNING|NOTICE|INFO|LOG|DEBUG)$/;
const LABEL = /^(DETAIL|CONTEXT|HINT|STATEMENT|QUERY|LOCATION|LINE \d+)$/;

/** Whether a server's message in what a program has written is in another language. */
function isForeign(stderr: string): boolean {
  return [...stderr.matchAll(/(?:^|: )([^\s:'"]+): {2}\S/gm)].some(
    ([, severity = '']) => !ENGLISH.test(severity) && !LABEL.test(severity),
  );
}

/** Numbers and UUIDs: they tell an operator which row it is, and nobody what is in it. */
const SURROGATE = /^(?:-?\d+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

const withKey = (_: string, before: string, values: string) =>
  `${before}(${values.split(', ').every((value) => SURROGATE.test(value)) ? values : '…'})`;

/** Without the values that stand in a DETAIL or CONTEXT of the server's. */
export function withoutRows(text: string): string {
  return (
    text
      // DETAIL:  Failing row contains (1, a, …).
      .replace(/(Failing row contains) \(.*\)\.?/s, '$1 (…).')
      // DETAIL:  Key (a, b)=(1, 2) is not present in table "x".
      .replace(/(Key \([^=]*\)=)\((.*?)\)(?= (?:is|already|conflicts|was|has)\b|\.$|\.?\s*$)/gs, withKey)
      .replace(/(conflicts with existing key \([^=]*\)=)\((.*)\)/s, withKey)
      // CONTEXT:  COPY t, line 1, column a: "…" and COPY t, line 1: "…"
      .replace(/(COPY [^\n]*?, line \d+(?:, column [^:\n]*)?): .*/s, '$1')
  );
}

/** A program's lines that hold a row, or a statement with one. */
const LINE_OF_STATEMENT = /^LINE \d+: /;
const LONG = 200;

/**
 * What a program of PostgreSQL's has written to its standard error, without rows: of lines without an end only how
 * they begin.
 */
export function programWords(stderr: string): string {
  const kept: string[] = [];
  const hidesDetail = isForeign(stderr);
  let isCaret = false;
  for (const line of stderr.split('\n')) {
    if (hidesDetail && /^(DETAIL|CONTEXT): /.test(line)) continue;
    const isStatement = LINE_OF_STATEMENT.test(line);
    // the caret under a line that was cut would point at nothing
    if (isCaret && /^\s*\^\s*$/.test(line)) {
      isCaret = false;
      continue;
    }
    isCaret = isStatement;
    if (isStatement && /lowrite|'\\x/i.test(line)) continue;
    const safe = withoutRows(line);
    kept.push(safe.length > LONG && isStatement ? `${safe.slice(0, LONG)}…` : safe);
  }
  return kept.join('\n').trim();
}

/** What is to be done, by the class of what the server says. Programs tell no SQLSTATE: their words are looked for. */
const NEXT_STEPS: readonly { readonly states: readonly string[]; readonly words: RegExp; readonly step: string }[] = [
  {
    states: [],
    words: /too many connections for role/i,
    step: 'The limit is of the role: ALTER ROLE … CONNECTION LIMIT. A backup takes 3 sessions at a time (a folder 3 and BACKUP_JOBS), a restore as many as BACKUP_JOBS and 3.',
  },
  {
    states: [],
    words: /too many connections for database/i,
    step: 'The limit is of the database: ALTER DATABASE … CONNECTION LIMIT. A backup takes 3 sessions at a time (a folder 3 and BACKUP_JOBS), beside those of the application.',
  },
  {
    states: ['53300'],
    words: /too many clients already|remaining connection slots are reserved|too many connections/i,
    step: 'The server has no connection left: raise max_connections, or end idle clients. A backup takes 3 sessions at a time (a folder 3 and BACKUP_JOBS).',
  },
  {
    states: [],
    words: /invalid database/i,
    step: 'A DROP DATABASE of it was interrupted, and it cannot be used any more: DROP DATABASE removes what is left.',
  },
  {
    states: [],
    words: /not currently accepting connections/i,
    step: 'Somebody has closed it: ALTER DATABASE … ALLOW_CONNECTIONS true, for as long as this takes.',
  },
  {
    states: ['53200'],
    words: /out of shared memory|max_locks_per_transaction/i,
    step: 'The server has no room for so many locks at a time: raise max_locks_per_transaction and restart it.',
  },
  {
    states: ['53100'],
    words: /No space left on device|could not extend file/i,
    step: "The database server's disk is full: make room there.",
  },
  {
    states: ['40001', '40P01'],
    words: /conflict with recovery/i,
    step: 'The standby had to give up what is read: set hot_standby_feedback = on or raise max_standby_streaming_delay there, or back up from the primary.',
  },
  {
    states: ['25006'],
    words: /read-only transaction/i,
    step: 'The server is a standby, or default_transaction_read_only is on: use the primary, or switch that off for this role.',
  },
  {
    states: ['57P03'],
    words: /the database system is (starting up|shutting down|in recovery)/i,
    step: 'The server is starting up or shutting down; try again in a moment.',
  },
  {
    states: ['57P01', '57P02', '08006', '08003'],
    words: /terminating connection|server closed the connection unexpectedly|Connection terminated/i,
    step: "The server, or somebody with the right to, ended the session: look at the database server's log for the time.",
  },
  {
    states: ['57014'],
    words: /canceling statement due to (statement timeout|user request)/i,
    step: 'Somebody, or a limit of the server, ended the statement: look at statement_timeout of the role and the database, and at the log of the server.',
  },
  {
    states: ['XX001', 'XX002'],
    words: /invalid page in block|could not read block|missing chunk number|unexpected chunk/i,
    step: 'The database itself is damaged there. Keep the backups that there are (RETENTION_DRY_RUN=true), and look at its disk.',
  },
  {
    states: ['54000'],
    words: /invalid memory alloc request size|out of memory.*Cannot enlarge string buffer/is,
    step: 'A value of that table is too large to be written as text, which takes twice its size and at most 1 GB: store it as a large object or in parts. pg_dump cannot dump it either.',
  },
  {
    states: [],
    words: /invalid snapshot identifier|snapshot ".*" does not exist/i,
    step: 'The sessions of a backup have to reach one and the same server: name it, not a proxy that spreads them over several.',
  },
  {
    states: [],
    words: /unsupported startup parameter/i,
    step: 'That is PgBouncer or another pooler, not the server itself: name the server.',
  },
];

/** The next step for what the server said, where its kind is known. */
export function nextStepFor(error: unknown): string | undefined {
  const state = codeOf(error);
  const message = messageOf(error);
  const byWords = NEXT_STEPS.find(({ words }) => words.test(message));
  return (byWords ?? NEXT_STEPS.find(({ states }) => state !== undefined && states.includes(state)))?.step;
}

/** For stages: what a program's words mean. */
export const PROGRAM_HINTS = NEXT_STEPS.map(({ words, step }) => [words, step] as const);
