import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OperatorError } from '../../../errors.ts';
import { runProgram, type Stage, startChain } from '../../../pipeline/chain.ts';
import { type MeterProgram, meterStage } from '../../../pipeline/meter.ts';
import { assertSucceeded } from '../../../pipeline/result.ts';
import type { Contents } from '../../../repository/manifest.ts';

const MOVING_TAR = fileURLToPath(new URL('./moving-tar.pl', import.meta.url));
const TREE_METER = fileURLToPath(new URL('./tree-meter.mjs', import.meta.url));
const CHECKED_UNTAR = fileURLToPath(new URL('./checked-untar.mjs', import.meta.url));
// messages are read here: they have to be in English
const ENGLISH = { LC_ALL: 'C' };

/** The version of GNU tar. @throws OperatorError TOOL_MISSING without one */
export async function tarVersion(signal?: AbortSignal): Promise<string> {
  const result = await runProgram(
    { name: 'tar', command: 'tar', args: ['--version'], env: ENGLISH },
    signal ? { signal } : {},
  );
  const version = /^tar \(GNU tar\) (\S+)/.exec(result.stdout)?.[1];
  if (version !== undefined) return version;
  signal?.throwIfAborted();
  throw new OperatorError('TOOL_MISSING', 'folders are archived by GNU tar, which is not installed as tar', {
    hint: 'Install it, or run inside the backup image, which has it.',
  });
}

/** Where the two processes of an archiving report: what the archive holds, and what moved while it was read. */
const treeFile = (folder: string) => join(folder, 'tree.json');
const changesFile = (folder: string) => join(folder, 'changes');
const ownersFile = (folder: string) => join(folder, 'owners.json');

interface ArchiveOptions {
  readonly isFolder: boolean;
  readonly report: string;
  readonly excluded?: readonly string[];
  readonly readsNames?: boolean;
}

/**
 * Writes an archive of a folder's contents, or of one file, to its standard output.
 * @param report a folder for reports, that treeMeter of the same archive is given too
 * @param excluded names in the folder itself that are left out
 * @param readsNames reads the names of all that is archived, from its standard input, instead of everything in the folder
 */
export function archiveStage(
  path: string,
  { isFolder, report, excluded = [], readsNames = false }: ArchiveOptions,
): Stage {
  return {
    name: 'tar',
    command: 'perl',
    args: [
      MOVING_TAR,
      changesFile(report),
      'tar',
      '--create',
      '--file=-',
      '--format=posix',
      // what differs from one reading to the next, though nothing was changed
      '--pax-option=delete=atime,delete=ctime,exthdr.name=%d/PaxHeaders/%f',
      ...(readsNames ? [] : ['--sort=name']),
      '--numeric-owner',
      '--sparse',
      '--xattrs',
      '--acls',
      ...(isFolder ? ['--blocking-factor=128'] : []),
      ...(readsNames
        ? // with --null alone, a change of folder among them would be taken for a name
          ['--no-recursion', '--null', '--no-verbatim-files-from']
        : ['--no-wildcards', '--anchored', ...excluded.map((name) => `--exclude=./${name}`)]),
      `--directory=${isFolder ? path : dirname(path)}`,
      ...(readsNames ? ['--files-from=-'] : ['--', isFolder ? '.' : `./${basename(path)}`]),
    ],
    env: ENGLISH,
  };
}

/**
 * The meter that counts and digests what an archive holds as it passes.
 * @param only of what is at or below these paths; of all without
 * @param owners by the member's name, as bytes (latin1): whose what was archived is, instead of whose the copy is
 */
export function treeMeter(
  report: string,
  only?: readonly string[],
  owners: Readonly<Record<string, readonly [number, number]>> = {},
): MeterProgram {
  const args = [treeFile(report), only ? JSON.stringify(only) : ''];
  if (Object.keys(owners).length > 0) {
    writeFileSync(ownersFile(report), JSON.stringify(owners));
    args.push(ownersFile(report));
  }
  return { command: process.execPath, path: TREE_METER, args, onLine: () => false };
}

/**
 * Extracts an archive from its standard input into an empty folder.
 * @param options.only these paths in the folder and what is below them; all without
 * @param options.said takes what tar says: also at exit 0 it may not have set all that is in the archive
 */
export function extractStage(
  folder: string,
  {
    setsOwners,
    said,
    only,
  }: { setsOwners: boolean; said: (line: string) => void; only?: readonly string[] | undefined },
): Stage {
  return {
    onLine: (line) => {
      said(line);
      return false;
    },
    name: 'tar',
    command: process.execPath,
    args: [
      CHECKED_UNTAR,
      'tar',
      '--extract',
      '--file=-',
      '--preserve-permissions',
      '--delay-directory-restore',
      // a time that has not come is the file's own, and nothing that could not be set
      '--warning=no-timestamp',
      '--numeric-owner',
      setsOwners ? '--same-owner' : '--no-same-owner',
      '--xattrs',
      '--xattrs-include=*',
      '--acls',
      `--directory=${folder}`,
      ...(only ? ['--no-wildcards', '--', ...only.map((path) => `./${path}`)] : []),
    ],
    env: ENGLISH,
    hints: [
      [/Not found in archive/, 'Name a path as it is in the folder, such as 2026/invoice.pdf. Nothing was touched.'],
    ],
  };
}

/** What an archive that has been written holds. */
export function readReport(report: string): Contents {
  const tree = JSON.parse(readFileSync(treeFile(report), 'utf8')) as Partial<Contents>;
  const changes = changesFile(report);
  if (!existsSync(changes)) return { tables: [], sequences: [], ...tree };
  const [total, ...names] = readFileSync(changes, 'utf8').trimEnd().split('\n');
  return { tables: [], sequences: [], ...tree, changed: { total: Number(total), names } };
}

/** Reads a folder or a file from the disk, as an archive of it would have it. */
export async function readTree(
  path: string,
  {
    isFolder,
    report,
    only,
    signal,
  }: { isFolder: boolean; report: string; only?: readonly string[] | undefined; signal: AbortSignal },
): Promise<Contents> {
  const stage = archiveStage(path, { isFolder, report });
  const meter = meterStage('tree meter', { program: treeMeter(report, only) });
  const chain = startChain([{ ...stage, name: `reading ${path} back` }, meter], { signal });
  const results = await chain.finished;
  signal.throwIfAborted();
  assertSucceeded(results);
  return readReport(report);
}

/** @throws OperatorError DUMP_INCOMPLETE when an archive does not end with the blocks of zeros that end one */
export function assertComplete(tail: string): void {
  if (/^\0{1024}$/.test(tail)) return;
  throw new OperatorError('DUMP_INCOMPLETE', 'the archive does not end as tar ends one: it is not whole', {
    hint: 'Nothing of it is used.',
  });
}
