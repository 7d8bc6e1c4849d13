import type { Report } from '../notify/reporting.ts';
import { formatBytes, formatDuration } from '../quantities.ts';
import { command } from '../terminal/hints.ts';
import { print } from '../terminal/log.ts';
import type { CopyResult } from './copy.ts';

/** What to tell people of a run. */
export function reportOf(results: readonly CopyResult[]): Report {
  const items = results.map((result) => ({
    source: result.name,
    what: sentence(result),
    ...(result.ok
      ? {}
      : { next: `${command('copy')} goes on where it stopped; ${command('status')} shows how each copy stands.` }),
  }));
  return { outcome: results.every(({ ok }) => ok) ? 'success' : 'failure', items };
}

/** Prints what came of each copy. */
export function printResults(results: readonly CopyResult[]): void {
  for (const result of results) print(`${result.name}: ${sentence(result)}`);
}

function sentence({ copied, copiedBytes, missing, failed, differing, durationMs, isAway, error }: CopyResult): string {
  if (isAway) return `away, and late: ${error}`;
  if (error !== undefined) return error;
  const done =
    copied.length === 0
      ? 'nothing to copy'
      : `${copied.length} backups copied, ${formatBytes(copiedBytes)} in ${formatDuration(durationMs)}`;
  const [first] = failed;
  return [
    done,
    ...(missing > 0 ? [`${missing} are missing${first ? `: ${first.key}: ${first.error}` : ''}`] : []),
    ...(differing.length > 0 ? [`of another size than in the primary store: ${differing.join(', ')}`] : []),
  ].join('; ');
}
