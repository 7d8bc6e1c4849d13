#!/usr/bin/env tsx
import { readTogether } from './lib/copy/together.ts';
import { EXIT, OperatorError } from './lib/errors.ts';
import { commits } from './lib/moment/commits.ts';
import { printCommits } from './lib/moment/commits-text.ts';
import { parseDurationMs } from './lib/quantities.ts';
import { printJson } from './lib/terminal/log.ts';
import { timeOf } from './lib/terminal/read-time.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
commits --at TIME  [--for DURATION] [--server NAME] [--json]

What was committed around a time, from the server's log: each transaction with its time and number, the rows that it inserted (+),
updated (~) and deleted (-) by table, and the tables and databases that it dropped or emptied. To find the moment before an accident,
which restore then goes back to (--at, --xid). Names of tables that are gone come from dumps made before.

  --at TIME       the middle (ISO 8601, UTC unless it says otherwise)
  --for DURATION  so long before it and after it: 30s, 5m, 1h (5m)
  --server NAME   whose log; needed where there are several
  --json          one JSON document: {server, from, to, transactions: [{xid, at, lsn, before, tables: [{database, table, inserted,
                  updated, deleted}], dropped, emptied, droppedDatabases, isWhole}]}

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.`;

await verb({
  help,
  options: { at: { type: 'string' }, for: { type: 'string' }, server: { type: 'string' } },
  allowPositionals: false,
  request: ({ options }) => {
    const { at, for: length = '5m', server } = options;
    if (at === undefined || at === '')
      throw new OperatorError('USAGE', 'around which time? --at TIME', {
        hint: 'For instance --at 2026-11-25T14:03:00Z.',
      });
    const forMs = parseDurationMs(length);
    if (forMs === undefined || forMs <= 0)
      throw new OperatorError('USAGE', `--for ${JSON.stringify(length)} is no duration such as 5m`, {
        hint: 'See --help.',
      });
    return { at: timeOf(at, '--at'), forMs, server };
  },
  run: async ({ config, storesFrom, json, signal }, request) => {
    const together = readTogether(await storesFrom(undefined), {});
    const result = await commits(config, together, request, signal);
    if (json) printJson(result);
    else printCommits(result);
    return EXIT.done;
  },
});
