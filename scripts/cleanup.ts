#!/usr/bin/env tsx
import { assertDeleted, cleanUp } from './lib/cleanup/cleanup.ts';
import { copyRow, printCopy, printPicked, printPlan, reportOf, rows } from './lib/cleanup/text.ts';
import { withTimeout } from './lib/deadline.ts';
import { EXIT } from './lib/errors.ts';
import { withLocalNote } from './lib/machine/local-lock.ts';
import { CLEANUP_NOTE, drillDirectory } from './lib/machine/run-notes.ts';
import { reported } from './lib/notify/reporting.ts';
import { printJson } from './lib/terminal/log.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
cleanup  [--source NAME] [--dry-run] [--json]
cleanup --picked  [--source NAME] [--dry-run] [--json]

Deletes the backups that the retention policy (RETENTION_*) no longer keeps, each source separately, and says why
each one is kept or deleted, and the bases and log that no moment of PITR_WINDOW needs. Each copy (COPY_<NAME>) is cleaned up by its own rules. Drops the databases that restores replaced, or picked out of backups,
more than RESTORE_PROTECT_DAYS ago.

  --source NAME   only what is of one source
  --picked        only what restores have picked out (restore --table, --path), whatever its age; no backup is deleted
  --dry-run       say what would be deleted, delete nothing (also: RETENTION_DRY_RUN=true)
  --json          one JSON document: {dryRun, keep: [{key, source, createdAt, reasons}], remove: […], copies: [{name, keep, remove, failed}]}

Exit codes: 0 done, 1 something could not be deleted, 2 wrong usage or configuration.`;

await verb({
  help,
  job: 'cleanup',
  options: { source: { type: 'string' }, 'dry-run': { type: 'boolean' }, picked: { type: 'boolean' } },
  allowPositionals: false,
  request: ({ options }) => ({
    isDryRun: options['dry-run'] === true,
    source: options.source,
    isPicked: options.picked === true,
  }),
  run: async ({ config, stores, json, signal }, { isDryRun, source, isPicked }) => {
    if (isPicked) {
      const { dropPicked } = await import('./lib/cleanup/picked.ts');
      const dryRun = isDryRun || config.values.RETENTION_DRY_RUN;
      const databases = await withTimeout(signal, config.limits.backup, 'the cleanup', (limited) =>
        dropPicked(config, { source, dryRun }, limited),
      );
      if (json) printJson({ dryRun, databases });
      else printPicked(databases, dryRun);
      return EXIT.done;
    }
    const opened = await stores();
    const dryRun = isDryRun || config.values.RETENTION_DRY_RUN;
    const run = () =>
      withTimeout(signal, config.limits.backup, 'the cleanup', (limited) =>
        cleanUp(config, opened, { dryRun, now: new Date(), ...(source === undefined ? {} : { source }) }, limited),
      );
    const seen = () => withLocalNote(drillDirectory(config.values.DRILL_DIR), CLEANUP_NOTE, run);
    // a dry run notifies nobody
    const { plan, failures, databases, copies, logs } = dryRun
      ? await run()
      : await reported(config.values, 'cleanup', { reportOf }, seen);
    if (json) {
      printJson({
        ...{ dryRun, keep: rows(plan.keep), remove: rows(plan.remove), failed: failures, databases },
        copies: copies.map(copyRow),
        logs,
      });
    } else {
      printPlan(plan.keep, plan.remove, failures, databases, dryRun);
      for (const copy of copies) printCopy(copy, dryRun);
    }
    assertDeleted([...failures, ...copies.flatMap((copy) => copy.failures)]);
    return copies.every(({ ok }) => ok) ? EXIT.done : EXIT.failed;
  },
});
