#!/usr/bin/env tsx
import { PRIMARY } from './lib/copy/stores.ts';
import { readTogether } from './lib/copy/together.ts';
import { sourceFilter } from './lib/engines/sources.ts';
import { EXIT } from './lib/errors.ts';
import type { Backup } from './lib/repository/catalog.ts';
import { storedOrder } from './lib/repository/keys-of.ts';
import { timeOf } from './lib/restore/request.ts';
import { printJson } from './lib/terminal/log.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
list  [--source NAME] [--from COPY] [--as-of TIME] [--pitr] [--json]

Lists the backups in all stores, the newest first, and in which of them each one lies; below them,
where a server's log is stored, which moments can be restored (PITR), its bases and its marks.

  --source NAME   those of one source
  --from NAME     those in this copy (COPY_<NAME>), or in primary, alone
  --as-of TIME    those that a bucket that keeps versions had at this time (ISO 8601)
  --pitr          only the moments; with --json one document: {servers: [{server, bases, recoverable, gaps, marks}]}
  --json          one JSON document: [{key, source, database, engine, kind, createdAt, sizeBytes, manifest, held, stores}]

Exit codes: 0 done, 1 the storage could not be read, 2 wrong usage or configuration.`;

await verb({
  help,
  options: {
    source: { type: 'string' },
    from: { type: 'string' },
    'as-of': { type: 'string' },
    pitr: { type: 'boolean' },
  },
  allowPositionals: false,
  request: ({ options }) => ({
    source: options.source,
    isPitr: options.pitr === true,
    readFrom: {
      from: options.from?.toLowerCase(),
      asOf: options['as-of'] === undefined ? undefined : timeOf(options['as-of'], '--as-of'),
    },
  }),
  run: async ({ config, repository, stores, json, signal }, { source, isPitr, readFrom }) => {
    const { from } = readFrom;
    const isOfLogs = isPitr || (!json && source === undefined && config.servers.length > 0);
    const logs = isOfLogs ? await (await import('./lib/log/server-log.ts')).logsIn(repository, signal) : [];
    const { pitrRow, printPitr } = await import('./lib/list/pitr.ts');
    if (isPitr) {
      if (json) printJson({ servers: logs.map(pitrRow) });
      else printPitr(logs);
      return EXIT.done;
    }
    const opened = await stores(from === undefined || from === PRIMARY ? [] : [from]);
    const together = readTogether(opened, readFrom);
    const all = await together.backups(signal);
    const isMeant = sourceFilter(source, config.sources, all);
    const backups = all.filter((backup) => isMeant(backup.source));
    // what measures the width of text takes a third of this verb's start
    const { printTable, row } = await import('./lib/list/text.ts');
    const only = from ?? PRIMARY;
    const rows = backups.map((backup) => {
      const holders = together.holders(lastKeyOf(backup));
      return row(backup, config, holders.length === 0 ? [only] : holders);
    });
    if (json) printJson(rows);
    else {
      const why = new Map<string, string | undefined>();
      for (const backup of backups) if (backup.isHeld) why.set(backup.key, await together.whyHeld(backup, signal));
      printTable(backups, { where: together.description, rows, why, hasCopies: config.copies.length > 0 });
      printPitr(logs);
    }
    return EXIT.done;
  },
});

/** The object that says that a backup is whole: a store that has it has the backup. */
function lastKeyOf(backup: Backup): string {
  return storedOrder(backup).at(-1) ?? backup.key;
}
