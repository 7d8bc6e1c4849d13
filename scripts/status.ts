#!/usr/bin/env tsx
import { EXIT, OperatorError } from './lib/errors.ts';
import { print, printJson } from './lib/terminal/log.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
status  [--json | --prometheus | --health]

Per source: the age of the last backup against RPO_TARGET, its size against the ones before, tables that vanished or
emptied, the last drill against DRILL_MAX_AGE and RTO_TARGET, bytes stored, the next run, and what restores
have kept. Of each copy (COPY_<NAME>): how far it is behind, what it lacks, when it was last read back, and whether these keys
could delete it. In the backup container also: scheduled jobs that were not started when they were due.

  --json         one JSON document: {ok, sources: [{source, ok, reasons, lastBackup, lastDrill, rpoMs, rtoMs, …}],
                 primary, copies: [{name, lastBackup, lagMs, missing, unreadable, lastVerified, lastDrill, lock, …}], protection}
  --prometheus   Prometheus' text format, for the textfile collector or a scrape through a web server
  --health       only whether every source has a backup younger than RPO_TARGET, and every scheduled job was started:
                 cheap, for a container's health check

Exit codes: 0 all is well, 1 the storage could not be read, 2 wrong usage or configuration, 3 something is stale or
failing.`;

await verb({
  help,
  options: { prometheus: { type: 'boolean' }, health: { type: 'boolean' } },
  allowPositionals: false,
  request: ({ options: { prometheus, health }, json }) => {
    if ([json, prometheus, health].filter(Boolean).length > 1) {
      throw new OperatorError('USAGE', '--json, --prometheus and --health exclude each other');
    }
    return { prometheus, health };
  },
  run: async ({ config, repository, stores, json, signal }, { prometheus, health }) => {
    // each is loaded when it is wanted: --health is run every minute
    if (health) {
      const { readHealth } = await import('./lib/status/health.ts');
      const reasons = await readHealth(config, repository, new Date(), signal);
      for (const reason of reasons) print(reason);
      return reasons.length === 0 ? EXIT.done : EXIT.stale;
    }
    const { readStatus } = await import('./lib/status/status.ts');
    const status = await readStatus(config, await stores(), new Date(), signal);
    if (json) printJson(status);
    else if (prometheus) print((await import('./lib/status/metrics.ts')).statusMetrics(status));
    else {
      const { statusTable } = await import('./lib/status/table.ts');
      print(statusTable(status));
    }
    return status.ok ? EXIT.done : EXIT.stale;
  },
});
