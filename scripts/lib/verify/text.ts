import type { Report } from '../notify/reporting.ts';
import { formatBytes, formatDuration } from '../quantities.ts';
import { command } from '../terminal/hints.ts';
import { print } from '../terminal/log.ts';
import type { VerifyResult } from './verify.ts';

/** What to tell people of a run. */
export function reportOf(results: readonly VerifyResult[]): Report {
  const items = results.map((result) => ({
    source: result.name,
    what: sentence(result),
    ...(result.ok ? {} : { next: nextStep(result) }),
  }));
  return { outcome: results.every(({ ok }) => ok) ? 'success' : 'failure', items };
}

/** Prints what came of each store. */
export function printResults(results: readonly VerifyResult[]): void {
  for (const result of results) {
    print(`${result.name}: ${result.ok ? 'ok' : 'FAILED'}, ${sentence(result)}`);
    const { protection } = result;
    if (protection) print(`  ${protectionSentence(protection)}`);
  }
}

function sentence({ read, readBytes, durationMs, reasons, error }: VerifyResult): string {
  if (error !== undefined) return error;
  const done = `${read} backups read back, ${formatBytes(readBytes)} in ${formatDuration(durationMs)}`;
  return [done, ...reasons].join('; ');
}

function nextStep({ damaged, name }: VerifyResult): string {
  if (damaged.length > 0)
    return `Restore from another store while this is found out: ${command('restore')} FROM=NAME. ${command('list')} shows which stores have the backup.`;
  return `See docs/copies.md, and ${command('verify')} again once it is mended (${name}).`;
}

/** What was tried on the store, and what came of it. */
export function protectionSentence(protection: NonNullable<VerifyResult['protection']>): string {
  const { isDeletable, isOverwritable, keepsVersions, lock, refusal } = protection;
  if (isDeletable) return 'with these keys everything in it can be deleted for good';
  if (isOverwritable) return 'with these keys everything in it can be overwritten, though not deleted';
  const held = lock ? `locked (${lock.mode}) until ${lock.until}` : `protected: ${refusal}`;
  return `nothing in it can be destroyed with these keys: ${held}${keepsVersions ? '; old versions are kept' : ''}`;
}
