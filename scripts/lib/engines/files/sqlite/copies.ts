import {
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { statfs } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { messageOf, OperatorError } from '../../../errors.ts';
import { runProgram } from '../../../pipeline/chain.ts';
import { stageError } from '../../../pipeline/result.ts';
import { formatBytes } from '../../../quantities.ts';
import type { SqliteCopy } from '../../../repository/manifest.ts';
import type { FilesSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { takeFlock } from '../swap/flock.ts';
import { pathOf, shownPath } from '../tree/byte-path.mjs';
import { copyDatabase } from './copy.ts';
import { problemOf } from './program.ts';
import { BESIDE, type FoundDatabase } from './search.ts';

const PREFIX = 'sqlite-copies-';

/** Copies of the databases of a folder, for its archive. */
export interface Copies {
  /** In which each lies at the path that it has in the folder. */
  readonly folder: string;
  readonly copied: readonly string[];
  /** What lies beside them and belongs to no copy. */
  readonly skipped: readonly string[];
  /** Whose they are, as `uid:gid`, where the copy is somebody else's. */
  readonly owners: Readonly<Record<string, readonly [number, number]>>;
  readonly made: readonly SqliteCopy[];
  remove(): Promise<void>;
}

/**
 * Copies every database, each as of one moment, for as long as the backup takes.
 * @throws OperatorError NO_SPACE before anything is copied
 */
export async function copyDatabases(
  source: FilesSource,
  {
    live,
    isFolder,
    databases,
    signal,
  }: { live: string; isFolder: boolean; databases: readonly FoundDatabase[]; signal: AbortSignal },
): Promise<Copies | undefined> {
  if (databases.length === 0) return undefined;
  await removeLeftovers(source.roomIn);
  await assertRoom(source, databases);
  const home = mkdtempSync(join(source.roomIn, PREFIX));
  // by this lock the next run knows that they are needed
  const lock = await takeFlock(home);
  const remove = async () => {
    rmSync(home, { recursive: true, force: true });
    await lock?.release();
  };
  try {
    const folder = join(home, 'tree');
    mkdirSync(folder);
    const copies = {
      folder,
      copied: [] as string[],
      owners: {} as Record<string, [number, number]>,
      made: [] as SqliteCopy[],
    };
    const byInode = new Map<string, Buffer>();
    for (const database of databases) {
      const path = isFolder ? database.path : Buffer.from(basename(live)).toString('latin1');
      const from = pathOf(isFolder ? live : join(live, '..'), path);
      const to = pathOf(folder, path);
      const twin = database.inode === undefined ? undefined : byInode.get(database.inode);
      mkdirSync(to.subarray(0, to.lastIndexOf('/')), { recursive: true });
      if (twin !== undefined) linkSync(twin, to);
      else {
        const copy = await oneCopy(source, { home, from, to, database, path, signal });
        copies.made.push(copy);
        if (!copy.isCopied) continue;
        if (database.inode !== undefined) byInode.set(database.inode, to);
      }
      const owner = ownerOf(from, to);
      if (owner !== undefined) copies.owners[path] = owner;
      copies.copied.push(path);
    }
    tell(source, copies.made);
    const skipped = copies.copied.flatMap((path) => BESIDE.map((suffix) => `${path}${suffix}`));
    return { ...copies, skipped, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

interface OneCopy {
  readonly home: string;
  readonly from: Buffer;
  readonly to: Buffer;
  readonly database: FoundDatabase;
  readonly path: string;
  readonly signal: AbortSignal;
}

async function oneCopy(source: FilesSource, { home, from, to, database, path, signal }: OneCopy): Promise<SqliteCopy> {
  const { journal } = database;
  const shown = shownPath(path);
  const fault = await copyDatabase(source, { live: from, folder: home, database, signal });
  if (fault !== undefined) {
    log.warn(
      `${source.name}: ${shown} is an SQLite database that is broken: ${fault}. It and what lies beside it are in the backup as they are on the disk; see docs/sqlite.md`,
    );
    return { path: shown, journal, sizeBytes: database.sizeBytes, isCopied: false, problem: fault };
  }
  const copy = join(home, 'copy');
  const problem = await problemOf(Buffer.from(copy), { isThorough: false, isAlone: true, cwd: home, signal });
  if (problem !== undefined)
    log.warn(
      `${source.name}: ${shown} is an SQLite database that is broken: ${problem}. It is in the backup as SQLite reads it; see docs/sqlite.md`,
    );
  await giveAttributes(from, home, signal);
  renameSync(copy, to);
  return {
    path: shown,
    journal,
    sizeBytes: statSync(to).size,
    isCopied: true,
    ...(problem === undefined ? {} : { problem }),
  };
}

/** Mode, times, access list, attributes, and the owner where that may be: as those of the file that was copied. */
async function giveAttributes(from: Buffer, home: string, signal: AbortSignal): Promise<void> {
  // a name may have any bytes, which no argument has
  const link = join(home, 'live');
  rmSync(link, { force: true });
  symlinkSync(from, link);
  const args = ['--attributes-only', '--preserve=all', '--dereference', '--no-target-directory', '--', 'live', 'copy'];
  const result = await runProgram({ name: 'cp', command: 'cp', args, cwd: home }, { signal });
  signal.throwIfAborted();
  if (result.exitCode !== 0) throw stageError(result);
  rmSync(link);
}

function ownerOf(from: Buffer, to: Buffer): [number, number] | undefined {
  const [wanted, found] = [lstatSync(from), lstatSync(to)];
  return wanted.uid === found.uid && wanted.gid === found.gid ? undefined : [wanted.uid, wanted.gid];
}

async function assertRoom({ name, roomIn }: FilesSource, databases: readonly FoundDatabase[]): Promise<void> {
  const { bavail, bsize } = await statfs(roomIn).catch((error: unknown) => {
    throw new OperatorError('CONFIG', `DRILL_DIR ${roomIn} cannot be used: ${messageOf(error)}`);
  });
  // a log goes into its database, and lies beside it until it has
  const neededBytes = databases.reduce((sum, { sizeBytes, walBytes }) => sum + sizeBytes + 2 * walBytes, 0);
  if (bavail * bsize >= neededBytes) return;
  throw new OperatorError(
    'NO_SPACE',
    `source ${name}: ${roomIn} has ${formatBytes(bavail * bsize)} free; copies of its ${databases.length} SQLite databases need up to ${formatBytes(neededBytes)} until the backup has ended`,
    { hint: 'Point DRILL_DIR at a folder with more room, or leave some of them out (?exclude=…). Nothing was stored.' },
  );
}

/** Removes what runs that were killed have left. */
async function removeLeftovers(directory: string): Promise<void> {
  for (const name of readdirSync(directory).filter((each) => each.startsWith(PREFIX))) {
    const path = join(directory, name);
    const lock = await takeFlock(path).catch(() => undefined);
    if (!lock) continue;
    rmSync(path, { recursive: true, force: true });
    await lock.release();
  }
}

function tell({ name }: FilesSource, made: readonly SqliteCopy[]): void {
  const copied = made.filter(({ isCopied }) => isCopied);
  if (copied.length === 0) return;
  const bytes = formatBytes(copied.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  log.info(
    `${name}: ${copied.length} SQLite ${copied.length === 1 ? 'database' : 'databases'} (${bytes}) copied, each as of one moment`,
  );
}
