import { join } from 'node:path';
import type { Options } from './options.ts';
import { verb } from './ours.ts';
import { mb, nodePeakBytes, type Section, seconds, table } from './report.ts';
import { inTurns, of } from './rounds.ts';
import { WANTED } from './targets.ts';
import { PROJECT, type TestBed } from './test-bed.ts';

const NODE = 'node -e 0';
const OURS = 'list, empty directory (as the image runs it)';

/** What a verb costs before it does anything, beyond what node itself does. */
export async function benchStartUp(bed: TestBed, options: Options): Promise<Section> {
  const env = { BACKUP_DIR: bed.empty('empty') };
  const candidates = [
    { name: NODE, script: 'node -e 0' },
    { name: OURS, script: verb('list', '--json') },
    { name: 'list --help', script: verb('list', '--help') },
    { name: 'backup --help', script: verb('backup', '--help') },
    {
      name: 'list, empty directory, from source',
      script: `node --import file://${join(PROJECT, 'node_modules/tsx/dist/loader.mjs')} ${join(PROJECT, 'scripts/list.ts')} --json`,
    },
  ];
  const results = await inTurns(candidates, Math.max(options.rounds, 7), ({ script }) => bed.run(script, env));
  const wall = (name: string) => {
    const runs = results.find((result) => result.name === name);
    return runs ? of(runs, ({ wallS }) => wallS) : Number.NaN;
  };
  const rows = results.map((runs) => [
    runs.name,
    seconds(runs),
    (wall(runs.name) - wall(NODE)).toFixed(2),
    mb(nodePeakBytes(runs)),
  ]);
  return {
    title: 'Start-up of a verb',
    body: table(['', 'wall s (min–max)', "beyond node's own", 'peak MB, node'], rows),
    targets: [
      { what: "start-up beyond node's own", reached: wall(OURS) - wall(NODE), atMost: WANTED.startUpS, unit: 's' },
    ],
  };
}
