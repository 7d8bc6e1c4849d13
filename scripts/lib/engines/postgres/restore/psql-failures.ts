/** A statement that a server refused while psql went on. */
export interface Failure {
  readonly message: string;
  /** The statement, where psql was told to repeat it. */
  readonly statement?: string;
}

/**
 * A line of a message's, as psql writes it with VERBOSITY=verbose: the severity is in the server's language, which a role
 * that is no superuser cannot choose; the SQLSTATE behind it is not.
 */
const MESSAGE = /^(?:psql:.*?:\d+: )?([^\s:]+): {2}(?:([0-9A-Z]{5}): )?(.*)$/;
const OTHER_LINES = /^(DETAIL|HINT|CONTEXT|STATEMENT|QUERY|LOCATION|LINE \d+)$/;

/** What a line of psql's standard error begins: a message of the server's, or a part of one. */
export interface SaidLine {
  readonly kind: 'error' | 'word' | 'statement';
  readonly text: string;
  /** Where rows stand in what follows is not known. */
  readonly isForeign?: boolean;
}

/** Undefined for a line that goes on with what came before, details and hints among it. */
export function saidIn(line: string): SaidLine | undefined {
  const [, severity = '', state, text = ''] = MESSAGE.exec(line) ?? [];
  if (severity === 'STATEMENT')
    return { kind: 'statement', text: line.slice(line.indexOf(severity) + 'STATEMENT:  '.length) };
  if (severity === '' || OTHER_LINES.test(severity)) return undefined;
  if (/^(ERROR|FATAL|PANIC)$/.test(severity)) return { kind: 'error', text };
  if (/^(WARNING|NOTICE|INFO|LOG|DEBUG)$/.test(severity)) return { kind: 'word', text };
  // successful completion, warning, no data: https://www.postgresql.org/docs/current/errcodes-appendix.html
  return state === undefined ? undefined : { kind: /^0[012]/.test(state) ? 'word' : 'error', text, isForeign: true };
}

/** The failures in what psql wrote to its standard error; continuation lines, details and hints are left out. */
export function failuresOf(stderr: string): Failure[] {
  const failures: Failure[] = [];
  for (const line of stderr.split('\n')) {
    const said = saidIn(line);
    const last = failures.at(-1);
    if (said?.kind === 'error') failures.push({ message: said.text });
    else if (said?.kind === 'statement' && last && last.statement === undefined)
      failures.splice(-1, 1, { ...last, statement: said.text });
  }
  return failures;
}
