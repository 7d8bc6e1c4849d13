#!/usr/bin/env tsx
import { EXIT } from './lib/errors.ts';
import { printJson } from './lib/terminal/log.ts';
import { timeOf } from './lib/terminal/read-time.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
list  [--source NAME] [--from COPY] [--as-of TIME] [--left-out] [--pitr] [--json]

Lists the backups in all stores, the newest first, and in which of them each one lies; below them,
where a server's log is stored, which moments can be restored (PITR), its bases and its marks.

  --source NAME   those of one source
  --from NAME     those in this copy (COPY_<NAME>), or in primary, alone
  --as-of TIME    those that a bucket that keeps versions had at this time (ISO 8601)
  --left-out      read every manifest, to say what was left out of which backup; without it only those of sources that leave
                  something out now are read
  --pitr          only the moments; with --json one document: {servers: [{server, bases, recoverable, gaps, marks}]}
  --json          one JSON document: [{key, source, database, engine, kind, createdAt, sizeBytes, manifest, held, stores, leftOut}]

Exit codes: 0 done, 1 the storage could not be read, 2 wrong usage or configuration.`;

await verb({
  help,
  options: {
    source: { type: 'string' },
    from: { type: 'string' },
    'as-of': { type: 'string' },
    'left-out': { type: 'boolean' },
    pitr: { type: 'boolean' },
  },
  allowPositionals: false,
  request: ({ options }) => ({
    source: options.source,
    isPitr: options.pitr === true,
    leftOut: options['left-out'] === true,
    readFrom: {
      from: options.from?.toLowerCase(),
      asOf: options['as-of'] === undefined ? undefined : timeOf(options['as-of'], '--as-of'),
    },
  }),
  run: async ({ config, repository, storesFrom, json, signal }, { source, isPitr, leftOut, readFrom }) => {
    const stores = await storesFrom(readFrom.from);
    const isElsewhere = readFrom.from !== undefined || readFrom.asOf !== undefined;
    // each is loaded when it is wanted: this verb is run more often than any other
    const isOfLogs = isPitr || (!json && source === undefined && config.servers.length > 0);
    const read = async () => {
      const { logsIn } = await import('./lib/log/server-log.ts');
      // of a copy, or of another time, the moments are others
      if (!isElsewhere) return logsIn(repository, signal);
      const { readTogether } = await import('./lib/copy/together.ts');
      return logsIn(readTogether(stores, readFrom), signal);
    };
    const { pitrRow, printPitr } = await import('./lib/list/pitr.ts');
    if (isPitr) {
      const logs = await read();
      if (json) printJson({ servers: logs.map(pitrRow) });
      else printPitr(logs);
      return EXIT.done;
    }
    const { listBackups } = await import('./lib/list/list.ts');
    const listed = await listBackups(config, stores, { source, readFrom, leftOut }, signal);
    const logs = isOfLogs ? await read() : [];
    if (json) printJson(listed.rows());
    else {
      // what measures the width of text takes a third of this verb's start
      const { printTable } = await import('./lib/list/text.ts');
      printTable(listed.backups, { ...listed, why: await listed.whyHeld(), hasCopies: config.copies.length > 0 });
      printPitr(logs);
    }
    return EXIT.done;
  },
});
