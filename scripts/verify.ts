#!/usr/bin/env tsx
import { EXIT, OperatorError } from './lib/errors.ts';
import { reported } from './lib/notify/reporting.ts';
import { command } from './lib/terminal/hints.ts';
import { printJson } from './lib/terminal/log.ts';
import { timeOf } from './lib/terminal/read-time.ts';
import { verb } from './lib/verb/verb.ts';
import { verifyAll } from './lib/verify/all.ts';
import { printResults, reportOf } from './lib/verify/text.ts';
import type { VerifyRequest } from './lib/verify/verify.ts';

const help = `
verify [KEY]  [--copy NAME] [--all] [--as-of TIME] [--json]

Reads backups back from the primary store and from every copy, and compares each byte with its manifest: the newest of each
source always, every other one at least once in 30 days, so that each run reads about the same. Bases of servers have their
turn likewise; of the log what was stored since the last run is read, and told by the checksums within it. Tries, on a tiny object made
for that, whether these keys could delete or overwrite what is stored, and looks for objects that somebody has written over.
Keeps a record in the store for status.

  KEY           one backup or base, wherever it is
  --copy NAME   this copy alone; primary for the primary store
  --as-of TIME  as buckets that keep versions were at this time; nothing is tried and nothing recorded
  --all         everything, whenever it was last read
  --json        one JSON document: {ok, stores: [{name, ok, reasons, read, readBytes, damaged, protection, rewritten, durationMs, record}]}

Exit codes: 0 all is well, 1 something is damaged or could not be read, 2 wrong usage or configuration, 3 a lock that was
asked for does not hold, or somebody has written over what is stored.`;

await verb({
  help,
  job: 'verify',
  options: { copy: { type: 'string' }, all: { type: 'boolean' }, 'as-of': { type: 'string' } },
  allowPositionals: true,
  isHeavy: true,
  request: ({ options, words }) => {
    const [wanted, ...others] = words.filter((word) => word !== '');
    if (others.length > 0) throw new OperatorError('USAGE', `one backup at a time: ${words.join(' ')}`);
    const asOf = options['as-of'] === undefined ? undefined : timeOf(options['as-of'], '--as-of');
    return { copy: options.copy, all: options.all === true, asOf, ...(wanted === undefined ? {} : { wanted }) };
  },
  run: async ({ config, stores, json, signal }, { copy, all, asOf, wanted }) => {
    const { primary, copies } = await stores();
    const every = [primary, ...copies];
    const meant = copy === undefined ? every : every.filter(({ name }) => name === copy.toLowerCase());
    if (meant.length === 0) {
      throw new OperatorError('USAGE', `there is no copy ${JSON.stringify(copy)}`, {
        hint: `There are: ${every.map(({ name }) => name).join(', ')}.`,
      });
    }
    const { VERIFY_SCHEDULE } = config.values;
    const request: VerifyRequest = {
      all: all || asOf !== undefined,
      ...(asOf === undefined ? {} : { asOf }),
      intervalMs: VERIFY_SCHEDULE === 'off' ? 7 * 86_400_000 : VERIFY_SCHEDULE.longestIntervalMs(),
      ...(wanted === undefined ? {} : { wanted }),
    };
    const results = await reported(config.values, 'verify', { reportOf }, () =>
      verifyAll(config, { every, meant }, request, signal),
    );
    if (wanted !== undefined && results.every(({ read, error }) => read === 0 && error === undefined)) {
      throw new OperatorError('NO_SUCH_BACKUP', `there is no such backup: ${JSON.stringify(wanted)}`, {
        hint: `${command('list')} shows the keys.`,
      });
    }
    const ok = results.every((result) => result.ok);
    if (json) printJson({ ok, stores: results });
    else printResults(results);
    if (ok) return EXIT.done;
    return results.some(({ damaged, error }) => damaged.length > 0 || error !== undefined) ? EXIT.failed : EXIT.stale;
  },
});
