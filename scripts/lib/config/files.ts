import { realpathSync } from 'node:fs';
import { basename, dirname, join, posix, relative, resolve } from 'node:path';
import { type Compression, type DumpFormat, formatsOf } from '../formats.ts';
import type { FilesSource, Source } from '../source.ts';
import { assertKnown, decoded, ofQuery } from './url.ts';
import * as value from './values.ts';

const [FORMAT] = formatsOf('files') as [DumpFormat];

/** What a `file://` URL says of a source. @throws Error that says what is wrong with it */
export function readFolder(
  url: URL,
  defaultCompression: Compression | undefined,
): Pick<FilesSource, 'engine' | 'path' | 'format' | 'compression'> {
  if (url.hostname !== '') throw new Error('wants an absolute path, after three slashes: file:///data/uploads');
  if (url.hash !== '') throw new Error('holds a #; write %23 for one in a path');
  const path = decoded(url.pathname);
  if (path.includes('\0')) throw new Error('holds %00, which no path can');
  const database = posix.resolve(path);
  if (database === '/') throw new Error('is the whole file system; name a folder or a file');
  assertKnown(url.searchParams, ['format', 'compression', 'exclude']);
  const format = url.searchParams.get('format') ?? FORMAT;
  if (format !== FORMAT) throw new Error(`?format=${format} is for databases: a folder is always archived by tar`);
  const compression = url.searchParams.get('compression');
  return {
    engine: 'files',
    path: database,
    format: FORMAT,
    compression:
      compression === null
        ? (defaultCompression ?? { method: 'zstd' })
        : ofQuery('compression', value.compression)(compression),
  };
}

/** What lies directly in the folder of the backups: the years, the drills, and what is being stored. */
const BACKUPS_OWN = /^(\d{4}|drills|verified|canary|wal|base|\.incomplete)$/;

/**
 * A sentence for each folder that is backed up together with the backups, which would grow by themselves forever.
 * @param backupDir BACKUP_DIR, and S3_PREFIX below it
 */
export function swallowProblems(
  sources: readonly Source[],
  { backupDir, prefix }: { backupDir: string | undefined; prefix: string },
): string[] {
  if (backupDir === undefined) return [];
  const backups = resolveLinks(join(resolve(backupDir), prefix));
  return sources.flatMap((source) => {
    if (source.engine !== 'files') return [];
    const { path, variable } = source;
    const folder = resolveLinks(path);
    const [first = ''] = relative(backups, folder).split('/');
    if (isIn(backups, folder))
      return [`${variable}: ${path} holds BACKUP_DIR (${backupDir}): backups would hold all backups before them`];
    if (isIn(folder, backups) && BACKUPS_OWN.test(first))
      return [
        `${variable}: ${path} is a folder of BACKUP_DIR (${backupDir}): backups would hold all backups before them`,
      ];
    return [];
  });
}

function isIn(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

/** The path as the system sees it, also of what is not there yet. */
function resolveLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path === '/' ? path : join(resolveLinks(dirname(path)), basename(path));
  }
}
