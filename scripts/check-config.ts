#!/usr/bin/env tsx
import { type Config, loadConfig } from './lib/config/config.ts';
import type { Schedule } from './lib/config/schedule.ts';
import { whyNoPlace } from './lib/engines/database/throwaway.ts';
import { EXIT, OperatorError } from './lib/errors.ts';
import { awaitJobs, refuseJobs } from './lib/machine/job-notes.ts';
import { drillDirectory } from './lib/machine/run-notes.ts';
import type { Source } from './lib/source.ts';
import { jobSchedules } from './lib/status/jobs.ts';
import { log, print } from './lib/terminal/log.ts';
import { main } from './lib/terminal/main.ts';

const help = `
check-config  [--for-ofelia | --await-jobs]

Checks every variable of the environment and names all that are wrong, also schedules that Ofelia would read otherwise
than they are meant. Connects to nothing.

  --for-ofelia   print such schedules in Ofelia's words instead, one NAME=schedule a line
  --await-jobs   note that this container waits for jobs from now on, so that status knows which were missed

Exit codes: 0 the configuration is valid, 2 it is not.`;

await main({
  help,
  options: { 'for-ofelia': { type: 'boolean' }, 'await-jobs': { type: 'boolean' } },
  allowPositionals: false,
  run: async ({ options }) => {
    const config = loadConfig();
    const misread = schedulesOf(config).filter(([, { text, ofelia }]) => text !== ofelia);
    if (options['for-ofelia']) {
      for (const [name, { ofelia }] of misread) print(`${name}=${ofelia}`);
      return EXIT.done;
    }
    if (options['await-jobs'] && misread.length > 0) refuseJobs(misreadInWords(misread));
    assertReadAsMeant(misread);
    const { sources, values } = config;
    const why = whyNoPlace(drillDirectory(values.DRILL_DIR));
    if (why !== undefined) log.warn(`drills cannot run here: ${why}`);
    if (options['await-jobs']) awaitJobs(jobSchedules(config), drillDirectory(values.DRILL_DIR));
    const textOf = ({ own }: Source) => own?.schedule?.text ?? values.BACKUP_SCHEDULE.text;
    for (const text of new Set(sources.map(textOf))) {
      const names = sources.filter((source) => textOf(source) === text).map(({ name }) => name);
      log.info(`ready; to be backed up at ${text}: ${names.join(', ')}`);
    }
    return EXIT.done;
  },
});

function schedulesOf({ values }: Config): [string, Schedule][] {
  return Object.entries(values).flatMap(([name, value]): [string, Schedule][] =>
    name.endsWith('_SCHEDULE') && typeof value === 'object' ? [[name, value as Schedule]] : [],
  );
}

/** Ofelia has read the very words that this container was given: what it does not take as it is would run at other times, or never. */
function assertReadAsMeant(misread: readonly [string, Schedule][]): void {
  if (misread.length === 0) return;
  throw new OperatorError('CONFIG', misreadInWords(misread), {
    hint: 'Start the stack with make up, which tells Ofelia so, or write them so in .env.',
  });
}

function misreadInWords(misread: readonly [string, Schedule][]): string {
  const each = misread.map(([name, { text, ofelia }]) => `${name} '${text}' would have to be '${ofelia}'`);
  return `Ofelia does not read these schedules as they are meant: ${each.join(', ')}`;
}
