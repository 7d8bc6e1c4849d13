import { OperatorError } from '../errors.ts';
import { outOfMemory } from '../machine/memory.ts';

/** How a stage ended. */
export interface StageResult {
  readonly name: string;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last lines that it wrote to standard error. */
  readonly stderr: string;
  /** Set when the program could not be started at all. */
  readonly startError?: NodeJS.ErrnoException;
  /** It was ended by us: another stage had failed, or nobody wants the chain any more. */
  readonly isConsequence?: true;
  /** The next step, where the stage knows one. */
  readonly hint?: string;
}

/** @throws OperatorError naming the stage that failed first in cause, not the neighbours whose pipe it broke */
export function assertSucceeded(results: readonly StageResult[]): void {
  const failure = failureOf(results);
  if (failure) throw failure;
}

/** The error of a chain that failed by itself; undefined when it did not, or was ended by us. */
export function ownFailure(results: readonly StageResult[]): OperatorError | undefined {
  const isOwn = results.some(({ exitCode, isConsequence }) => exitCode !== 0 && !isConsequence);
  return isOwn ? failureOf(results) : undefined;
}

function failureOf(results: readonly StageResult[]): OperatorError | undefined {
  const failed = results.filter((result) => result.exitCode !== 0);
  const causes = failed.filter((result) => !result.isConsequence);
  const culprit = causes.find((result) => !diedOfBrokenPipe(result)) ?? causes[0] ?? failed[0];
  return culprit && stageError(culprit);
}

/** Whether a stage ended because what it wrote to had gone. */
export function diedOfBrokenPipe(result: StageResult): boolean {
  // a socket pair, which node's pipes are, is reset when unread bytes are left in it; a lost server is something else
  const lostReader = /broken pipe|EPIPE|(writ|output)[^\n]*reset by peer/i;
  // 141 is a shell's word for a command that SIGPIPE ended
  return result.signal === 'SIGPIPE' || result.exitCode === 141 || lostReader.test(result.stderr);
}

/** The error that says how a stage failed. */
export function stageError(result: StageResult): OperatorError {
  if (result.startError) {
    const missing = result.startError.code === 'ENOENT';
    return new OperatorError(
      missing ? 'TOOL_MISSING' : 'PROCESS_FAILED',
      missing
        ? `the program ${result.name} is not installed`
        : `${result.name} could not be started: ${result.startError.message}`,
      { hint: missing ? 'Install it, or run inside the backup image, which has it.' : '', cause: result.startError },
    );
  }
  const how = result.signal ? `was ended by ${result.signal}` : `exited with ${result.exitCode}`;
  const said = result.stderr === '' ? '' : `: ${lastLines(result.stderr)}`;
  const hint =
    outOfMemory() ??
    result.hint ??
    (isKilled(result) ? 'SIGKILL often means that the machine or container ran out of memory.' : '');
  return new OperatorError('PROCESS_FAILED', `${result.name} ${how}${said}`, { hint });
}

/** By itself, or what it has started and tells of. */
function isKilled({ signal, stderr }: StageResult): boolean {
  return signal === 'SIGKILL' || /was ended by SIGKILL$/m.test(stderr);
}

/** What was said first, which is often the cause, and what was said last. */
function lastLines(text: string): string {
  const lines = text.split('\n');
  return (lines.length <= 8 ? lines : [...lines.slice(0, 2), '…', ...lines.slice(-6)]).join(' | ');
}
