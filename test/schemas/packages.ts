import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The registries that packages are fetched from, each with its own client. */
export type Registry = 'debian' | 'pypi' | 'npm' | 'go' | 'maven';

/** A package that holds an application's definitions, by its exact version. */
export interface Package {
  readonly registry: Registry;
  /** As the registry calls it; of Maven `group:artifact`. */
  readonly name: string;
  readonly version: string;
  /** A file here that names it and all that it needs, by exact versions: installed, to be run, and not only unpacked. */
  readonly requirements?: string;
}

/** Why a package is not here. */
export class NotFetched extends Error {}

/** Where fetched packages stay, outside of the tree: SCHEMAS_CACHE, or a folder of the user's cache. */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  return env.SCHEMAS_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'compose-db-backup', 'schemas');
}

/** A client that takes longer for a package counts as one that got no answer: SCHEMAS_PATIENCE, in seconds. */
const patienceMs = () => 1_000 * Number(process.env.SCHEMAS_PATIENCE || 240);

/**
 * Brings a package into the cache, unpacked, unless it is there.
 * @returns its folder
 * @throws NotFetched when the registry cannot be reached, has no such version, or its client is not here
 */
export async function fetchPackage(cache: string, wanted: Package): Promise<string> {
  const folder = folderOf(cache, wanted);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const half = mkdtempSync(join(cache, '.half-'));
  try {
    await FETCH[wanted.registry](wanted, half);
    // there as a whole or not at all; another run may have been faster
    if (!existsSync(folder)) renameSync(half, folder);
    return folder;
  } catch (error) {
    throw new NotFetched(`${wanted.registry} ${wanted.name} ${wanted.version}: ${reasonOf(error)}`);
  } finally {
    rmSync(half, { recursive: true, force: true });
  }
}

/** Whether it is in the cache already. */
export function isFetched(cache: string, wanted: Package): boolean {
  return existsSync(folderOf(cache, wanted));
}

function folderOf(cache: string, { registry, name, version, requirements }: Package): string {
  const together =
    requirements &&
    createHash('sha256')
      .update(readFileSync(beside(requirements)))
      .digest('hex');
  const words = [registry, name, version, ...(together ? [together.slice(0, 12)] : [])];
  return join(cache, words.join('_').replaceAll(/[^\w.+~-]/g, '_'));
}

/** A file of this folder. */
export function beside(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

const FETCH: Readonly<Record<Registry, (wanted: Package, into: string) => Promise<void>>> = {
  debian: async ({ name, version }, into) => {
    await call('apt-get', ['download', '-q', `${name}=${version}`], into);
    const archive = take(into, /\.deb$/);
    await call('dpkg-deb', ['-x', archive, into], into);
    rmSync(archive);
  },
  pypi: async ({ name, version, requirements }, into) => {
    if (requirements) {
      const words = ['-m', 'pip', 'install', '-q', '--no-deps', '--no-compile', '--target', into];
      await call('python3', [...words, '-r', beside(requirements)], into);
      return;
    }
    await call('python3', ['-m', 'pip', 'download', '-q', '--no-deps', '-d', into, `${name}==${version}`], into);
    await unzip(take(into, /\.whl$/), into);
  },
  npm: async ({ name, version }, into) => {
    await call('npm', ['pack', '--silent', `${name}@${version}`, '--pack-destination', into], into);
    const archive = take(into, /\.tgz$/);
    await call('tar', ['-xzf', archive, '-C', into, '--strip-components=1'], into);
    rmSync(archive);
  },
  go: async ({ name, version }, into) => {
    const { stdout } = await call('go', ['mod', 'download', '-json', `${name}@${version}`], into, {
      GOFLAGS: '-mod=mod -modcacherw',
      GOTOOLCHAIN: 'local',
    });
    // the module stays in the client's own cache, where other programs use it too
    const { Dir: folder } = JSON.parse(stdout) as { Dir: string };
    await call('cp', ['-r', '--no-preserve=mode', `${folder}/.`, into], into);
  },
  maven: async ({ name, version }, into) => {
    const words = ['-q', '-B', 'dependency:copy', `-Dartifact=${name}:${version}`, `-DoutputDirectory=${into}`];
    await call('mvn', words, into);
    await unzip(take(into, /\.jar$/), into);
  },
};

async function unzip(archive: string, into: string): Promise<void> {
  await call('python3', ['-m', 'zipfile', '-e', archive, into], into);
  rmSync(archive);
}

function take(folder: string, name: RegExp): string {
  const found = readdirSync(folder).find((file) => name.test(file));
  if (found === undefined) throw new Error(`nothing that ends as ${name.source} came`);
  return join(folder, found);
}

/** Calls a client in a folder. */
export function call(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ stdout: string; stderr: string }> {
  return run(command, args, { cwd, timeout: patienceMs(), maxBuffer: 1e8, env: { ...process.env, ...env } });
}

/** What a client said last, in one line. */
function reasonOf(error: unknown): string {
  const { code, killed, stderr, message } = error as { [key: string]: unknown };
  if (code === 'ENOENT') return 'its client is not installed';
  if (killed) return `no answer within ${patienceMs() / 1_000} s`;
  const lines = String(stderr || message)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^W: Download is performed unsandboxed/.test(line));
  return (lines.find((line) => /^(E:|ERROR)|error/i.test(line)) ?? lines.at(-1) ?? 'failed').slice(0, 200);
}
