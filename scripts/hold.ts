#!/usr/bin/env tsx
import { eachHolding } from './lib/copy/holding.ts';
import { EXIT, OperatorError } from './lib/errors.ts';
import { print, printJson } from './lib/terminal/log.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
hold KEY --why REASON  [--json]

Keeps retention from a backup, in every store that has it, until it is released: before a migration, for an audit, for a
lawyer. list shows what is held, and why. Copies that are away get the mark with the next copy.

  --why REASON   why, for those who find it later
  --json         one JSON document: {key, why, stores: [{name, ok, error?}]}

Exit codes: 0 done, 1 it could not be held everywhere, 2 wrong usage or configuration.`;

await verb({
  help,
  options: { why: { type: 'string' } },
  allowPositionals: true,
  request: ({ options, words }) => {
    const [wanted, ...others] = words.filter((word) => word !== '');
    if (wanted === undefined || others.length > 0) throw new OperatorError('USAGE', 'which backup? Give one key');
    const why = options.why?.trim() ?? '';
    if (why === '') throw new OperatorError('USAGE', 'why is it to be held? --why REASON, for those who find it later');
    return { wanted, why };
  },
  run: async ({ config, stores, json, signal }, { wanted, why }) => {
    const { key, results } = await eachHolding(config, await stores(), { wanted, signal }, (repository, backup) =>
      repository.hold(backup, why, signal),
    );
    if (json) printJson({ key, why, stores: results });
    else
      for (const { name, error } of results)
        print(error === undefined ? `held in ${name}: ${key}` : `${name}: ${error}`);
    return results.every(({ ok }) => ok) ? EXIT.done : EXIT.failed;
  },
});
