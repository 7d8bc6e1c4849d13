#!/usr/bin/env tsx
import { loadDemoSettings } from '../scripts/lib/config/config.ts';
import { EXIT, OperatorError } from '../scripts/lib/errors.ts';
import { print } from '../scripts/lib/terminal/log.ts';
import { main } from '../scripts/lib/terminal/main.ts';
import { inPlace } from './lib/bring-up.ts';
import { sayGoodbye, tellStory } from './lib/story.ts';

const help = `
demo  [--host | --docker]

Loses data on purpose and has it back, on a real database that is brought up for it and gone afterwards: a backup, the
list, a mistake, a restore, the proof by digest, the undo. Touches nothing of yours and reads no .env.

  --docker   on containers of its own, as make up starts them: the default where a Docker engine answers
  --host     on this machine alone: the default elsewhere
  Also DEMO_MODE=host or DEMO_MODE=docker.

Exit codes: 0 everything was shown, 1 something was not, 2 wrong usage.`;

await main({
  help,
  options: { host: { type: 'boolean' }, docker: { type: 'boolean' } },
  allowPositionals: false,
  run: async ({ options, json, signal }) => {
    if (json) throw new OperatorError('USAGE', 'a story has no --json', { hint: 'See --help.' });
    if (options.host && options.docker) throw new OperatorError('USAGE', '--host or --docker, not both');
    const settings = loadDemoSettings();
    const mode = options.host ? 'host' : options.docker ? 'docker' : settings.mode;
    print('Lose data on purpose, and have it back');
    sayGoodbye(await inPlace({ ...settings, mode }, signal, tellStory));
    return EXIT.done;
  },
});
