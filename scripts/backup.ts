#!/usr/bin/env tsx
import { backUp } from './lib/backup/backup.ts';
import { exitCodeOf, reportOf } from './lib/backup/text.ts';
import { reported } from './lib/notify/reporting.ts';
import { printJson } from './lib/terminal/log.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
backup [source…]  [--json]

Dumps the sources (all of them, or those named), streams each into the storage and writes its manifest last.
What is backed up and where to: .env (see .env.example).

  --json   one JSON document on standard output: {results: [{source, ok, key, sizeBytes, rawBytes, durationMs}]}

Exit codes: 0 every source was backed up, 1 one or more failed, 2 wrong usage or configuration, 4 another run
holds the lock.`;

await verb({
  help,
  job: 'backup',
  options: {},
  allowPositionals: true,
  isHeavy: true,
  request: ({ words }) => words,
  run: async ({ config, repository, json, signal }, sources) => {
    const results = await reported(
      config.values,
      'backup',
      { pings: true, reportOf: (done) => reportOf(repository, done) },
      () => backUp(config, repository, sources, signal),
    );
    if (json) printJson({ results: results.map(({ cause: _, ...result }) => result) });
    return exitCodeOf(results);
  },
});
