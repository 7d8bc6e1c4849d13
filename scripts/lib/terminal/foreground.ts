import { type ChildProcess, spawn } from 'node:child_process';

/** A program that takes this process's place at the terminal. */
export interface ForegroundProgram {
  readonly command: string;
  readonly args: readonly string[];
  /** All of it: nothing is added. */
  readonly env: Readonly<Record<string, string>>;
}

const GRACE_MS = 2_000;

/**
 * Runs a program with the terminal, or with our outputs alone, and waits until it has ended.
 *
 * @param isPrompt it has the keyboard too: a Ctrl-C is then for the program, which breaks off what it does, and not for us
 * @param signal ends the program
 * @returns its exit code; 128 when a signal ended it
 */
export async function runInForeground(
  { command, args, env }: ForegroundProgram,
  { isPrompt, signal }: { isPrompt: boolean; signal: AbortSignal },
): Promise<number> {
  signal.throwIfAborted();
  const giveBack = isPrompt ? leaveInterruptsToIt() : () => {};
  const child = spawn(command, [...args], { stdio: [isPrompt ? 'inherit' : 'ignore', 'inherit', 'inherit'], env });
  const onAbort = () => endChild(child);
  signal.addEventListener('abort', onAbort, { once: true });
  // one that ends without waiting for it leaves no prompt behind
  const onExit = () => child.kill('SIGKILL');
  process.once('exit', onExit);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? 128));
    });
  } finally {
    process.off('exit', onExit);
    signal.removeEventListener('abort', onAbort);
    giveBack();
    signal.throwIfAborted();
  }
}

/** It puts the terminal back in order when it is ended, where it is given the time. */
function endChild(child: ChildProcess): void {
  child.kill('SIGTERM');
  setTimeout(() => child.kill('SIGKILL'), GRACE_MS).unref();
}

/** Takes the terminal's Ctrl-C from those who listen for it here. @returns what gives it back */
function leaveInterruptsToIt(): () => void {
  const listeners = process.listeners('SIGINT') as NodeJS.SignalsListener[];
  const ignore = () => {};
  process.on('SIGINT', ignore);
  for (const listener of listeners) process.off('SIGINT', listener);
  return () => {
    for (const listener of listeners) process.on('SIGINT', listener);
    process.off('SIGINT', ignore);
  };
}
