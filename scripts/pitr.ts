#!/usr/bin/env tsx
import { EXIT, OperatorError } from './lib/errors.ts';
import { checkServers, dropServersSlots, serversNamed } from './lib/receive/pitr.ts';
import { print, printJson } from './lib/terminal/log.ts';
import { verb } from './lib/verb/verb.ts';

const help = `
pitr check|off [server…]  [--json]

check   tries at every server of PITR and PITR_SERVER_* (or those named) what a receiver needs of it, and prints the exact lines
        that mend what is lacking. Changes nothing.
off     drops the replication slots by which the logs are taken, so that the servers keep nothing for us any more; with PITR=false
        on the server of every PostgreSQL source. Stop the receiver first. What is stored stays, and restores; a receiver that is started again begins a new log.

  --json   one JSON document: {ok, servers: [{server, ok, findings}]}, of off {ok, servers: [{server, slots}]}

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 a server lacks something, 4 a receiver is running.`;

await verb({
  help,
  options: {},
  allowPositionals: true,
  request: ({ words: [what, ...names] }) => {
    if (what !== 'check' && what !== 'off') {
      throw new OperatorError('USAGE', `pitr ${what ?? ''}: wants check or off`, { hint: 'See --help.' });
    }
    return { what, names };
  },
  run: async ({ config, repository, json, signal }, { what, names }) => {
    // one that is no longer told to take a log may have left its slot behind
    const meant = serversNamed(what === 'off' ? config.logServers : config.servers, names);
    if (what === 'off') {
      const servers = await dropServersSlots(meant, repository, signal);
      if (json) printJson({ ok: true, servers });
      else
        for (const { server, slots } of servers)
          print(`${server}: ${slots === 0 ? 'it had no slot of ours' : 'its slot is dropped'}`);
      return EXIT.done;
    }
    const servers = await checkServers(meant, repository, config.values.PITR_SYNCHRONOUS, signal);
    const ok = servers.every((each) => each.ok);
    if (json) printJson({ ok, servers });
    else {
      for (const { server, ok: isTaken, findings } of servers) {
        print(`${server}: ${isTaken ? 'its log can be taken' : 'its log cannot be taken'}`);
        for (const { kind, what: found, how } of findings)
          print(`  ${kind === 'lacks' ? '' : 'note: '}${found}\n    ${how}`);
      }
    }
    return ok ? EXIT.done : EXIT.stale;
  },
});
