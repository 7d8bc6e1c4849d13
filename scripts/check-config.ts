import { loadConfig } from './lib/config/config.ts';
import { EXIT } from './lib/errors.ts';
import { log } from './lib/terminal/log.ts';
import { main } from './lib/terminal/main.ts';

const help = `
check-config

Checks every variable of the environment and names all that are wrong. Connects to nothing.

Exit codes: 0 the configuration is valid, 2 it is not.`;

await main({
  help,
  options: {},
  allowPositionals: false,
  run: async () => {
    const { sources, values } = loadConfig();
    log.info(`ready; to be backed up at ${values.BACKUP_SCHEDULE.text}: ${sources.map(({ name }) => name).join(', ')}`);
    return EXIT.done;
  },
});
