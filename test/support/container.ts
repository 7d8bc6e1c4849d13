import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const READY_WITHIN_MS = 60_000;

/** A client without an engine is no Docker. */
export function hasEngine(): boolean {
  return spawnSync('docker', ['info'], { stdio: 'ignore' }).status === 0;
}

interface Recipe {
  /** What its name begins with. */
  readonly name: string;
  readonly image: string;
  /** Where it listens inside. */
  readonly port: number;
  readonly env: Readonly<Record<string, string>>;
  readonly command: readonly string[];
  /** An archive whose files are laid into a folder of the container before it starts. */
  readonly files?: { readonly folder: string; readonly tar: Buffer };
}

/** A server in a container of the test's own, reachable from this machine alone. */
export interface Container {
  /** Which port Docker has given it. Another one after a restart. */
  port(): Promise<number>;
  /** Runs a program in it. */
  exec(...words: string[]): Promise<{ stdout: string }>;
  /** As a machine that loses power. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Removes it and everything in it. */
  stop(): Promise<void>;
}

/** Starts a container and prepares it; one that cannot be prepared is removed. */
export async function startContainer<T>(recipe: Recipe, prepare: (container: Container) => Promise<T>): Promise<T> {
  const name = `${recipe.name}-test-${randomBytes(6).toString('hex')}`;
  await run('docker', [
    ...['create', '--name', name, '--publish', `127.0.0.1::${recipe.port}`],
    ...Object.entries(recipe.env).flatMap(([variable, value]) => ['--env', `${variable}=${value}`]),
    ...[recipe.image, ...recipe.command],
  ]);
  const container: Container = {
    async port() {
      const { stdout } = await run('docker', ['port', name, `${recipe.port}/tcp`]);
      return Number(stdout.trim().split(':').at(-1));
    },
    exec: (...words) => run('docker', ['exec', name, ...words]),
    async kill() {
      await run('docker', ['kill', name]);
    },
    async start() {
      await run('docker', ['start', name]);
    },
    async stop() {
      await run('docker', ['rm', '--force', '--volumes', name]);
    },
  };
  try {
    // copied in, not mounted: an engine on another machine does not see this one's files
    if (recipe.files) {
      const copy = run('docker', ['cp', '-', `${name}:${recipe.files.folder}`]);
      copy.child.stdin?.end(recipe.files.tar);
      await copy;
    }
    await container.start();
    return await prepare(container);
  } catch (error) {
    await container.stop();
    throw error;
  }
}

/** Asks a server that is starting until it answers; throws its last refusal. */
export async function untilReady(probe: () => Promise<unknown>): Promise<void> {
  for (const deadline = Date.now() + READY_WITHIN_MS; ; ) {
    try {
      await probe();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(200);
    }
  }
}
