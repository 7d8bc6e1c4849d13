import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** What every user of the machine (arguments) or the same account (environment) could read of a process. */
export interface Sighting {
  readonly commandLine: string;
  readonly environment: string;
}

/** Looks at this process's descendants all the time, from a process of its own, until told to stop. */
export function watchProcesses(): { stop(): Promise<Sighting[]> } {
  const watcher = spawn(
    process.execPath,
    [
      '--import',
      import.meta.resolve('tsx'),
      fileURLToPath(new URL('./process-watcher.ts', import.meta.url)),
      String(process.pid),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'], env: {} },
  );
  const seen = text(watcher.stdout);
  return {
    stop: async () => {
      watcher.stdin.end();
      return JSON.parse(await seen) as Sighting[];
    },
  };
}
