#!/usr/bin/env tsx
import { loadConfig } from './lib/config/config.ts';
import { EXIT, OperatorError } from './lib/errors.ts';
import { readHealth } from './lib/status/health.ts';
import { readStatus } from './lib/status/status.ts';
import { statusMetrics, statusTable } from './lib/status/text.ts';
import { openStorage } from './lib/storages/index.ts';
import { print, printJson } from './lib/terminal/log.ts';
import { main } from './lib/terminal/main.ts';

const help = `
status  [--json | --prometheus | --health]

Per source: the age of the last backup against RPO_TARGET, its size against the ones before, tables that vanished or
emptied, the last drill against DRILL_MAX_AGE and RTO_TARGET, bytes stored, the next run, and what restores have put
aside.

  --json         one JSON document: {ok, sources: [{source, ok, reasons, lastBackup, lastDrill, rpoMs, rtoMs, …}]}
  --prometheus   Prometheus' text format, for the textfile collector or a scrape through a web server
  --health       only whether every source has a backup younger than RPO_TARGET: cheap, for a container's health check

Exit codes: 0 all is well, 1 the storage could not be read, 2 wrong usage or configuration, 3 something is stale or
failing.`;

await main({
  help,
  options: { prometheus: { type: 'boolean' }, health: { type: 'boolean' } },
  allowPositionals: false,
  run: async ({ options, json, signal }) => {
    if ([json, options.prometheus, options.health].filter(Boolean).length > 1) {
      throw new OperatorError('USAGE', '--json, --prometheus and --health exclude each other');
    }
    const config = loadConfig();
    const storage = await openStorage(config.storage);
    try {
      if (options.health) {
        const reasons = await readHealth(config, storage, new Date(), signal);
        for (const reason of reasons) print(reason);
        return reasons.length === 0 ? EXIT.done : EXIT.stale;
      }
      const status = await readStatus(config, storage, new Date(), signal);
      if (json) printJson(status);
      else print(options.prometheus ? statusMetrics(status) : statusTable(status));
      return status.ok ? EXIT.done : EXIT.stale;
    } finally {
      storage.close();
    }
  },
});
