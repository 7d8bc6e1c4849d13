import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleVerbs } from '../../docker/backup/bundle.ts';

export type Environment = Readonly<Record<string, string>>;

/** How a verb ended, and what it said. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** It did not end by itself in time. */
  readonly hung: boolean;
  readonly durationMs: number;
}

/** A verb under way. */
export interface UnderWay {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** The verb's own process and everything below it. */
  tree(): TreeProcess[];
}

export interface TreeProcess {
  readonly pid: number;
  readonly name: string;
}

/** Bundles the verbs once, as the image has them: from source each run would take three times as long to begin. */
export async function bundledVerbs(): Promise<{ folder: string; remove(): void }> {
  const folder = mkdtempSync(join(tmpdir(), 'faults-verbs-'));
  await bundleVerbs(folder);
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Starts a verb in a session of its own, with nothing but the given environment. */
export function startVerb(
  folder: string,
  words: readonly string[],
  env: Environment,
  options: { cwd: string; hungAfterMs: number; limits?: readonly string[] },
): UnderWay {
  const [verb = '', ...args] = words;
  const node = [process.execPath, join(folder, `${verb}.mjs`), ...args];
  const [command = '', ...rest] = options.limits ? ['prlimit', ...options.limits, '--', ...node] : node;
  mkdirSync(options.cwd, { recursive: true });
  const startedAt = performance.now();
  const child = spawn(command, rest, {
    cwd: options.cwd,
    detached: true,
    env: { PATH: process.env.PATH ?? '', HOME: options.cwd, AWS_EC2_METADATA_DISABLED: 'true', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const pid = child.pid ?? 0;
  let stdout = '';
  let stderr = '';
  let hung = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const timer = setTimeout(() => {
    hung = true;
    for (const { pid: one } of treeOf(pid)) kill(one, 'SIGKILL');
  }, options.hungAfterMs);
  const ended = new Promise<Ended>((resolve) => {
    let over = false;
    const end = (code: number | null, signal: NodeJS.Signals | null) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr, hung, durationMs: performance.now() - startedAt });
    };
    child.once('error', () => end(null, null));
    child.once('close', end);
    // what outlives a verb that was killed keeps its outputs open
    child.once('exit', (code, signal) => setTimeout(() => end(code, signal), 300));
  });
  return { pid, ended, tree: () => treeOf(pid) };
}

/** A process and everything below it, from /proc. */
export function treeOf(root: number): TreeProcess[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const end = stat.lastIndexOf(')');
        const [state, parent] = stat.slice(end + 2).split(' ');
        if (state === 'Z') return [];
        return [{ pid: Number(name), parent: Number(parent), name: stat.slice(stat.indexOf('(') + 1, end) }];
      } catch {
        // it ended between the two readings
        return [];
      }
    });
  const below = (pid: number): TreeProcess[] =>
    all
      .filter(({ parent }) => parent === pid)
      .flatMap((each) => [{ pid: each.pid, name: each.name }, ...below(each.pid)]);
  return [...all.filter(({ pid }) => pid === root).map(({ pid, name }) => ({ pid, name })), ...below(root)];
}

/** Every living process that was given this value in its environment, or has it on its command line. */
export function processesWith(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        if (/^State:\tZ/m.test(readFileSync(`/proc/${name}/status`, 'utf8'))) return [];
        const commandLine = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        const isOurs = commandLine.includes(text) || readFileSync(`/proc/${name}/environ`, 'utf8').includes(text);
        return isOurs ? [`process ${name}: ${commandLine.slice(0, 120)}`] : [];
      } catch {
        return [];
      }
    });
}

/** Sends a signal to what may be gone by now. */
export function kill(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
