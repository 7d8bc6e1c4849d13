#!/usr/bin/env tsx
import { EXIT, OperatorError } from './lib/errors.ts';
import { printJson } from './lib/terminal/log.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
diff KEY|latest [KEY|latest]  [--live] [--source NAME] [--from COPY] [--json]

What changed between two backups: whose rows, definitions and sizes, of tables, views and functions. Told from the manifests
alone; nothing is loaded. With one key, since the backup of the source before it.

  --live          between this backup and the live database, whose rows are counted now
  --source NAME   the source whose latest backup is meant
  --from NAME     read from this copy (COPY_<NAME>) alone, or from primary alone
  --json          one JSON document: {from, to, changes: [{kind, name, change, rows, bytes, definition}], unchanged, notCompared}

A definition changed in its columns, constraints, indexes, rules (triggers, policies, the text of a view, options), rights (owner
and grants), or body. Of a folder: how many files and bytes there are, and whether it changed at all.

Exit codes: 0 compared, whatever changed; 1 failed, 2 wrong usage or configuration.`;

await verb({
  help,
  options: { live: { type: 'boolean' }, source: { type: 'string' }, from: { type: 'string' } },
  allowPositionals: true,
  request: ({ options, words }) => {
    const [first, second, ...others] = words.filter((word) => word !== '');
    const usage = (message: string) => new OperatorError('USAGE', message, { hint: 'See --help.' });
    if (first === undefined) throw usage('what is to be compared? Give one key or two, or latest');
    if (others.length > 0) throw usage(`two backups at a time: ${words.join(' ')}`);
    if (options.live && second !== undefined) throw usage('--live goes with one key');
    return {
      first,
      live: options.live === true,
      from: options.from?.toLowerCase(),
      ...(second === undefined ? {} : { second }),
      ...(options.source === undefined ? {} : { source: options.source }),
    };
  },
  run: async ({ config, storesFrom, json, signal }, { from, ...request }) => {
    // --help and a wrong option need none of it
    const { readTogether } = await import('./lib/copy/together.ts');
    const { diff } = await import('./lib/diff/diff.ts');
    const together = readTogether(await storesFrom(from), { from });
    const result = await diff(config, together, request, signal);
    if (json) printJson(result);
    else (await import('./lib/diff/text.ts')).printDiff(result);
    return EXIT.done;
  },
});
