#!/usr/bin/env tsx
import { PRIMARY } from './lib/copy/stores.ts';
import { readTogether } from './lib/copy/together.ts';
import type { DrillResult } from './lib/drill/drill.ts';
import { copyInTurn } from './lib/drill/turn.ts';
import { EXIT, OperatorError } from './lib/errors.ts';
import { reported } from './lib/notify/reporting.ts';
import { log, printJson } from './lib/terminal/log.ts';
import { timeOf } from './lib/terminal/read-time.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
drill [KEY|latest]  [--source NAME] [--from COPY] [--as-of TIME] [--json]

Rehearses a restore: the latest backup of each source (or KEY) is restored on a throwaway server that nobody else can
reach, and proved: digest, every row and definition against those that were dumped, constraints, indexes, and the queries in
DRILL_CHECKS. Says how old the backup was (RPO) and how long it took (RTO), and keeps a record for status. The live
databases are not touched.

  --source NAME   the latest backup of one source
  --from NAME     from this copy (COPY_<NAME>), or from primary, alone; without it from the primary store, and then from the
                  copy that was not drilled for longest. The record lies in the store that was drilled
  --as-of TIME    as a bucket that keeps versions was at this time (ISO 8601)
  --json          one JSON document: {ok, results: [{key, source, store, ok, rpoMs, rtoMs, tables, checks}]}

Exit codes: 0 every drill passed, 1 one or more failed, 2 wrong usage or configuration, 4 another drill runs here.`;

await verb({
  help,
  job: 'drill',
  options: { source: { type: 'string' }, from: { type: 'string' }, 'as-of': { type: 'string' } },
  allowPositionals: true,
  isHeavy: true,
  request: ({ options, words }) => {
    const [wanted, ...others] = words;
    if (others.length > 0) throw new OperatorError('USAGE', `one backup at a time: ${words.join(' ')}`);
    return {
      readFrom: {
        from: options.from?.toLowerCase(),
        asOf: options['as-of'] === undefined ? undefined : timeOf(options['as-of'], '--as-of'),
      },
      ...(wanted === undefined || wanted === '' ? {} : { wanted }),
      ...(options.source === undefined ? {} : { source: options.source }),
    };
  },
  run: async ({ config, storesFrom, json, signal }, { readFrom, ...request }) => {
    const { from, asOf } = readFrom;
    // --help and a wrong option need neither
    const { drill } = await import('./lib/drill/drill.ts');
    const { printResult, reportOf } = await import('./lib/drill/text.ts');
    const opened = await storesFrom(from);
    const results = await reported(config.values, 'drill', { reportOf }, async () => {
      if (asOf !== undefined) {
        const past = await drill(config, readTogether(opened, { from: from ?? PRIMARY, asOf }), request, signal);
        return past.map((result) => ({ ...result, store: from ?? PRIMARY }));
      }
      const turn =
        from === undefined && request.wanted === undefined ? await copyInTurn(opened.copies, signal) : undefined;
      const meant = from === undefined || from === PRIMARY ? [opened.primary] : opened.copies;
      const found: (DrillResult & { store: string })[] = [];
      for (const { name, repository } of [...meant, ...(turn ? [turn] : [])]) {
        if (config.copies.length > 0) log.info(`drill: from ${name}`);
        const ofStore = await drill(config, repository, request, signal);
        found.push(...ofStore.map((result) => ({ ...result, store: name })));
      }
      return found;
    });
    const ok = results.every((result) => result.ok);
    if (json) printJson({ ok, results });
    else results.forEach(printResult);
    return ok ? EXIT.done : EXIT.failed;
  },
});
