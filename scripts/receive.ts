#!/usr/bin/env tsx
import { takeBase } from './lib/base/base.ts';
import { loadResolved } from './lib/config/config.ts';
import { EXIT, messageOf, OperatorError } from './lib/errors.ts';
import { readReceiverHealth } from './lib/receive/health.ts';
import { receive } from './lib/receive/receive.ts';
import { print } from './lib/terminal/log.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
receive  [--health]

Takes the log (WAL) of every server that PITR or PITR_SERVER_* names, as it is written, and stores it: then any moment can
be restored. Runs until it is told to end (SIGTERM, Ctrl-C), and stores what has come before it does. It tells a server that its
log is stored only when the store has answered; until then the server keeps it. In Compose it is the service receiver; with no
server to take the log of, that waits, and says what to set.

  --health   only whether the receiver that runs in this container does its work, for its health check

Exit codes: 0 told to end, 1 failed, 2 wrong usage or configuration, 3 not healthy, 4 another receiver takes this log.`;

if (process.argv.includes('--health')) process.exitCode = health();
else {
  await verb({
    help,
    options: { health: { type: 'boolean' } },
    allowPositionals: false,
    request: ({ json }) => {
      if (json) throw new OperatorError('USAGE', 'receive prints no document; see status --json');
    },
    run: async ({ config, repository, signal }) => {
      await receive(
        config,
        repository,
        (server, chain, limited) => takeBase({ config, repository, server, chain, signal: limited }),
        signal,
      );
      return EXIT.done;
    },
  });
}

function health(): number {
  let reasons: readonly string[];
  try {
    reasons = readReceiverHealth(loadResolved().config, new Date());
  } catch (error) {
    reasons = [messageOf(error)];
  }
  for (const reason of reasons) print(reason);
  return reasons.length === 0 ? EXIT.done : EXIT.stale;
}
