import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { OperatorError } from '../../../errors.ts';
import { childEnvironment } from '../../../machine/child-environment.ts';
import { command } from '../../../terminal/hints.ts';
import { versionOutput } from '../../database/program-version.ts';

/** Where Debian and Ubuntu keep the programs of every installed major version. */
const DEBIAN_ROOT = '/usr/lib/postgresql';

/** A program of PostgreSQL's and the version that it reports. */
export interface Program {
  readonly path: string;
  /** `18.1`. */
  readonly version: string;
  readonly major: number;
}

/** Every directory that holds PostgreSQL programs: Debian's by version, newest first, then those of PATH. */
function directories(): string[] {
  const debian = existsSync(DEBIAN_ROOT)
    ? readdirSync(DEBIAN_ROOT)
        .filter((name) => /^\d+$/.test(name))
        .sort((a, b) => Number(b) - Number(a))
        .map((name) => join(DEBIAN_ROOT, name, 'bin'))
    : [];
  return [...debian, ...(childEnvironment().PATH ?? '').split(':').filter((path) => path !== '')];
}

const found = new Map<string, Promise<Program[]>>();

/** Every version of a program on this machine, the newest first. */
export function findPrograms(name: string): Promise<Program[]> {
  const known = found.get(name);
  if (known) return known;
  const paths = directories()
    .map((directory) => join(directory, name))
    .filter((path) => existsSync(path))
    // Debian's wrapper in PATH only looks for those of the first directories, and takes its time
    .filter((path) => basename(realpathSync(path)) !== 'pg_wrapper');
  const search = Promise.all(paths.map(versionOf)).then((programs) =>
    programs.filter((program) => program !== undefined).sort((a, b) => b.major - a.major),
  );
  found.set(name, search);
  return search;
}

/** The version in what a program of PostgreSQL's says of itself, as `18.1`; undefined when it says none. */
export function programVersion(said: string): string | undefined {
  return /\) (\d+(?:\.\d+)?)/.exec(said)?.[1];
}

async function versionOf(path: string): Promise<Program | undefined> {
  const version = programVersion(await versionOutput(path));
  return version === undefined ? undefined : { path, version, major: Number.parseInt(version, 10) };
}

/** 18.1 of 180001. */
export function versionText(serverVersionNum: number): string {
  return `${Math.floor(serverVersionNum / 10_000)}.${serverVersionNum % 10_000}`;
}

/**
 * The program for a server: of the server's own major version, or else of the next newer one. What an older client
 * writes may not be the whole database, and what a newer one writes may not restore on this server.
 *
 * @throws OperatorError TOOL_MISSING, or SOURCE_VERSION when every one here is older than the server
 */
export async function programFor(name: string, serverVersionNum: number): Promise<Program> {
  const major = Math.floor(serverVersionNum / 10_000);
  const programs = await findPrograms(name);
  const newest = programs[0];
  if (!newest) {
    throw new OperatorError('TOOL_MISSING', `${name} is not installed here`, {
      hint: `Install the PostgreSQL ${major} client (apt-get install postgresql-client-${major}), or run inside the backup image.`,
    });
  }
  const enough = programs.filter((program) => program.major >= major);
  // the first of its version
  const fitting = enough.find((program) => program.major === enough.at(-1)?.major);
  if (!fitting) {
    throw new OperatorError(
      'SOURCE_VERSION',
      `the server is PostgreSQL ${versionText(serverVersionNum)}, but the newest ${name} here is ${newest.version}: an older client cannot be trusted with a newer server`,
      {
        hint: `Set POSTGRES_VERSION=${major} in .env and run ${command('up')}, which builds the image with that client.`,
      },
    );
  }
  return fitting;
}

/**
 * Another program of the same installation: an archive is read by the pg_restore of the pg_dump that writes it.
 * @throws OperatorError TOOL_MISSING
 */
export async function besideProgram(program: Program, name: string): Promise<Program> {
  const same = (await findPrograms(name)).filter(({ major }) => major === program.major);
  const beside = same.find(({ path }) => dirname(path) === dirname(program.path)) ?? same[0];
  if (beside) return beside;
  throw new OperatorError('TOOL_MISSING', `${name} ${program.major} is not installed here`, {
    hint: `Install the PostgreSQL ${program.major} client (apt-get install postgresql-client-${program.major}), or run inside the backup image.`,
  });
}
