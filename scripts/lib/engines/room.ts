import { statfs } from 'node:fs/promises';
import { messageOf, OperatorError } from '../errors.ts';
import { formatBytes } from '../quantities.ts';
import type { Manifest } from '../repository/manifest.ts';
import { command } from '../terminal/hints.ts';

/**
 * Refuses a rehearsal for which the disk is too small, before anything is started.
 * @throws OperatorError NO_SPACE with both figures, or CONFIG when the folder cannot be used
 */
export async function assertDrillRoom(
  { directory, manifest, storedBytes }: { directory: string; manifest: Manifest | undefined; storedBytes: number },
  { roomFactor, unpackedFactor, serverBytes }: { roomFactor: number; unpackedFactor: number; serverBytes: number },
): Promise<void> {
  const { bavail, bsize } = await statfs(directory).catch((error: unknown) => {
    throw new OperatorError('CONFIG', `DRILL_DIR ${directory} cannot be used: ${messageOf(error)}`);
  });
  const freeBytes = bavail * bsize;
  const databaseBytes = manifest?.databaseBytes ?? storedBytes * unpackedFactor;
  const neededBytes = Math.ceil(databaseBytes * roomFactor) + serverBytes;
  if (freeBytes >= neededBytes) return;
  throw new OperatorError(
    'NO_SPACE',
    `${directory} has ${formatBytes(freeBytes)} free; rehearsing this restore needs about ${formatBytes(neededBytes)}`,
    { hint: 'Point DRILL_DIR at a folder with more room, or free some. Nothing was started.' },
  );
}

/**
 * @param freeBytes on the database server's disk; not a number where it could not be asked
 * @throws OperatorError NO_SPACE
 */
export function assertServerRoom(freeBytes: number, neededBytes: number): void {
  if (!Number.isFinite(freeBytes) || freeBytes >= neededBytes) return;
  throw new OperatorError(
    'NO_SPACE',
    `the database server has ${formatBytes(freeBytes)} of disk free; restoring beside the live database needs about ${formatBytes(neededBytes)}`,
    {
      hint: `Free some (${command('status')} shows what earlier restores keep), or restore on another server. Nothing was touched.`,
    },
  );
}
