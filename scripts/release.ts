#!/usr/bin/env tsx
import { eachHolding } from './lib/copy/holding.ts';
import { EXIT, OperatorError } from './lib/errors.ts';
import { print, printJson } from './lib/terminal/log.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
release KEY  [--json]

Lets retention have a held backup again, in every store that has it. Nothing is deleted now: the next cleanup decides.

  --json   one JSON document: {key, stores: [{name, ok, error?}]}

Exit codes: 0 done, 1 it is still held somewhere, 2 wrong usage or configuration.`;

await verb({
  help,
  options: {},
  allowPositionals: true,
  request: ({ words }) => {
    const [wanted, ...others] = words.filter((word) => word !== '');
    if (wanted === undefined || others.length > 0) throw new OperatorError('USAGE', 'which backup? Give one key');
    return { wanted };
  },
  run: async ({ config, stores, json, signal }, { wanted }) => {
    const { key, results } = await eachHolding(config, await stores(), { wanted, signal }, (repository, backup) =>
      repository.release(backup, signal),
    );
    if (json) printJson({ key, stores: results });
    else
      for (const { name, error } of results)
        print(error === undefined ? `released in ${name}: ${key}` : `${name}: ${error}`);
    return results.every(({ ok }) => ok) ? EXIT.done : EXIT.failed;
  },
});
