#!/usr/bin/env tsx
import { loadConfig } from './lib/config/config.ts';
import { type DrillResult, drill } from './lib/drill/drill.ts';
import { EXIT, OperatorError } from './lib/errors.ts';
import { giveWay } from './lib/machine/priority.ts';
import type { NoticeItem } from './lib/notify/notify.ts';
import { type Report, reported } from './lib/notify/reporting.ts';
import { formatDuration } from './lib/quantities.ts';
import { openStorage } from './lib/storages/index.ts';
import { print, printJson } from './lib/terminal/log.ts';
import { main } from './lib/terminal/main.ts';

const help = `
drill [KEY|latest]  [--source NAME] [--json]

Rehearses a restore: the latest backup of each source (or KEY) is restored on a throwaway server that nobody else can
reach, and proved: digest, completeness, row counts, sequences, constraints, indexes, extensions, and the queries in
DRILL_CHECKS. Says how old the backup was (RPO) and how long it took (RTO), and keeps a record for status. The live
databases are not touched.

  --source NAME   the latest backup of one source
  --json          one JSON document: {ok, results: [{key, source, ok, rpoMs, rtoMs, tables, checks}]}

Exit codes: 0 every drill passed, 1 one or more failed, 2 wrong usage or configuration, 4 another drill runs here.`;

/** The longest part of a table that is shown: the largest tables, and every one that differs. */
const SHOWN_TABLES = 20;

await main({
  help,
  options: { source: { type: 'string' } },
  allowPositionals: true,
  run: async ({ options, words, json, signal }) => {
    const [wanted, ...others] = words;
    if (others.length > 0) throw new OperatorError('USAGE', `one backup at a time: ${words.join(' ')}`);
    const config = loadConfig();
    giveWay(config.values.BACKUP_NICE);
    const storage = await openStorage(config.storage, config.values.BACKUP_MAX_RATE);
    try {
      const request = {
        ...(wanted === undefined || wanted === '' ? {} : { wanted }),
        ...(options.source === undefined ? {} : { source: options.source }),
      };
      const results = await reported(config.values, 'drill', { reportOf }, () =>
        drill(config, storage, request, signal),
      );
      const ok = results.every((result) => result.ok);
      if (json) printJson({ ok, results });
      else results.forEach(printResult);
      return ok ? EXIT.done : EXIT.failed;
    } finally {
      storage.close();
    }
  },
});

function reportOf(results: readonly DrillResult[]): Report {
  const items = results.map(({ source, ok, key, rpoMs, rtoMs, checks }): NoticeItem => {
    if (ok)
      return { source, what: `${key} restores: RPO ${formatDuration(rpoMs ?? 0)}, RTO ${formatDuration(rtoMs ?? 0)}` };
    const failed = checks.filter((check) => !check.ok).map(({ name, detail }) => `${name}: ${detail}`);
    const next = 'Treat it as no backup: make backup now, then make drill, and find out what happened to this one.';
    return { source, what: `${key ?? 'no backup'} does not restore. ${failed.join('; ')}`, next };
  });
  return { outcome: results.every(({ ok }) => ok) ? 'success' : 'failure', items };
}

function printResult(result: DrillResult) {
  print(`${result.source}: ${result.ok ? 'PASSED' : 'FAILED'}  ${result.key ?? '(no backup)'}`);
  const differs = (table: DrillResult['tables'][number]) =>
    table.expected !== null && table.expected !== table.restored;
  const shown = result.tables
    .toSorted((a, b) => Number(differs(b)) - Number(differs(a)) || (b.restored ?? 0) - (a.restored ?? 0))
    .slice(0, SHOWN_TABLES);
  const width = Math.max(5, ...shown.map(({ table }) => table.length));
  if (shown.length > 0) print(`  ${'table'.padEnd(width)}  ${'expected'.padStart(12)}  ${'restored'.padStart(12)}`);
  for (const table of shown) {
    const [expected, restored] = [table.expected, table.restored].map((rows) => String(rows ?? '–').padStart(12));
    print(`  ${table.table.padEnd(width)}  ${expected}  ${restored}${differs(table) ? '  DIFFERS' : ''}`);
  }
  if (result.tables.length > shown.length) print(`  … and ${result.tables.length - shown.length} more tables`);
  for (const { name, ok, detail } of result.checks) print(`  ${ok ? 'ok    ' : 'FAILED'}  ${name}: ${detail}`);
  if (result.rpoMs !== null) print(`  RPO ${formatDuration(result.rpoMs)} (age of the backup when the drill began)`);
  if (result.rtoMs !== null) print(`  RTO ${formatDuration(result.rtoMs)} (from the first byte to the last check)`);
}
