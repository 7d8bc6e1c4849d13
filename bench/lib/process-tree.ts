import { readFileSync } from 'node:fs';

/** What /proc says of one process. */
interface ProcessMemory {
  readonly name: string;
  /** Resident now. */
  readonly rssBytes: number;
  /** The most that it ever was; the kernel's own high-water mark, so that looking now and then misses nothing. */
  readonly peakBytes: number;
}

/** The process ids of a process and everything below it. */
export function treeOf(pid: number): number[] {
  const found = [pid];
  for (let index = 0; index < found.length; index += 1) {
    const children = read(`/proc/${found[index]}/task/${found[index]}/children`);
    for (const child of children.split(' ')) if (child !== '') found.push(Number(child));
  }
  return found;
}

/** Undefined for a process that has gone. */
export function memoryOf(pid: number): ProcessMemory | undefined {
  const status = read(`/proc/${pid}/status`);
  const kib = (field: string) => Number(new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
  const name = /^Name:\s*(.*)$/m.exec(status)?.[1];
  return name === undefined ? undefined : { name, rssBytes: kib('VmRSS') * 1024, peakBytes: kib('VmHWM') * 1024 };
}

/** CPU seconds of a server: of its main process, the children that it has seen end, and those that live. */
export function cpuSecondsOf(pid: number): number {
  const [own = 0, ...children] = treeOf(pid).map((member) => ticksOf(member, member === pid ? 4 : 2));
  return (own + children.reduce((sum, ticks) => sum + ticks, 0)) / TICKS_PER_SECOND;
}

/** All that a process has read, of files and otherwise. */
export function bytesReadBy(pid: number): number {
  return Number(/^rchar: (\d+)/m.exec(read(`/proc/${pid}/io`))?.[1] ?? 0);
}

const TICKS_PER_SECOND = 100;

/** The first `count` of a process's time counters: user, system, and both of the children that it waited for. */
function ticksOf(pid: number, count: 2 | 4): number {
  // the program's name may hold spaces and brackets; the fields are counted behind it
  const fields = read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? [];
  return fields.slice(11, 11 + count).reduce((sum, field) => sum + Number(field), 0);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
