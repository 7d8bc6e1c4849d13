import { createHash } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Where drills have their throwaway servers, and runs what shows `status` that they are under way.
 * @param configured DRILL_DIR
 */
export function drillDirectory(configured: string | undefined): string {
  return configured ?? tmpdir();
}

/** The lock that is held while a source's backup is rehearsed: `status` sees by it which one, and since when. */
export function rehearsalLock(source: string): string {
  return `drill-${short(source)}`;
}

/** What a restore beside the live database notes here, since the lock of that name is nothing that `status` can know. */
export function restoreNote(source: string): string {
  return `restore-${short(source)}`;
}

/** What a cleanup notes here. It is about every source. */
export const CLEANUP_NOTE = 'cleanup';

/** The path of a socket may have no more than 107 bytes, a source's name more than that. */
function short(source: string): string {
  return createHash('sha256').update(source).digest('hex').slice(0, 8);
}

/** Removes the locks that rehearsals which were killed have left. Nobody else may be drilling there. */
export function removeLeftoverLocks(directory: string): void {
  for (const name of readdirSync(directory).filter((each) => /^drill-[0-9a-f]{8}\.sock$/.test(each)))
    rmSync(join(directory, name), { force: true });
}
