// without what takes longer to load than most programs take to answer
import { $ } from 'zx/core';
import { childEnvironment } from '../../machine/child-environment.ts';
import { formatDuration } from '../../quantities.ts';
import { log } from '../../terminal/log.ts';

/** Longer than a busy machine takes to start a program, and short enough for a run to go on with another one. */
const ANSWER_WITHIN_MS = 30_000;

/**
 * What a program prints when it is asked for its version; nothing when it fails, or does not end in time.
 * @param options what comes before `--version`
 */
export async function versionOutput(
  path: string,
  options: readonly string[] = [],
  withinMs = ANSWER_WITHIN_MS,
): Promise<string> {
  const { stdout, signal } = await $({
    nothrow: true,
    quiet: true,
    // bash reads ~/.bashrc, whatever is in it, where its input is a socket, as a child's otherwise is
    stdio: ['ignore', 'pipe', 'ignore'],
    env: childEnvironment(),
    timeout: withinMs,
    // a process that is frozen reacts to no other
    timeoutSignal: 'SIGKILL',
    // a group of its own, ended as one: zx would look for its members with ps, which small images lack
    detached: true,
    kill: async (pid, name) => void process.kill(-Number(pid), name),
  })`${path} ${options} --version`;
  if (signal !== null) log.warn(`${path} did not say its version within ${formatDuration(withinMs)}, and is not used`);
  return stdout;
}
