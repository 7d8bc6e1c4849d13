#!/usr/bin/env tsx
import { loadConfig } from './lib/config/config.ts';
import { EXIT, OperatorError } from './lib/errors.ts';
import { deliver } from './lib/notify/notify.ts';
import { formatDuration } from './lib/quantities.ts';
import { log, print, printJson } from './lib/terminal/log.ts';
import { main } from './lib/terminal/main.ts';

const help = `
notify-test  [--json]

Sends a test message to everybody in NOTIFY_URL, whatever NOTIFY_ON says, and reports how each
went. HEARTBEAT_URL is not pinged: that would report a backup that was not made.

NOTIFY_URL is one or more of these, with commas between them:
  https://[user:password@]host/path           JSON: {version, verb, outcome, subject, text, at, host, items, logTail}
  https://hooks.slack.com/services/…          or slack://T…/B…/…
  https://discord.com/api/webhooks/…          or discord://token@id
  https://ntfy.sh/topic                       or ntfy://[user:password@]host/topic
  telegram://token@telegram?chats=id,@name
  smtp://user:password@host:587/?from=…&to=…  or smtps://…:465; ?starttls=required, optional or never
slack+, discord+, ntfy+ or telegram+ before http:// or https:// sends that format to a server of your own. A private CA's
certificate is trusted when NODE_EXTRA_CA_CERTS names its file.

  --json   one JSON document on standard output: {ok, results: [{kind, host, ok, durationMs, error?}]}

Exit codes: 0 everybody was told, 1 somebody was not, 2 wrong usage or configuration, or NOTIFY_URL is not set.`;

await main({
  help,
  options: {},
  allowPositionals: false,
  run: async ({ json }) => {
    const targets = loadConfig().values.NOTIFY_URL;
    if (targets === undefined) {
      throw new OperatorError('CONFIG', 'NOTIFY_URL is not set, so nobody would be told of a failure', {
        hint: 'Set it in .env; notify-test --help shows what it takes.',
      });
    }
    const results = await deliver(targets, {
      verb: 'test',
      outcome: 'success',
      items: [
        {
          source: 'test',
          what: 'this is what a notification looks like; nothing happened',
          next: 'nothing: notifications arrive here',
        },
      ],
      at: new Date(),
    });
    const ok = results.every((result) => result.ok);
    if (json) printJson({ ok, results });
    for (const { kind, host, error, durationMs } of results) {
      if (error !== undefined) log.error(`${kind} (${host}): ${error}`);
      else if (!json) print(`${kind} (${host}): sent in ${formatDuration(durationMs)}`);
    }
    return ok ? EXIT.done : EXIT.failed;
  },
});
