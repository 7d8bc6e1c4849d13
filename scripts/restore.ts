#!/usr/bin/env tsx
import { readTogether } from './lib/copy/together.ts';
import { EXIT } from './lib/errors.ts';
import { reported } from './lib/notify/reporting.ts';
import { readRequest } from './lib/restore/request.ts';
import { printResult, reportOf } from './lib/restore/text.ts';
import { printJson } from './lib/terminal/log.ts';
import { timeOf } from './lib/terminal/read-time.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
restore KEY|latest  [--source NAME] [--at TIME] [--to DATABASE] [--from COPY] [--as-of TIME] [--other-server] [--compare] [--own-search-path]
                    [--without-broken] [--json]
restore KEY|latest  --table NAME|--path PATH …  [--source NAME] [--at TIME] [--to DATABASE] [--from COPY] [--as-of TIME] [--json]
restore --at TIME|--mark NAME|--xid N|--lsn POSITION  [--source NAME] [--to DATABASE] …
restore KEY|latest  --target URL --confirm DATABASE  [--same-server] [--table NAME …] [--compare] [--json]
restore --undo      [--source NAME] [--json]

Restores a backup into a staging database beside the live one, compares it with the manifest, and only then swaps
it in, by renaming. The replaced database is kept, and dumped as a safety backup. Any failure before the swap leaves
the live database as it was. Folders go the same way. See list for the keys.

Without a key, a moment is restored from the server's log (PITR): a base and the log since then are replayed on a throwaway server
that nobody else reaches, and one database is dumped from there into the staging database; the others are not touched.

With --table or --path only a part is picked out, beside the live database and never into it: each table with its types, sequences,
indexes, and the keys that can hold without the others. Every row is compared with the dump, and what copies the rows that the live
table lacks is printed, to be looked at and run. cleanup removes what was picked out after RESTORE_PROTECT_DAYS, or cleanup --picked at once.

  --table NAME    this table, with its schema or without where that is clear; of a schema's name, all its tables; several with
                  commas, or by writing the option again
  --path PATH     of a folder, this file or folder in it; several by writing the option again
  --source NAME   the source to restore into, and whose latest backup is meant
  --at TIME       without a key, that very moment: every commit up to it, and none after (ISO 8601, UTC unless it says otherwise;
                  fractions of a second count). With latest: the newest backup at or before it
  --mark NAME     the moment that was named by the verb mark
  --xid N         with this transaction as the last one that is in
  --lsn POSITION  with everything that ends at or before this position of the log
  --to DATABASE   restore beside the live database under this name, and swap nothing; of a folder: a name or a path
  --target URL    restore into this database of another server, which must not be there yet, or be empty: postgres://user@host/name.
                  Its password is RESTORE_TARGET_PASSWORD. What is backed up here is refused, and a server of an older version
  --confirm NAME  the name of that database, once more
  --same-server   the server of --target may be that of a source
  --from NAME     read from this copy (COPY_<NAME>) alone, or from primary alone; by default each object comes from the
                  first store that has it whole
  --as-of TIME    read a bucket that keeps versions as it was at this time: before somebody deleted or overwrote
  --other-server  replace a live database with data in it also where none of the source's backups came from
  --compare       before the swap, read the restored database once more and compare every row and definition with those
                  that were dumped, as a drill does
  --own-search-path  load with the search path that the database has, for functions that need it: the dump says none
  --without-broken  go on without a constraint that rows of the backup break, and without an index, a view or a function
                  that its own rows or names do not let be made; never without rows. Says what is missing, before the
                  swap and after it; a constraint stays for rows from now on (NOT VALID) where that can be
  --undo          swap the database that the last restore replaced back in
  --json          one JSON document: {key, database, previousDatabase, safetyBackup, tables, rows, durationMs, missing, copy, moment}

Exit codes: 0 done, 1 failed (the live database is as it was, or the restored one is in place and says that its owner, grants,
settings or roles could not be given: "ungiven"), 2 wrong usage or configuration, 4 another restore runs.`;

await verb({
  help,
  options: {
    source: { type: 'string' },
    at: { type: 'string' },
    mark: { type: 'string' },
    xid: { type: 'string' },
    lsn: { type: 'string' },
    to: { type: 'string' },
    table: { type: 'string', multiple: true },
    path: { type: 'string', multiple: true },
    target: { type: 'string' },
    confirm: { type: 'string' },
    'same-server': { type: 'boolean' },
    from: { type: 'string' },
    'as-of': { type: 'string' },
    compare: { type: 'boolean' },
    undo: { type: 'boolean' },
    'other-server': { type: 'boolean' },
    'own-search-path': { type: 'boolean' },
    'without-broken': { type: 'boolean' },
  },
  allowPositionals: true,
  request: ({ options, words }) => ({
    ...readRequest(options, words),
    readFrom: {
      from: options.from,
      asOf: options['as-of'] === undefined ? undefined : timeOf(options['as-of'], '--as-of'),
    },
  }),
  run: async ({ config, storesFrom, json, signal }, request) => {
    // --help and a wrong option do not need it
    const { restore, undo } = await import('./lib/restore/restore.ts');
    if (request.verb === 'undo') {
      const result = await undo(config, request.source, signal);
      if (json) printJson(result);
      return EXIT.done;
    }
    const together = readTogether(await storesFrom(request.readFrom.from), request.readFrom);
    const result = await reported(config.values, 'restore', { reportOf }, async () => {
      if (request.verb === 'restore') return restore(config, together, request, signal);
      // what recovers a server takes longer to load than the rest together
      const { restoreMoment } = await import('./lib/restore/moment.ts');
      return restoreMoment(config, together, request, signal);
    });
    if (json) printJson(result);
    else printResult(result);
    // what is in place and open to others than before, or owned by another, is not done
    return result.ungiven.length === 0 ? EXIT.done : EXIT.failed;
  },
});
