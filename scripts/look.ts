#!/usr/bin/env tsx
import { EXIT } from './lib/errors.ts';
import { readLookRequest } from './lib/look/request.ts';
import { printJson } from './lib/terminal/log.ts';
import { timeOf } from './lib/terminal/read-time.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
look KEY|latest  [--source NAME] [--at TIME] [--query SQL [--json|--csv]] [--from COPY] [--as-of TIME]
look --at TIME|--mark NAME|--xid N|--lsn POSITION  [--source NAME] …

Looks into a backup: brings it up on a throwaway server, in this container, that nobody else reaches, and gives the prompt of
psql or mariadb there, or runs one query. Without a key, a moment is brought up from the server's log (PITR). The live servers
are not touched, whatever is written here; the throwaway one is gone when you leave, however you leave.

  --query SQL     no prompt: print what this gives. Exit code 1, with the server's message, when it fails
  --json          with --query: one JSON document: {key, source, database, columns, rows}
  --csv           with --query: comma-separated values, the names of the columns first; written as they come
  --source NAME   the source whose latest backup, or whose moment, is meant
  --at TIME       with latest: the newest backup at or before it. Without a key, that very moment (ISO 8601, UTC unless it says
                  otherwise; fractions of a second count)
  --mark NAME     the moment that was named by the verb mark
  --xid N         with this transaction as the last one that is in
  --lsn POSITION  with everything that ends at or before this position of the log
  --from NAME     read from this copy (COPY_<NAME>) alone, or from primary alone
  --as-of TIME    read a bucket that keeps versions as it was at this time

A look ends after LOOK_TIMEOUT, its prompt or its query too.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 4 the server of DRILL_SERVER_URL is in use.`;

await verb({
  help,
  options: {
    source: { type: 'string' },
    query: { type: 'string' },
    csv: { type: 'boolean' },
    at: { type: 'string' },
    mark: { type: 'string' },
    xid: { type: 'string' },
    lsn: { type: 'string' },
    from: { type: 'string' },
    'as-of': { type: 'string' },
  },
  allowPositionals: true,
  request: ({ options, words, json }) => ({
    ...readLookRequest(options, words, {
      json,
      hasTerminal: process.stdin.isTTY === true && process.stdout.isTTY === true,
    }),
    readFrom: {
      from: options.from?.toLowerCase(),
      asOf: options['as-of'] === undefined ? undefined : timeOf(options['as-of'], '--as-of'),
    },
  }),
  run: async ({ config, storesFrom, signal }, { readFrom, ...request }) => {
    // --help and a wrong option need neither
    const { readTogether } = await import('./lib/copy/together.ts');
    const { look } = await import('./lib/look/look.ts');
    const together = readTogether(await storesFrom(readFrom.from), readFrom);
    const result = await look(config, together, request, signal);
    if (result !== undefined) printJson(result);
    return EXIT.done;
  },
});
