#!/usr/bin/env tsx
import { copyAll } from './lib/copy/copy.ts';
import { printResults, reportOf } from './lib/copy/text.ts';
import { EXIT, OperatorError } from './lib/errors.ts';
import { reported } from './lib/notify/reporting.ts';
import { log, printJson } from './lib/terminal/log.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
copy [NAME…]  [--refill] [--json]
copy --from NAME  [--json]

Copies to each COPY_<NAME> (or those named) what its own retention would keep and it does not have: the same keys, the same
bytes, compared with the manifest on the way, the oldest first, of each backup the manifest last. Goes on where an earlier
run stopped. Deletes nothing, anywhere.

  --from NAME   the other way round: fill the primary store (S3_*, BACKUP_DIR) from this copy
  --refill      fill a copy that held backups when it was last seen, and is empty now
  --json        one JSON document: {ok, copies: [{name, ok, isAway, copied, copiedBytes, missing, failed, differing, durationMs}]}

Exit codes: 0 done, or a copy is away and not yet too late, 1 something was not copied, 2 wrong usage or configuration,
4 another run copies here.`;

await verb({
  help,
  job: 'copy',
  options: { from: { type: 'string' }, refill: { type: 'boolean' } },
  allowPositionals: true,
  isHeavy: true,
  request: ({ options, words }) => {
    const names = words.filter((word) => word !== '');
    if (options.from !== undefined && names.length > 0)
      throw new OperatorError('USAGE', '--from fills the primary store, and takes no other names');
    return { from: options.from, names, refill: options.refill === true };
  },
  run: async ({ config, stores, json, signal }, { from, names, refill }) => {
    if (config.copies.length === 0 && from === undefined && names.length === 0) {
      log.info('no copy is configured (COPY_<NAME>): nothing to do');
      if (json) printJson({ ok: true, copies: [] });
      return EXIT.done;
    }
    const { primary, copies } = await stores(from === undefined ? names : [from]);
    const orders = copies.map((copy) =>
      from === undefined
        ? { from: primary, to: copy, retention: copy.retention, refill }
        : { from: copy, to: primary, retention: primary.retention, refill: true },
    );
    const results = await reported(config.values, 'copy', { reportOf }, () =>
      copyAll(config, orders, new Date(), signal),
    );
    const ok = results.every((result) => result.ok);
    if (json) printJson({ ok, copies: results });
    else printResults(results);
    return ok ? EXIT.done : EXIT.failed;
  },
});
