#!/usr/bin/env tsx
import { sourceFilter } from './lib/engines/sources.ts';
import { EXIT } from './lib/errors.ts';
import { printTable, row } from './lib/list/text.ts';
import { printJson } from './lib/terminal/log.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
list  [--source NAME] [--json]

Lists the backups in the storage, the newest first.

  --source NAME   those of one source
  --json          one JSON document: [{key, source, database, engine, kind, createdAt, sizeBytes, manifest}]

Exit codes: 0 done, 1 the storage could not be read, 2 wrong usage or configuration.`;

await verb({
  help,
  options: { source: { type: 'string' } },
  allowPositionals: false,
  request: ({ options }) => options.source,
  run: async ({ config, repository, json, signal }, source) => {
    const all = await repository.backups(signal);
    const isMeant = sourceFilter(source, config.sources, all);
    const backups = all.filter((backup) => isMeant(backup.source));
    if (json) printJson(backups.map((backup) => row(backup, config)));
    else printTable(backups, repository.description);
    return EXIT.done;
  },
});
