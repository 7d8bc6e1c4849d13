import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { childEnvironment } from './child-environment.ts';
import { OperatorError } from './errors.ts';
import { registerSecret } from './log.ts';
import { endFirst } from './memory.ts';
import { closePipe, openPipes } from './pipes.ts';
import { assertSucceeded, diedOfBrokenPipe, type StageResult } from './stage-result.ts';

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
  /** Unless false, Linux ends it before others when memory runs out. See endFirst. */
  readonly mayEndFirst?: boolean;
  /** The next step for an operator, where its standard error says what the expression looks for. */
  readonly hints?: readonly (readonly [RegExp, string])[];
  /** Is shown each line of standard error as it comes; those that it returns true for are not kept as a message. */
  readonly onLine?: (line: string) => boolean;
}

export interface Chain {
  /** The first stage's standard input, when asked for. */
  readonly stdin: Writable | null;
  /** The last stage's standard output, when asked for. Ends as the process ends: see `read` for a safe reading. */
  readonly stdout: Readable | null;
  /** Resolves when every stage has exited, with their results in order; never rejects. */
  readonly finished: Promise<StageResult[]>;
  /** Ends every stage: SIGTERM, then SIGKILL for those that have not gone after the grace time. */
  kill(): void;
}

const STDERR_KEPT_BYTES = 8_192;
const KILL_GRACE_MS = 5_000;
const OWN_FAILURE_GRACE_MS = 300;

const alive = new Set<ChildProcess>();

/** Ends every child at once, for a process that is about to end without waiting for them. */
export function killChildren(): void {
  for (const child of alive) child.kill('SIGKILL');
}

/**
 * Starts the stages side by side, each one's output being the next one's input through a pipe of the operating
 * system, so that this process sees only what the last one writes. When a stage fails, those before it are ended:
 * they would notice only at their next write, which a dump that waits for a lock may not come to for hours.
 *
 * @param options.signal ends every stage when it aborts
 * @param options.endsTogether when a stage fails, end those after it too: what they write is worthless then, and one whose
 *   reader has stopped would wait for it and not see the end of its input
 */
export function startChain(
  stages: readonly Stage[],
  options: { stdin?: boolean; stdout?: boolean; signal?: AbortSignal; endsTogether?: boolean } = {},
): Chain {
  const children: ChildProcess[] = [];
  const pipes = openPipes(stages.length - 1) ?? [];
  try {
    for (const [index, stage] of stages.entries()) {
      const before = children[index - 1];
      const isLast = index === stages.length - 1;
      const stdio: StdioOptions = [
        pipes[index - 1]?.readEnd ?? before?.stdout ?? (options.stdin && index === 0 ? 'pipe' : 'ignore'),
        pipes[index]?.writeEnd ?? (isLast && !options.stdout ? 'ignore' : 'pipe'),
        'pipe',
        ...(stage.files ?? []).map(() => 'pipe' as const),
      ];
      const child = spawn(stage.command, [...stage.args], {
        stdio,
        env: childEnvironment(stage.env),
        ...(stage.cwd === undefined ? {} : { cwd: stage.cwd }),
        ...(stage.uid === undefined ? {} : { uid: stage.uid }),
        ...(stage.gid === undefined ? {} : { gid: stage.gid }),
      });
      children.push(child);
      for (const [i, content] of (stage.files ?? []).entries()) {
        const stream = child.stdio[3 + i] as Writable | null | undefined;
        stream?.on('error', () => {});
        stream?.end(content);
      }
      // our copy of the pipe's read end must go, else a dump whose reader has died would block instead of ending
      before?.stdout?.destroy();
    }
  } finally {
    // theirs stay: ours, too, would keep them from seeing an end
    for (const pipe of pipes) closePipe(pipe);
  }
  if (options.stdout) {
    // A child that exits before anybody reads its output has that output thrown away: node resumes a stream without
    // listeners then. With one, node reads as much as its buffer takes, and keeps it.
    children.at(-1)?.stdout?.on('readable', () => {});
  }
  for (const secret of stages.flatMap((stage) => [stage.env?.PGPASSWORD, stage.env?.MYSQL_PWD])) {
    if (secret) registerSecret(secret);
  }

  for (const [index, child] of children.entries()) {
    if (child.pid === undefined) continue;
    alive.add(child);
    if (stages[index]?.mayEndFirst !== false) endFirst(child.pid);
    child.once('close', () => alive.delete(child));
  }

  const killTimers: NodeJS.Timeout[] = [];
  const end = (some: readonly ChildProcess[]) => {
    // the last first: a reader that saw its input end before its own signal might take that for success
    for (const child of some.toReversed()) child.kill('SIGTERM');
    const timer = setTimeout(() => {
      for (const child of some) {
        if (isRunning(child)) child.kill('SIGKILL');
        // what it had started itself may have outlived it, and would hold these open
        child.stderr?.destroy();
        child.stdout?.destroy();
      }
    }, KILL_GRACE_MS);
    killTimers.push(timer);
  };
  const consequences = new Set<ChildProcess>();
  const kill = () => {
    for (const child of children.filter(isRunning)) consequences.add(child);
    end(children);
  };
  const finished = Promise.all(
    children.map(async (child, index) => {
      const result = withHint(await watch(child, stages[index]), stages[index]?.hints);
      if (consequences.has(child)) return { ...result, isConsequence: true as const };
      if (result.exitCode === 0) return result;
      // those that failed by themselves, and so broke off what this one was reading, are about to end too
      await sleep(OWN_FAILURE_GRACE_MS);
      const others = options.endsTogether && !diedOfBrokenPipe(result) ? children : children.slice(0, index);
      const running = others.filter(isRunning);
      for (const other of running) consequences.add(other);
      if (running.length > 0) end(running);
      return result;
    }),
  );
  if (options.signal?.aborted) kill();
  options.signal?.addEventListener('abort', kill, { once: true });
  void finished.then(() => {
    options.signal?.removeEventListener('abort', kill);
    for (const timer of killTimers) clearTimeout(timer);
  });
  return {
    stdin: children[0]?.stdin ?? null,
    stdout: options.stdout ? (children.at(-1)?.stdout ?? null) : null,
    finished,
    kill,
  };
}

