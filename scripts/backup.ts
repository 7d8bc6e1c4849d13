#!/usr/bin/env tsx
import { backUp } from './lib/backup/backup.ts';
import { exitCodeOf, reportOf } from './lib/backup/text.ts';
import { OperatorError } from './lib/errors.ts';
import { reported } from './lib/notify/reporting.ts';
import { log, printJson } from './lib/terminal/log.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
backup [source…]  [--scheduled] [--json]

Dumps the sources (all of them, or those named), streams each into the storage and writes its manifest last.
What is backed up and where to: .env (see .env.example).

  --scheduled   without those that have a schedule of their own (BACKUP_SOURCE_<NAME>_SCHEDULE), which a job of
                their own backs up: backup NAME
  --json        one JSON document on standard output: {results: [{source, ok, key, sizeBytes, rawBytes, durationMs}]}

Exit codes: 0 every source was backed up, 1 one or more failed, 2 wrong usage or configuration, 4 another run
holds the lock.`;

await verb({
  help,
  job: 'backup',
  options: { scheduled: { type: 'boolean' } },
  allowPositionals: true,
  isHeavy: true,
  request: ({ options, words }) => {
    if (options.scheduled && words.length > 0)
      throw new OperatorError('USAGE', '--scheduled names the sources itself', { hint: 'Leave one of the two out.' });
    return { names: words, isScheduled: options.scheduled === true };
  },
  run: async ({ config, repository, json, signal }, { names, isScheduled }) => {
    const common = config.sources.filter(({ own }) => own?.schedule === undefined);
    if (isScheduled && common.length === 0) log.info('every source has a schedule of its own: nothing to do here');
    const sources = isScheduled ? common.map(({ name }) => name) : names;
    const results = await reported(
      config.values,
      'backup',
      { pings: true, reportOf: (done) => reportOf(repository, done) },
      async () => (isScheduled && common.length === 0 ? [] : backUp(config, repository, sources, signal)),
    );
    if (json) printJson({ results: results.map(({ cause: _, ...result }) => result) });
    return exitCodeOf(results);
  },
});
