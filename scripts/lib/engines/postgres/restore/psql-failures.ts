/** A statement that a server refused while psql went on. */
export interface Failure {
  readonly message: string;
  /** The statement, where psql was told to repeat it. */
  readonly statement?: string;
}

const LINE = /^(?:psql:.*?:\d+: )?(ERROR|STATEMENT): {2}(.*)$/;

/** The failures in what psql wrote to its standard error; continuation lines, details and hints are left out. */
export function failuresOf(stderr: string): Failure[] {
  const failures: Failure[] = [];
  for (const line of stderr.split('\n')) {
    const [, kind, text = ''] = LINE.exec(line) ?? [];
    const last = failures.at(-1);
    if (kind === 'ERROR') failures.push({ message: text });
    else if (kind === 'STATEMENT' && last && last.statement === undefined)
      failures.splice(-1, 1, { ...last, statement: text });
  }
  return failures;
}
