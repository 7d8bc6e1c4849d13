#!/usr/bin/env tsx
import { assertDeleted, type CleanupResult, cleanUp } from './lib/cleanup/cleanup.ts';
import { loadConfig } from './lib/config/config.ts';
import { withTimeout } from './lib/deadline.ts';
import { EXIT } from './lib/errors.ts';
import { withLocalNote } from './lib/machine/local-lock.ts';
import { CLEANUP_NOTE, drillDirectory } from './lib/machine/run-notes.ts';
import { type Report, reported } from './lib/notify/reporting.ts';
import { type Backup, keysOf } from './lib/repository/catalog.ts';
import type { RetentionDecision } from './lib/repository/retention.ts';
import { openStorage } from './lib/storages/index.ts';
import type { RemoveFailure } from './lib/storages/storage.ts';
import { print, printJson } from './lib/terminal/log.ts';
import { main } from './lib/terminal/main.ts';

const help = `
cleanup  [--dry-run] [--json]

Deletes the backups that the retention policy (RETENTION_*) keeps no longer, each source by itself, and says why
each one is kept or goes. Drops the databases that restores put aside RESTORE_PROTECT_DAYS ago.

  --dry-run   say what would be deleted, delete nothing (also: RETENTION_DRY_RUN=true)
  --json      one JSON document: {dryRun, keep: [{key, source, createdAt, reasons}], remove: […]}

Exit codes: 0 done, 1 something could not be deleted, 2 wrong usage or configuration.`;

await main({
  help,
  options: { 'dry-run': { type: 'boolean' } },
  allowPositionals: false,
  run: async ({ options, json, signal }) => {
    const config = loadConfig();
    const storage = await openStorage(config.storage, config.values.BACKUP_MAX_RATE);
    try {
      const dryRun = options['dry-run'] === true || config.values.RETENTION_DRY_RUN;
      const limit = { variable: 'BACKUP_TIMEOUT', ms: config.values.BACKUP_TIMEOUT };
      const run = () =>
        withTimeout(signal, limit, 'the cleanup', (limited) =>
          cleanUp(config, storage, { dryRun, now: new Date() }, limited),
        );
      const seen = () => withLocalNote(drillDirectory(config.values.DRILL_DIR), CLEANUP_NOTE, run);
      // nobody wants to hear of a look
      const { plan, failures, databases } = dryRun
        ? await run()
        : await reported(config.values, 'cleanup', { reportOf }, seen);
      if (json)
        printJson({ dryRun, keep: plan.keep.map(row), remove: plan.remove.map(row), failed: failures, databases });
      else printPlan(plan.keep, plan.remove, failures, databases, dryRun);
      assertDeleted(failures);
      return EXIT.done;
    } finally {
      storage.close();
    }
  },
});

function reportOf({ plan, failures }: CleanupResult): Report {
  const unlocked = failures.filter(({ isLocked }) => !isLocked);
  const [first] = unlocked;
  if (!first) {
    const locked = failures.length === 0 ? '' : `, but for ${failures.length} objects that the store has locked`;
    const what = `${plan.remove.length} backups deleted${locked}, ${plan.keep.length} kept`;
    return { outcome: 'success', items: [{ source: 'all', what }] };
  }
  const what = `${unlocked.length} objects could not be deleted, the first is ${first.key}: ${first.reason}`;
  return {
    outcome: 'failure',
    items: [{ source: 'all', what, next: 'Check that the credentials may delete; then make cleanup.' }],
  };
}

function row({ backup, reasons }: RetentionDecision<Backup>) {
  return { key: backup.key, source: backup.source, createdAt: backup.createdAt.toISOString(), reasons };
}

function printPlan(
  keep: readonly RetentionDecision<Backup>[],
  remove: readonly RetentionDecision<Backup>[],
  failures: readonly RemoveFailure[],
  databases: readonly { name: string; since: string }[],
  dryRun: boolean,
) {
  for (const { backup, reasons } of keep) print(`keep    ${backup.key}  (${reasons.join(', ')})`);
  const undeleted = new Map(failures.map(({ key, reason }) => [key, reason]));
  const stayed = remove.filter(({ backup }) =>
    keysOf(backup)
      .flat()
      .some((key) => undeleted.has(key)),
  );
  for (const { backup, reasons } of remove) {
    const why = keysOf(backup)
      .flat()
      .flatMap((key) => undeleted.get(key) ?? [])[0];
    if (why !== undefined) print(`NOT deleted  ${backup.key}  (${why})`);
    else print(`${dryRun ? 'would delete' : 'deleted'}  ${backup.key}  (${reasons.join(', ')})`);
  }
  for (const { name, since } of databases)
    print(`${dryRun ? 'would drop' : 'dropped'}  database ${name}  (put aside ${since})`);
  print(
    `${keep.length} kept, ${remove.length - stayed.length} ${dryRun ? 'would be deleted (dry run: nothing was)' : 'deleted'}${stayed.length > 0 ? `, ${stayed.length} NOT deleted` : ''}`,
  );
}
