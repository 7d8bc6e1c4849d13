import { readFileSync } from 'node:fs';

/** A tick of the clock that /proc counts in, on every Linux that node runs on. */
const TICKS_PER_SECOND = 100;

/**
 * For how long a process has been running, in milliseconds, from Linux's /proc; undefined when there is no such process,
 * and elsewhere.
 */
export function processAgeMs(pid: number): number | undefined {
  try {
    const uptimeSeconds = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
    // the 22nd field; the second one, in brackets, may hold spaces and brackets
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const startedTicks = Number(fields.slice(fields.lastIndexOf(') ') + 2).split(' ')[19]);
    return (uptimeSeconds - startedTicks / TICKS_PER_SECOND) * 1_000;
  } catch {
    return undefined;
  }
}
