#!/usr/bin/env tsx
import { loadConfig } from './lib/config/config.ts';
import { EXIT } from './lib/errors.ts';
import { runProgram } from './lib/pipeline/chain.ts';
import { stageError } from './lib/pipeline/result.ts';
import { log, print, printJson } from './lib/terminal/log.ts';
import { main } from './lib/terminal/main.ts';

const help = `
keygen  [--json]

Makes an age key pair to encrypt backups with. The identity, which is secret and opens them, goes to standard output;
make keygen writes it to age-identity.txt, readable only by you. The public key, which only encrypts, belongs in .env as
BACKUP_AGE_RECIPIENTS.

  --json   one JSON document: {recipient, identity}

Exit codes: 0 done, 1 age-keygen failed or is not installed.`;

await main({
  help,
  options: {},
  allowPositionals: false,
  run: async ({ json, signal }) => {
    loadConfig();
    const result = await runProgram({ name: 'age-keygen', command: 'age-keygen', args: [] }, { signal });
    if (result.exitCode !== 0) throw stageError(result);
    const recipient = /age1[0-9a-z]+/.exec(result.stdout)?.[0] ?? '';
    if (json) printJson({ recipient, identity: result.stdout.trim() });
    else print(result.stdout.trim());
    log.info(`in .env: BACKUP_AGE_RECIPIENTS='${recipient}'`);
    log.warn(
      'keep the identity elsewhere than the backups and this machine, in two places: without it they cannot be restored',
    );
    return EXIT.done;
  },
});
