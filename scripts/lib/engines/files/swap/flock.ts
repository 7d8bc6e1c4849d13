import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { OperatorError } from '../../../errors.ts';
import { processAgeMs } from '../../../machine/process-age.ts';
import { bash } from '../../../pipeline/bash.ts';
import { type Chain, startChain } from '../../../pipeline/chain.ts';

/** A lock that is held. */
export interface HeldLock {
  release(): Promise<void>;
}

const BUSY = 75;
const HOLD = fileURLToPath(new URL('./flock.sh', import.meta.url));

/**
 * Locks a file or folder against everybody on this machine who locks it so, in whichever container: the lock lies on
 * the thing itself (flock(2)), and goes with its holder.
 *
 * @param options.waits until it is free, else returns undefined when it is not
 * @throws OperatorError SOURCE_CONNECT when it cannot be read, TOOL_MISSING
 */
export async function takeFlock(
  path: string,
  { waits = false, signal }: { waits?: boolean; signal?: AbortSignal } = {},
): Promise<HeldLock | undefined> {
  const options = ['--exclusive', `--conflict-exit-code=${BUSY}`, ...(waits ? [] : ['--nonblock'])];
  // a lock may not be let go of in the middle of what it protects
  const stage = {
    name: 'flock',
    ...bash(HOLD, [path, ...options]),
    mayEndFirst: false,
  };
  const chain = startChain([stage], { stdin: true, stdout: true });
  const stop = () => chain.kill();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    let said = '';
    for await (const text of (chain.stdout?.setEncoding('utf8') ?? []) as AsyncIterable<string>) said += text;
    if (said === 'held\n' && !signal?.aborted) return { release: () => release(chain) };
  } finally {
    signal?.removeEventListener('abort', stop);
  }
  chain.stdin?.destroy();
  const [result] = await chain.finished;
  signal?.throwIfAborted();
  if (result?.exitCode === BUSY) return undefined;
  if (result?.exitCode === 127 || result?.startError)
    throw new OperatorError('TOOL_MISSING', 'the program flock is not installed', {
      hint: 'It is part of util-linux. Install that, or run inside the backup image, which has it.',
    });
  const why = /: ([^:\n]+)$/.exec(result?.stderr ?? '')?.[1] ?? `flock exited with ${result?.exitCode}`;
  throw new OperatorError('SOURCE_CONNECT', `${path} cannot be read: ${why}`, {
    hint: 'The user that this runs as needs the right to read it; see docs/files-and-folders.md.',
  });
}

/**
 * For how long somebody holds the lock of a file or folder, in milliseconds, without touching it; undefined when nobody
 * does whom this process may look at: a process of its own user, in its own container.
 */
export function flockHeldForMs(path: string): number | undefined {
  const wanted = statSync(path, { throwIfNoEntry: false });
  if (!wanted) return undefined;
  for (const pid of namesIn('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const held = statSync(`/proc/${pid}/fd/9`);
      if (held.ino !== wanted.ino || held.dev !== wanted.dev) continue;
      if (/\bFLOCK\b/.test(readFileSync(`/proc/${pid}/fdinfo/9`, 'utf8'))) return processAgeMs(Number(pid));
    } catch {
      // it has no such descriptor, has ended meanwhile, or is somebody else's
    }
  }
  return undefined;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

async function release(chain: Chain): Promise<void> {
  chain.stdin?.destroy();
  await chain.finished;
}