function withHint(result: StageResult, hints: Stage['hints'] = []): StageResult {
  const hint = hints.find(([pattern]) => pattern.test(result.stderr))?.[1];
  return hint === undefined ? result : { ...result, hint };
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

function watch(child: ChildProcess, { name = '', onLine }: Partial<Stage> = {}): Promise<StageResult> {
  let stderr = '';
  let rest = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    let kept = text;
    if (onLine) {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      kept = lines
        .filter((line) => !onLine(line))
        .map((line) => `${line}\n`)
        .join('');
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
      resolve({ name, exitCode, signal, stderr: (stderr + rest).trim(), ...(startError ? { startError } : {}) });
    });
  });
}

/**
 * The chain's output, as an iterable that ends only after every stage has exited with 0, and throws otherwise. A
 * consumer that commits when its input ends can therefore not commit a dump that failed.
 *
 * @param options.verify called after every stage exited with 0, with the results and how many bytes were read here;
 *   what it throws, the iterable throws
 * @throws OperatorError TOOL_MISSING or PROCESS_FAILED naming the stage at fault
 */
export async function* readChain(
  chain: Chain,
  options: { signal?: AbortSignal; verify?: (results: readonly StageResult[], sizeBytes: number) => void } = {},
): AsyncGenerator<Uint8Array> {
  let ended = false;
  let sizeBytes = 0;
  try {
    for await (const chunk of (chain.stdout ?? []) as AsyncIterable<Uint8Array>) {
      sizeBytes += chunk.length;
      yield chunk;
    }
    options.signal?.throwIfAborted();
    const results = await chain.finished;
    ended = true;
    options.signal?.throwIfAborted();
    assertSucceeded(results);
    options.verify?.(results, sizeBytes);
  } catch (error) {
    // whoever stopped us knows better why than the broken pipe that followed
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    if (!ended) {
      chain.kill();
      chain.stdout?.destroy();
      await chain.finished;
    }
  }
}

/** Runs one program to its end. For control, not for data: keeps its output. */
export async function runProgram(
  stage: Stage,
  options: { input?: string; signal?: AbortSignal } = {},
): Promise<StageResult & { stdout: string }> {
  const chain = startChain([stage], {
    stdout: true,
    stdin: options.input !== undefined,
    ...(options.signal ? { signal: options.signal } : {}),
  });
  chain.stdin?.end(options.input);
  let stdout = '';
  for await (const text of (chain.stdout?.setEncoding('utf8') ?? []) as AsyncIterable<string>) stdout += text;
  const [result] = await chain.finished;
  if (!result) throw new OperatorError('PROCESS_FAILED', `${stage.name} was not started`);
  return { ...result, stdout };
}
