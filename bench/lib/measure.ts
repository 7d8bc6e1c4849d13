import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { performance } from 'node:perf_hooks';
import { cpuSecondsOf, memoryOf, treeOf } from './process-tree.ts';
import { TemporaryDisk } from './temporary-disk.ts';

/** What one run of a candidate took. */
export interface Measurement {
  readonly wallS: number;
  /** Of the command and everything that it started, on this machine; not of the servers that it talks to. */
  readonly cpuS: number;
  /** Of the database server, over the same time. */
  readonly serverCpuS: number;
  /** The largest sum of resident memory over the command and everything that it started; shared pages count twice. */
  readonly treePeakBytes: number;
  /** The high-water mark of the largest node process; 0 when there was none. */
  readonly nodePeakBytes: number;
  /** The most that lay on disk outside of what was to be written; looked at five times a second. */
  readonly temporaryBytes: number;
  readonly stdout: string;
}

export interface Command {
  /** Run by bash with pipefail: a broken pipeline must not look like a fast one. */
  readonly script: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** The process whose CPU seconds count as the server's. */
  readonly serverPid?: number;
  /** The folder for temporary files that it was given, whose size is watched. */
  readonly scratch?: string;
  /** The folder that it is to write into: nothing in it is temporary. */
  readonly target?: string;
  /** Off where only the time counts: looking takes some of it. */
  readonly isWatched?: boolean;
  /** Told the process at the head of its group as soon as there is one. */
  readonly onStarted?: (pid: number) => void;
}

/** A command that did not end well; its message has what it wrote to standard error. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

const SAMPLE_MS = 25;
/** Looking at the disk costs more than looking at memory, for which the kernel keeps a high-water mark besides. */
const SAMPLES_A_DISK_LOOK = 8;
const TIMES = /^BENCH-TIMES (\S+) (\S+)$/m;

const running = new Set<number>();

/** @throws CommandFailed */
export async function measure(command: Command): Promise<Measurement> {
  const serverBefore = command.serverPid === undefined ? 0 : cpuSecondsOf(command.serverPid);
  const started = performance.now();
  // TIMEFORMAT: bash reports what all its waited-for descendants used
  const script = `set -o pipefail; TIMEFORMAT='BENCH-TIMES %U %S'; time { ${command.script}\n}`;
  const child = spawn('bash', ['-c', script], {
    cwd: command.cwd,
    env: { ...command.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const pid = child.pid;
  if (pid === undefined) throw new Error('bash could not be started');
  running.add(pid);
  command.onStarted?.(pid);
  const peaks = { tree: 0, node: 0 };
  const disk = command.scratch === undefined ? undefined : new TemporaryDisk(command.scratch, command.target);
  let samples = 0;
  const timer = setInterval(() => {
    const tree = treeOf(pid);
    sample(tree, peaks);
    if (samples % SAMPLES_A_DISK_LOOK === 0) disk?.look(tree);
    samples += 1;
  }, SAMPLE_MS);
  if (command.isWatched === false) clearInterval(timer);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-20_000);
  });
  const exitCode = await new Promise<number>((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL'])),
  );
  const wallS = (performance.now() - started) / 1_000;
  clearInterval(timer);
  if (command.isWatched !== false) disk?.look([]);
  running.delete(pid);
  const times = TIMES.exec(stderr);
  if (exitCode !== 0 || !times)
    throw new CommandFailed(exitCode, `exit ${exitCode}: ${command.script}\n${stderr.trim()}`);
  return {
    wallS,
    cpuS: Number(times[1]) + Number(times[2]),
    serverCpuS: command.serverPid === undefined ? 0 : cpuSecondsOf(command.serverPid) - serverBefore,
    treePeakBytes: peaks.tree,
    nodePeakBytes: peaks.node,
    temporaryBytes: disk?.peakBytes ?? 0,
    stdout,
  };
}

/** Ends what is being measured: this program is being ended itself. */
export function endAll(): void {
  for (const pid of running) {
    try {
      process.kill(-pid, 'SIGTERM');
    } catch {
      // it ended by itself
    }
  }
}

function sample(tree: readonly number[], peaks: { tree: number; node: number }): void {
  let sum = 0;
  for (const member of tree) {
    const memory = memoryOf(member);
    if (!memory) continue;
    sum += memory.rssBytes;
    if (memory.name === 'node' || memory.name === 'MainThread') peaks.node = Math.max(peaks.node, memory.peakBytes);
  }
  peaks.tree = Math.max(peaks.tree, sum);
}
