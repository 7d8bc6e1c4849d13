import { EXIT, type ExitCode, OperatorError } from '../errors.ts';
import type { NoticeItem } from '../notify/notify.ts';
import type { Report } from '../notify/reporting.ts';
import { formatBytes } from '../quantities.ts';
import type { Repository } from '../repository/repository.ts';
import { command } from '../terminal/hints.ts';
import type { BackupResult } from './backup.ts';

/** A monitor that waits for word of a failure waits no longer than this for the time of the last good backup. */
const LAST_GOOD_WITHIN_MS = 15_000;

/** What to tell people: of a failed source since when it has no backup, of a good one what it is unlike. */
export async function reportOf(repository: Repository, results: readonly BackupResult[]): Promise<Report> {
  const items = await Promise.all(
    results.map(async ({ source, ok, key, sizeBytes, error, warnings = [] }): Promise<NoticeItem[]> => {
      if (ok && warnings.length === 0) return [{ source, what: `backed up: ${key}, ${formatBytes(sizeBytes ?? 0)}` }];
      if (ok) {
        const next = `Check the source; ${command('status')} shows its state. The backup itself is complete.`;
        return warnings.map((what) => ({ source, what, next }));
      }
      const since = await lastGood(repository, source);
      const next = `${command('backup')}, once the cause is fixed; ${command('logs')} shows the whole log.`;
      return [{ source, what: error ?? 'failed', next, ...(since === undefined ? {} : { since }) }];
    }),
  );
  const failed = results.some(({ ok }) => !ok);
  const warned = results.some(({ warnings = [] }) => warnings.length > 0);
  return { outcome: failed ? 'failure' : warned ? 'warning' : 'success', items: items.flat() };
}

/** The time of the last good backup, when the repository can be asked. */
async function lastGood(repository: Repository, source: string): Promise<Date | undefined> {
  try {
    const earlier = await repository.recent({ source, before: new Date() }, AbortSignal.timeout(LAST_GOOD_WITHIN_MS));
    return earlier[0]?.createdAt;
  } catch {
    return undefined;
  }
}

/** 4 only when nothing could be done for other runs' locks; one source that failed among others is a failure. */
export function exitCodeOf(results: readonly BackupResult[]): ExitCode {
  if (results.every(({ ok }) => ok)) return EXIT.done;
  const isLocked = ({ cause }: BackupResult) => cause instanceof OperatorError && cause.exitCode === EXIT.locked;
  return results.every(isLocked) ? EXIT.locked : EXIT.failed;
}
