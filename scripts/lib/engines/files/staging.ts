import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, OperatorError } from '../../errors.ts';
import { runProgram } from '../../pipeline/chain.ts';
import { stageError } from '../../pipeline/result.ts';
import { log } from '../../terminal/log.ts';
import { type HeldLock, takeFlock } from './swap/flock.ts';
import { besidePath, freeTime, homeOf, listBeside, type Place, type Role } from './swap/place.ts';

/** Another restore has what this one wants. */
export function locked({ live }: Place): OperatorError {
  return new OperatorError('LOCKED', `another restore of ${live} is running`, {
    hint: 'Wait until it has ended. The lock ends with that run.',
  });
}

/** Removes what restores that were killed have left. @throws OperatorError LOCKED when one is not killed but running */
export async function dropLeftovers(place: Place, roles: readonly Role[]): Promise<void> {
  for (const { path, role } of listBeside(place)) {
    if (!roles.includes(role)) continue;
    const lock = await takeFlock(path);
    if (!lock) throw locked(place);
    try {
      await removeTree(path);
    } finally {
      await lock.release();
    }
  }
}

/** Makes the folder that is filled beside the live one, and locks it. @throws OperatorError LOCKED */
export async function makeStaging(place: Place): Promise<{ staging: string; lock: HeldLock }> {
  homeOf(place);
  const staging = besidePath(place, 'restoring', freeTime(place, ['restoring']));
  mkdirSync(staging, { mode: 0o700 });
  const lock = await takeFlock(staging);
  if (!lock) throw locked(place);
  return { staging, lock };
}

/** Removes a folder, whatever the permissions in it and the bytes in its names. */
export async function removeTree(path: string): Promise<void> {
  const remove = () => runProgram({ name: 'rm', command: 'rm', args: ['-rf', '--one-file-system', '--', path] });
  if ((await remove()).exitCode === 0) return;
  // its owner may not remove what is in a folder without the right to write there
  await runProgram({ name: 'chmod', command: 'chmod', args: ['-R', '--', 'u+rwX', path] });
  const result = await remove();
  if (result.exitCode !== 0) throw stageError(result);
}

/** Removes the staging folder, or empties it where it is the operator's own. What cannot be removed is told. */
export async function discard(staging: string, isForeign: boolean): Promise<void> {
  try {
    if (!isForeign) return await removeTree(staging);
    for (const name of readdirSync(staging)) await removeTree(join(staging, name));
  } catch (error) {
    log.warn(
      `${staging} could not be ${isForeign ? 'emptied' : 'removed; the next restore does'}: ${messageOf(error)}`,
    );
  }
}
