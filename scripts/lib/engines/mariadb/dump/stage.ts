import { fileURLToPath } from 'node:url';
import type { Stage } from '../../../pipeline/chain.ts';
import { clientEnvironment } from '../server/client.ts';
import { HISTORY_OPTION } from '../server/history.ts';
import type { Program } from '../server/programs.ts';
import { asRead, type Reading } from '../server/relay.ts';

const COUNTER = fileURLToPath(new URL('./counted-dump.pl', import.meta.url));
export const DUMP_PROGRAM = 'mariadb-dump';

/** What decides how a dump is worded: what is restored is dumped in the same words. */
const DUMP_OPTIONS = [
  '--single-transaction',
  '--quick',
  '--routines',
  '--triggers',
  '--events',
  '--hex-blob',
  '--no-tablespaces',
  '--max-allowed-packet=1G',
] as const;

/** @param withHistory former versions of the rows of system-versioned tables too */
export const dumpOptions = (withHistory: boolean): string[] => [
  ...DUMP_OPTIONS,
  ...(withHistory ? [HISTORY_OPTION] : []),
];

/** The process that dumps, and counts the rows on the way into the file `report`. */
export function dumpStage(
  reading: Reading,
  program: Program,
  { report, options, ignored }: { report: string; options: readonly string[]; ignored: readonly string[] },
): Stage {
  const { source } = reading;
  return {
    name: DUMP_PROGRAM,
    ...asRead(reading, (place) => ({
      command: 'perl',
      args: [
        COUNTER,
        report,
        program.path,
        ...place,
        ...options,
        ...ignored.map((view) => `--ignore-table=${source.database}.${view}`),
        '--',
        source.database,
      ],
    })),
    env: clientEnvironment(source),
    hints: [
      [
        /Lost connection|server has gone away|\b2013\b/i,
        'If the storage was slow at that moment, the server gave up on its reader: SET GLOBAL net_write_timeout = 3600 on it.',
      ],
    ],
  };
}
