import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { childEnvironment } from '../machine/child-environment.ts';
import { endFirst } from '../machine/memory.ts';
import { registerSecret } from '../terminal/log.ts';
import type { StageResult } from './result.ts';

/** One process of a chain. Secrets go into `env`, never into `args`: every user of the machine can read those. */
export interface Stage {
  /** What messages call it: `pg_dump`, `igzip`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to the few variables that every child is given. */
  readonly env?: Readonly<Record<string, string>>;
  /** Can be read from the descriptors 3, 4, …: for secrets that a program takes neither from its input nor environment. */
  readonly files?: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
  readonly cwd?: string;
  /**
   * In a session of its own: a terminal's Ctrl-C does not reach it, and it is left alone when this process ends. For what ends
   * by itself once its input has, and tidies up then.
   */
  readonly ownSession?: boolean;
  /** Unless false, Linux ends it before others when memory runs out. See endFirst. */
  readonly mayEndFirst?: boolean;
  /** The next step for an operator, where its standard error says what the expression looks for. */
  readonly hints?: readonly (readonly [RegExp, string])[];
  /** What of its standard error messages may tell; all of it without. */
  readonly words?: (stderr: string) => string;
  /**
   * Is shown each line of standard error as it comes; those that it returns true for are not kept as a message, and of
   * those that it returns a text for, the text is.
   */
  readonly onLine?: (line: string) => boolean | string;
}

const STDERR_KEPT_BYTES = 8_192;

const alive = new Set<ChildProcess>();

// a process that ends without waiting for its children leaves none of them behind
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/**
 * Starts the process of a stage. Its standard error is read by resultOf.
 * @param input a descriptor or a stream to read from, a pipe of node's, or nothing
 * @param output likewise, to write to
 */
export function startChild(
  stage: Stage,
  input: number | Readable | 'pipe' | 'ignore',
  output: number | 'pipe' | 'ignore',
): ChildProcess {
  for (const secret of [stage.env?.PGPASSWORD, stage.env?.MYSQL_PWD]) if (secret) registerSecret(secret);
  const child = spawn(stage.command, [...stage.args], {
    stdio: [input, output, 'pipe', ...(stage.files ?? []).map(() => 'pipe' as const)],
    env: childEnvironment(stage.env),
    ...(stage.cwd === undefined ? {} : { cwd: stage.cwd }),
    ...(stage.uid === undefined ? {} : { uid: stage.uid }),
    ...(stage.gid === undefined ? {} : { gid: stage.gid }),
    ...(stage.ownSession ? { detached: true } : {}),
  });
  for (const [i, content] of (stage.files ?? []).entries()) {
    const stream = child.stdio[3 + i] as Writable | null | undefined;
    stream?.on('error', () => {});
    stream?.end(content);
  }
  if (child.pid === undefined) return child;
  if (!stage.ownSession) alive.add(child);
  child.once('close', () => alive.delete(child));
  if (stage.mayEndFirst !== false) endFirst(child.pid);
  return child;
}

/** Runs a program that takes no time and says nothing to its end. @returns whether it exited with 0 */
export function runAtOnce(command: string, args: readonly string[]): boolean {
  return spawnSync(command, [...args], { stdio: 'ignore', env: childEnvironment() }).status === 0;
}

/** How a stage ended, once it has. Never rejects. */
export async function resultOf(child: ChildProcess, stage: Stage | undefined): Promise<StageResult> {
  const result = withHint(await watch(child, stage), stage?.hints);
  return stage?.words === undefined ? result : { ...result, stderr: stage.words(result.stderr) };
}

function withHint(result: StageResult, hints: Stage['hints'] = []): StageResult {
  const hint = hints.find(([pattern]) => pattern.test(result.stderr))?.[1];
  return hint === undefined ? result : { ...result, hint };
}

/** Whether it was started and has not ended. */
export function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

function keptLines(lines: readonly string[], onLine: (line: string) => boolean | string): string {
  return lines
    .flatMap((line) => {
      const said = onLine(line);
      return said === true ? [] : [`${typeof said === 'string' ? said : line}\n`];
    })
    .join('');
}

function watch(child: ChildProcess, { name = '', onLine }: Partial<Stage> = {}): Promise<StageResult> {
  let stderr = '';
  let rest = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    let kept = text;
    if (onLine) {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      kept = keptLines(lines, onLine);
    }
    stderr = (stderr + kept).slice(-STDERR_KEPT_BYTES);
  });
  // a reader that went away is told by its own exit status; the write error must not end this process
  child.stdin?.on('error', () => {});
  child.stdout?.on('error', () => {});
  return new Promise((resolve) => {
    let startError: NodeJS.ErrnoException | undefined;
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return;
      startError = error;
      resolve({ name, exitCode: null, signal: null, stderr: stderr.trim(), startError });
    });
    child.once('close', (exitCode, signal) => {
      const last = rest === '' || !onLine ? rest : keptLines([rest], onLine);
      resolve({ name, exitCode, signal, stderr: (stderr + last).trim(), ...(startError ? { startError } : {}) });
    });
  });
}
