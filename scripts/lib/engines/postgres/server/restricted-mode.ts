import { randomBytes } from 'node:crypto';
import { OperatorError } from '../../../errors.ts';
import { command } from '../../../terminal/hints.ts';
import { log } from '../../../terminal/log.ts';
import { type Program, programFor } from './programs.ts';

/**
 * The minor releases that brought `\\restrict` to psql, in answer to CVE-2025-8714: a dump could hold commands for psql,
 * and those could be the shell's.
 */
const SINCE_MINOR: Readonly<Record<number, number>> = { 13: 22, 14: 19, 15: 14, 16: 10, 17: 6 };

/** Whether this psql has a restricted mode. */
export function hasRestrictedMode({ major, version }: Program): boolean {
  const minor = Number(version.split('.')[1] ?? 0);
  return major > 17 || minor >= (SINCE_MINOR[major] ?? Number.POSITIVE_INFINITY);
}

/**
 * A token that nobody can guess, for psql's restricted mode; undefined for a psql without one.
 *
 * @param isVouchedFor the backup has a manifest with its digest: it is what was stored, though perhaps not by us
 * @throws OperatorError RESTORE_REFUSED for a dump that nothing vouches for and a psql that would run its commands
 */
export async function restrictionFor(serverVersionNum: number, isVouchedFor: boolean): Promise<string | undefined> {
  const psql = await programFor('psql', serverVersionNum);
  if (hasRestrictedMode(psql)) return randomBytes(16).toString('hex');
  if (!isVouchedFor) {
    throw new OperatorError(
      'RESTORE_REFUSED',
      `the backup has no manifest that vouches for it, and psql ${psql.version} would run commands that somebody put into it`,
      { hint: `Update the PostgreSQL client to its newest minor release (${command('up')} rebuilds the image).` },
    );
  }
  log.warn(`psql ${psql.version} has no restricted mode: update it, so that no dump can hold commands for it`);
  return undefined;
}
