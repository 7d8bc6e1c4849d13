#!/usr/bin/env tsx
import { drill } from './lib/drill/drill.ts';
import { printResult, reportOf } from './lib/drill/text.ts';
import { EXIT, OperatorError } from './lib/errors.ts';
import { reported } from './lib/notify/reporting.ts';
import { printJson } from './lib/terminal/log.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
drill [KEY|latest]  [--source NAME] [--json]

Rehearses a restore: the latest backup of each source (or KEY) is restored on a throwaway server that nobody else can
reach, and proved: digest, every row and definition against those that were dumped, constraints, indexes, and the queries in
DRILL_CHECKS. Says how old the backup was (RPO) and how long it took (RTO), and keeps a record for status. The live
databases are not touched.

  --source NAME   the latest backup of one source
  --json          one JSON document: {ok, results: [{key, source, ok, rpoMs, rtoMs, tables, checks}]}

Exit codes: 0 every drill passed, 1 one or more failed, 2 wrong usage or configuration, 4 another drill runs here.`;

await verb({
  help,
  job: 'drill',
  options: { source: { type: 'string' } },
  allowPositionals: true,
  isHeavy: true,
  request: ({ options, words }) => {
    const [wanted, ...others] = words;
    if (others.length > 0) throw new OperatorError('USAGE', `one backup at a time: ${words.join(' ')}`);
    return {
      ...(wanted === undefined || wanted === '' ? {} : { wanted }),
      ...(options.source === undefined ? {} : { source: options.source }),
    };
  },
  run: async ({ config, repository, json, signal }, request) => {
    const results = await reported(config.values, 'drill', { reportOf }, () =>
      drill(config, repository, request, signal),
    );
    const ok = results.every((result) => result.ok);
    if (json) printJson({ ok, results });
    else results.forEach(printResult);
    return ok ? EXIT.done : EXIT.failed;
  },
});
