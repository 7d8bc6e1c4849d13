import { OperatorError } from '../../../errors.ts';
import { runProgram } from '../../../pipeline/chain.ts';

/** What a run of SQLite's shell came to. */
export interface ShellResult {
  readonly isOk: boolean;
  readonly output: string;
  /** What it said, without its own prefix. */
  readonly problem: string;
}

const ENDED = 'ended well';

/**
 * Runs statements and dot commands in SQLite's shell, which stops at the first that fails.
 * @param database a file: URI. See uriOf
 * @throws OperatorError TOOL_MISSING without sqlite3
 */
export async function runShell(
  database: string,
  statements: readonly string[],
  { cwd, signal }: { cwd: string; signal: AbortSignal },
): Promise<ShellResult> {
  // the operator's own ~/.sqliterc is not read
  const args = ['-batch', '-bail', '-noheader', '-list', '-init', '/dev/null', database];
  const input = [...statements, `SELECT '${ENDED}';`, ''].join('\n');
  const result = await runProgram({ name: 'sqlite3', command: 'sqlite3', args, cwd }, { input, signal });
  if (result.startError !== undefined)
    throw new OperatorError(
      'TOOL_MISSING',
      'SQLite databases are copied and checked by sqlite3, which is not installed',
      {
        hint: 'apt-get install sqlite3, or run inside the backup image, which has it. Files can also be left out (?exclude=…).',
      },
    );
  const lines = result.stdout.trimEnd().split('\n');
  const isOk = result.exitCode === 0 && lines.at(-1) === ENDED;
  const said = result.stderr.trim().replace(/^(Error|Parse error|Runtime error)\b[^:]*: /, '');
  return {
    isOk,
    output: (isOk ? lines.slice(0, -1) : lines).join('\n'),
    problem: isOk ? '' : said || `sqlite3 was ended by ${result.signal ?? `exit code ${result.exitCode}`}`,
  };
}

/** How SQLite names a file whose name has any bytes: https://www.sqlite.org/uri.html */
export function uriOf(path: Buffer, options: string): string {
  const encoded = [...path]
    .map((byte) => {
      const letter = String.fromCharCode(byte);
      return /[A-Za-z0-9/._-]/.test(letter) ? letter : `%${byte.toString(16).padStart(2, '0').toUpperCase()}`;
    })
    .join('');
  return `file:${encoded}?${options}`;
}

/**
 * What is wrong with a database of ours, undefined when nothing is.
 * @param isThorough whether indexes are held against their tables, too
 * @param isAlone nothing lies beside it that SQLite has to go through: it is read as a file that nobody changes, and nothing is made
 *   beside it
 */
export async function problemOf(
  path: Buffer,
  { isThorough, isAlone, cwd, signal }: { isThorough: boolean; isAlone: boolean; cwd: string; signal: AbortSignal },
): Promise<string | undefined> {
  const uri = uriOf(path, isAlone ? 'mode=ro&immutable=1' : 'mode=rw');
  const check = (pragma: string) => runShell(uri, [`PRAGMA ${pragma}(3);`], { cwd, signal });
  const found = isThorough ? await check('integrity_check') : undefined;
  signal.throwIfAborted();
  // an application's own collation or function is not known here: what needs none of them can be checked all the same
  const asFarAsKnown =
    found === undefined || /no such (collation|function|module|tokenizer)/i.test(`${found.problem}${found.output}`);
  const { isOk, output, problem } = asFarAsKnown ? await check('quick_check') : found;
  signal.throwIfAborted();
  if (isOk && output === 'ok') return undefined;
  return (isOk ? output : problem).split('\n').slice(0, 3).join('; ');
}
