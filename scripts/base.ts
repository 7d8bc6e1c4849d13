#!/usr/bin/env tsx
import { baseAll, reportOf } from './lib/base/all.ts';
import { EXIT } from './lib/errors.ts';
import { reported } from './lib/notify/reporting.ts';
import { print, printJson } from './lib/terminal/log.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
base [server…]  [--json]

Takes a base of each server whose log is taken (PITR in .env), or of those named: all of its files, streamed into the storage
with no local disk. A base and the log since then restore any moment after it. The schedule takes one by BASE_SCHEDULE, and the
receiver one for each chain that it begins.

  --json   one JSON document: {results: [{server, ok, key, chain, startLsn, endLsn, startedAt, endedAt, sizeBytes, rawBytes, durationMs}]}

Exit codes: 0 done, or no server's log is taken, 1 one or more failed, 2 wrong usage or configuration, 4 another base of it is
being taken.`;

await verb({
  help,
  job: 'base',
  options: {},
  allowPositionals: true,
  isHeavy: true,
  request: ({ words }) => words,
  run: async ({ config, repository, json, signal }, names) => {
    if (config.servers.length === 0 && names.length === 0) {
      if (json) printJson({ results: [] });
      else print("no server's log is taken: PITR is off");
      return EXIT.done;
    }
    const results = await reported(config.values, 'base', { reportOf }, () =>
      baseAll(config, repository, names, signal),
    );
    if (json) printJson({ results: results.map(({ isLocked: _, ...result }) => result) });
    if (results.every(({ ok }) => ok)) return EXIT.done;
    return results.every(({ isLocked }) => isLocked) ? EXIT.locked : EXIT.failed;
  },
});
