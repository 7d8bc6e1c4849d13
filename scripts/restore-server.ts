#!/usr/bin/env tsx
import { readTogether } from './lib/copy/together.ts';
import { EXIT, OperatorError } from './lib/errors.ts';
import { targetOf } from './lib/moment/target.ts';
import { reported } from './lib/notify/reporting.ts';
import { restoreServer, undoServer } from './lib/restore/server.ts';
import { printServerResult, printServerUndo, reportOfServer } from './lib/restore/server-text.ts';
import { printJson } from './lib/terminal/log.ts';
import { timeOf } from './lib/terminal/read-time.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
restore-server  [--at TIME|--mark NAME|--xid N|--lsn POSITION] [--into FOLDER] [--server NAME] [--owner UID:GID] [--from COPY]
                [--as-of TIME] [--json]
restore-server --undo  [--into FOLDER] [--json]

Restores a whole PostgreSQL server (every database, roles, settings) into its data folder, from a base and the log after it
(PITR): to the end of the log, or to a moment. Everything is recovered and checked beside the folder; then it is put in place by
renaming, and the database's own image starts it. What was there is kept. Refused while a server runs on the folder. Afterwards the
receiver begins a new log with a new base by itself.

  --into FOLDER   the server's data folder (PGDATA) as it is seen here. In the service restore-server the database's volume is
                  /restore, and the folder is found in it
  --server NAME   whose log; needed where the store has several
  --at TIME       that very moment, as for restore; without a moment the end of the log, with all that is stored
  --mark NAME     the moment that was named by the verb mark
  --xid N         with this transaction as the last one that is in
  --lsn POSITION  with everything that ends at or before this position of the log
  --from NAME     read from this copy (COPY_<NAME>) alone, or from primary alone; by default each object comes from the first
                  store that has it whole
  --as-of TIME    as the store was at this time: for one that keeps versions (see docs/copies.md)
  --owner UID:GID who the files are to belong to: of the folder that is there, or the user postgres of this image, unless it is
                  said (70:70 for Alpine's image)
  --undo          put the data folder back that the last restore replaced
  --json          one JSON document: {server, key, into, previous, systemIdentifier, sizeBytes, durationMs, moment}; of an undo
                  {into, restoredFrom, keptAs}

Exit codes: 0 done, 1 failed or refused (the data folder is as it was), 2 wrong usage or configuration, 4 another one runs.`;

await verb({
  help,
  options: {
    at: { type: 'string' },
    mark: { type: 'string' },
    xid: { type: 'string' },
    lsn: { type: 'string' },
    into: { type: 'string' },
    server: { type: 'string' },
    owner: { type: 'string' },
    from: { type: 'string' },
    'as-of': { type: 'string' },
    undo: { type: 'boolean' },
  },
  allowPositionals: false,
  request: ({ options }) => {
    const { into, server, owner, undo } = options;
    const target = targetOf(options);
    const readFrom = {
      from: options.from?.toLowerCase(),
      asOf: options['as-of'] === undefined ? undefined : timeOf(options['as-of'], '--as-of'),
    };
    if (undo && (target ?? server ?? owner ?? readFrom.from ?? readFrom.asOf) !== undefined)
      throw new OperatorError('USAGE', '--undo takes --into alone', { hint: 'See --help. Nothing was touched.' });
    return { undo: undo === true, into, server, owner, target, readFrom };
  },
  run: async ({ config, storesFrom, json, signal }, { undo, readFrom, ...request }) => {
    if (undo) {
      const result = await undoServer(request, signal);
      if (json) printJson(result);
      else printServerUndo(result);
      return EXIT.done;
    }
    const together = readTogether(await storesFrom(readFrom.from), readFrom);
    const result = await reported(config.values, 'restore', { reportOf: reportOfServer }, () =>
      restoreServer(config, together, request, signal),
    );
    if (json) printJson(result);
    else printServerResult(result);
    return EXIT.done;
  },
});
