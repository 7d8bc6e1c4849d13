import type { NoticeItem } from '../notify/notify.ts';
import type { Report } from '../notify/reporting.ts';
import { formatDuration } from '../quantities.ts';
import { command } from '../terminal/hints.ts';
import { print } from '../terminal/log.ts';
import { padEnd, widest } from '../terminal/table.ts';
import type { DrillResult } from './drill.ts';
import type { UpgradeResult } from './upgrade.ts';

/** The longest part of a table that is shown: the largest tables, and every one that differs. */
const SHOWN_TABLES = 20;

/** What to tell people of the drills. */
export function reportOf(results: readonly DrillResult[]): Report {
  const items = results.map(({ source, ok, key, rpoMs, rtoMs, checks }): NoticeItem => {
    if (ok)
      return { source, what: `${key} restores: RPO ${formatDuration(rpoMs ?? 0)}, RTO ${formatDuration(rtoMs ?? 0)}` };
    const failed = checks.filter((check) => !check.ok).map(({ name, detail }) => `${name}: ${detail}`);
    const next = `Do not rely on this backup: ${command('backup')} now, then ${command('drill')}, and find out what happened to this one.`;
    return { source, what: `${key ?? 'no backup'} does not restore. ${failed.join('; ')}`, next };
  });
  return { outcome: results.every(({ ok }) => ok) ? 'success' : 'failure', items };
}

/** Prints how a backup fared on a newer version, and what is to be done. */
export function printUpgrade(result: UpgradeResult, to: string) {
  printResult({ ...result, record: null });
  print(`  from ${result.from ?? 'a version that is not known'} to ${to}:`);
  for (const line of result.advice) print(`  to do: ${line}`);
}

/** Prints what a drill found, for an operator. */
export function printResult(result: DrillResult) {
  print(`${result.source}: ${result.ok ? 'PASSED' : 'FAILED'}  ${result.key ?? '(no backup)'}`);
  const differs = (table: DrillResult['tables'][number]) =>
    table.expected !== null && table.expected !== table.restored;
  const shown = result.tables
    .toSorted((a, b) => Number(differs(b)) - Number(differs(a)) || (b.restored ?? 0) - (a.restored ?? 0))
    .slice(0, SHOWN_TABLES);
  const width = Math.max(5, widest(shown.map(({ table }) => table)));
  if (shown.length > 0) print(`  ${'table'.padEnd(width)}  ${'expected'.padStart(12)}  ${'restored'.padStart(12)}`);
  for (const table of shown) {
    const [expected, restored] = [table.expected, table.restored].map((rows) => String(rows ?? '–').padStart(12));
    print(`  ${padEnd(table.table, width)}  ${expected}  ${restored}${differs(table) ? '  DIFFERS' : ''}`);
  }
  if (result.tables.length > shown.length) print(`  … and ${result.tables.length - shown.length} more tables`);
  for (const { name, ok, detail } of result.checks) print(`  ${ok ? 'ok    ' : 'FAILED'}  ${name}: ${detail}`);
  for (const { what, why } of result.proof?.notCompared ?? []) print(`  not compared: ${what}: ${why}`);
  if (result.rpoMs !== null) print(`  RPO ${formatDuration(result.rpoMs)} (age of the backup when the drill began)`);
  if (result.rtoMs !== null) print(`  RTO ${formatDuration(result.rtoMs)} (from the first byte to the last check)`);
}
