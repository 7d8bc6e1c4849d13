#!/usr/bin/env tsx
import { type BackupResult, backUp } from './lib/backup/backup.ts';
import { earlierBackups } from './lib/backup/drift-guard.ts';
import { type Config, loadConfig } from './lib/config/config.ts';
import { EXIT, type ExitCode, OperatorError } from './lib/errors.ts';
import { giveWay } from './lib/machine/priority.ts';
import type { NoticeItem } from './lib/notify/notify.ts';
import { type Report, reported } from './lib/notify/reporting.ts';
import { formatBytes } from './lib/quantities.ts';
import { openStorage } from './lib/storages/index.ts';
import type { Storage } from './lib/storages/storage.ts';
import { printJson } from './lib/terminal/log.ts';
import { main } from './lib/terminal/main.ts';

const help = `
backup [source…]  [--json]

Dumps the sources (all of them, or those named), streams each into the storage and writes its manifest last.
What is backed up and where to: .env (see .env.example).

  --json   one JSON document on standard output: {results: [{source, ok, key, sizeBytes, rawBytes, durationMs}]}

Exit codes: 0 every source was backed up, 1 one or more failed, 2 wrong usage or configuration, 4 another run
holds the lock.`;

await main({
  help,
  options: {},
  allowPositionals: true,
  run: async ({ words, json, signal }) => {
    const config = loadConfig();
    giveWay(config.values.BACKUP_NICE);
    const storage = await openStorage(config.storage, config.values.BACKUP_MAX_RATE);
    try {
      const results = await reported(
        config.values,
        'backup',
        { pings: true, reportOf: (done: readonly BackupResult[]) => reportOf(config, storage, done) },
        () => backUp(config, storage, words, signal),
      );
      if (json) printJson({ results: results.map(({ cause: _, ...result }) => result) });
      return exitCodeOf(results);
    } finally {
      storage.close();
    }
  },
});

/** What to tell people: of a failed source since when it has no backup, of a good one what it is unlike. */
async function reportOf(config: Config, storage: Storage, results: readonly BackupResult[]): Promise<Report> {
  const items = await Promise.all(
    results.map(async ({ source, ok, key, sizeBytes, error, warnings = [] }): Promise<NoticeItem[]> => {
      if (ok && warnings.length === 0) return [{ source, what: `backed up: ${key}, ${formatBytes(sizeBytes ?? 0)}` }];
      if (ok) {
        const next = 'Look into the source; make status shows how it stands. The backup itself is whole.';
        return warnings.map((what) => ({ source, what, next }));
      }
      const since = await lastGood(config, storage, source);
      const next = 'make backup, once the cause is mended; make logs-backup shows the whole log.';
      return [{ source, what: error ?? 'failed', next, ...(since === undefined ? {} : { since }) }];
    }),
  );
  const failed = results.some(({ ok }) => !ok);
  const warned = results.some(({ warnings = [] }) => warnings.length > 0);
  return { outcome: failed ? 'failure' : warned ? 'warning' : 'success', items: items.flat() };
}

/** The time of the last good backup, when the storage can be asked. */
async function lastGood(config: Config, storage: Storage, source: string): Promise<Date | undefined> {
  try {
    const earlier = await earlierBackups(
      storage,
      config.prefix,
      { source, before: new Date() },
      AbortSignal.timeout(15_000),
    );
    return earlier[0]?.createdAt;
  } catch {
    return undefined;
  }
}

/** 4 only when nothing could be done for other runs' locks; one source that failed among others is a failure. */
function exitCodeOf(results: readonly BackupResult[]): ExitCode {
  if (results.every(({ ok }) => ok)) return EXIT.done;
  const isLocked = ({ cause }: BackupResult) => cause instanceof OperatorError && cause.exitCode === EXIT.locked;
  return results.every(isLocked) ? EXIT.locked : EXIT.failed;
}
