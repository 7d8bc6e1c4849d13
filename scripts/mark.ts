#!/usr/bin/env tsx
import { EXIT, OperatorError } from './lib/errors.ts';
import { mark } from './lib/moment/mark.ts';
import { print, printJson } from './lib/terminal/log.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
mark NAME  [--server NAME] [--json]

Gives the present moment a name, such as before-migration: restore --mark NAME brings a database back to it. Of several marks of
one name the newest counts.

  --server NAME   the server whose log it is made in; needed where there are several
  --json          one JSON document: {name, server, lsn, at}

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.`;

await verb({
  help,
  options: { server: { type: 'string' } },
  allowPositionals: true,
  request: ({ options, words }) => {
    const [name = '', ...others] = words;
    if (others.length > 0) throw new OperatorError('USAGE', `one mark at a time: ${words.join(' ')}`);
    // as it is read when somebody asks for it
    return { name: name.trim(), server: options.server };
  },
  run: async ({ config, repository, json, signal }, request) => {
    const result = await mark(config, repository, request, signal);
    if (json) printJson(result);
    else print(`marked ${result.name} at ${result.lsn} (${result.at})`);
    return EXIT.done;
  },
});
