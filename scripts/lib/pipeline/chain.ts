import type { ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { OperatorError } from '../errors.ts';
import { isRunning, resultOf, type Stage, startChild } from './child-process.ts';
import { closePipe, openPipes } from './pipes.ts';
import { assertSucceeded, diedOfBrokenPipe, type StageResult } from './result.ts';

export type { Stage } from './child-process.ts';

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

const KILL_GRACE_MS = 5_000;
const OWN_FAILURE_GRACE_MS = 300;

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
      const input = pipes[index - 1]?.readEnd ?? before?.stdout ?? (options.stdin && index === 0 ? 'pipe' : 'ignore');
      const output = pipes[index]?.writeEnd ?? (isLast && !options.stdout ? 'ignore' : 'pipe');
      const child = startChild(stage, input, output);
      children.push(child);
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
      const result = await resultOf(child, stages[index]);
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
    // the one who stopped us knows better why than the broken pipe that followed
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
