import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from './folders.ts';

const SCRIPT = fileURLToPath(new URL('../../demo/demo.ts', import.meta.url));

/** A demonstration under way. */
export interface Demo {
  readonly child: ChildProcess;
  readonly temporary: string;
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
  stdout(): string;
}

/** Starts the demonstration in a folder of its own, with a temporary folder whose name has a space. */
export function startDemo(args: readonly string[], env: Readonly<Record<string, string>> = {}): Demo {
  const folder = temporaryFolder();
  const temporary = join(folder, 'a b');
  mkdirSync(temporary);
  // the server's account has to get through the one, and into the other as into /tmp
  chmodSync(folder, 0o755);
  chmodSync(temporary, 0o1777);
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), SCRIPT, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? folder, TMPDIR: temporary, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Awaited<Demo['ended']>>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, temporary, ended, stdout: () => stdout };
}

/** What is left in the temporary folder; tsx keeps its cache there. */
export const leftIn = (folder: string) => readdirSync(folder).filter((name) => !name.startsWith('tsx-'));
