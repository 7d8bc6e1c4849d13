import type { Report } from '../notify/reporting.ts';
import { formatBytes, formatDuration } from '../quantities.ts';
import { command } from '../terminal/hints.ts';
import { print } from '../terminal/log.ts';
import { describeMissing } from './missing.ts';
import type { RestoreResult } from './put-in-place.ts';

/** What to tell people of a restore. */
export function reportOf({
  key,
  database,
  previousDatabase,
  safetyBackup,
  durationMs,
  ungiven,
  missing,
}: RestoreResult): Report {
  const what = `${key} restored into ${database} in ${formatDuration(durationMs)}`;
  if (ungiven.length > 0)
    return { outcome: 'warning', items: [{ source: database, what: `${what}, but it is ${ungiven.join('; ')}` }] };
  if (missing.length > 0)
    return {
      outcome: 'warning',
      items: [{ source: database, what: `${what}, without all of the backup: ${describeMissing(missing)}` }],
    };
  if (previousDatabase === null || safetyBackup !== null)
    return { outcome: 'success', items: [{ source: database, what }] };
  const next = `The replaced database is kept as ${previousDatabase}; ${command('backup')} once the cause in the log is fixed.`;
  return { outcome: 'warning', items: [{ source: database, what: `${what}, but the safety backup failed`, next }] };
}

function contentsOf({ tables, rows, files, fileBytes = 0 }: RestoreResult): string {
  return files === undefined ? `${tables} tables, ${rows} rows` : `${files} files, ${formatBytes(fileBytes)}`;
}

/** Prints what came of a restore, for an operator. */
export function printResult(result: RestoreResult) {
  print(`restored   ${result.key}`);
  print(`into       ${result.database} (${contentsOf(result)}) in ${formatDuration(result.durationMs)}`);
  if (result.moment) {
    print(`last in    ${result.moment.lastIn ?? 'nothing was committed since the base'}`);
    const { firstOut, firstOutXid } = result.moment;
    print(
      `first out  ${firstOut === null ? 'nothing that is stored' : `${firstOut}${firstOutXid === null ? '' : ` (transaction ${firstOutXid})`}`}`,
    );
  }
  for (const sentence of result.missing) print(`without    ${sentence}`);
  if (result.copy && result.copy.length > 0)
    print(`\nThis copies what the live database lacks:\n\n${result.copy.join('\n\n')}`);
  if (result.previousDatabase === null) return;
  print(`replaced   kept as ${result.previousDatabase}`);
  print(`           safety backup ${result.safetyBackup ?? 'FAILED, see above'}`);
  print(`undo       ${command('undo')}`);
}
