#!/usr/bin/env tsx
import { readTogether } from './lib/copy/together.ts';
import { EXIT, OperatorError } from './lib/errors.ts';
import { printJson } from './lib/terminal/log.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
upgrade-check VERSION  [--source NAME] [--from COPY] [--json]

Rehearses an upgrade: the latest backup of each source is restored on a throwaway server of VERSION (18 of PostgreSQL, 11.8 of
MariaDB) that nobody else can reach, proved row by row as in a drill, and looked through for what that version says of it:
extensions, settings, functions whose text it does not take. Says what is to be done, and how long a restore takes there. The live
databases are not touched, and no record is kept.

  --source NAME   the latest backup of one source
  --from NAME     from this copy (COPY_<NAME>) alone, or from primary alone
  --json          one JSON document: {ok, to, results: [{key, source, ok, from, rtoMs, tables, checks, advice}]}

Exit codes: 0 every backup restores there, 1 one or more do not, 2 wrong usage or configuration, 4 a drill runs here.`;

await verb({
  help,
  options: { source: { type: 'string' }, from: { type: 'string' } },
  allowPositionals: true,
  isHeavy: true,
  request: ({ options, words }) => {
    const [to, ...others] = words.filter((word) => word !== '');
    if (to === undefined || others.length > 0)
      throw new OperatorError('USAGE', 'to which version? One of them', { hint: 'For example: upgrade-check 18' });
    return {
      to,
      from: options.from?.toLowerCase(),
      ...(options.source === undefined ? {} : { source: options.source }),
    };
  },
  run: async ({ config, storesFrom, json, signal }, { from, ...request }) => {
    const { checkUpgrade } = await import('./lib/drill/upgrade.ts');
    const { printUpgrade } = await import('./lib/drill/text.ts');
    const together = readTogether(await storesFrom(from), { from });
    const results = await checkUpgrade(config, together, request, signal);
    const ok = results.every((result) => result.ok);
    if (json) printJson({ ok, to: request.to, results });
    else for (const result of results) printUpgrade(result, request.to);
    return ok ? EXIT.done : EXIT.failed;
  },
});
