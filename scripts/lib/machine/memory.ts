import { readFileSync, writeFileSync } from 'node:fs';
import { formatBytes } from '../quantities.ts';

/** Where a container sees its own limit, and what came of it: control groups of version 2, and of version 1. */
const CONTROL_GROUPS = [
  { limit: '/sys/fs/cgroup/memory.max', events: '/sys/fs/cgroup/memory.events' },
  { limit: '/sys/fs/cgroup/memory/memory.limit_in_bytes', events: '/sys/fs/cgroup/memory/memory.oom_control' },
] as const;

/** proc_pid_oom_score_adj(5): such a process goes before all others. */
const FIRST = '1000';

/**
 * Has Linux end this child before anything else when memory runs out: before this process, which can then say what
 * happened and tidy up, and before a database server on the same machine.
 */
export function endFirst(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, FIRST);
  } catch {
    // it has ended already, or there is no such thing here
  }
}

/** What Linux has ended in this container when this run began. */
const endedBefore = endedForMemory();

/** What to do about it, when Linux has ended a process here, since this run began, because memory had run out. */
export function outOfMemory(): string | undefined {
  if (endedForMemory() <= endedBefore) return undefined;
  const limit = CONTROL_GROUPS.map((group) => numberIn(group.limit, /^(\d+)\s*$/)).find((bytes) => bytes !== undefined);
  // without one, version 1 says eight exabytes
  const size = limit === undefined || limit > Number.MAX_SAFE_INTEGER ? '' : ` (its limit is ${formatBytes(limit)})`;
  return `The container ran out of memory${size}, and Linux ended a process: raise mem_limit, or run fewer things in it at a time.`;
}

function endedForMemory(): number {
  const counts = CONTROL_GROUPS.map(({ events }) => numberIn(events, /^oom_kill (\d+)$/m));
  return counts.find((count) => count !== undefined) ?? 0;
}

function numberIn(path: string, pattern: RegExp): number | undefined {
  try {
    const digits = pattern.exec(readFileSync(path, 'utf8'))?.[1];
    return digits === undefined ? undefined : Number(digits);
  } catch {
    return undefined;
  }
}
