import { backUp, type Candidate, ours } from './candidate.ts';
import type { Options } from './options.ts';
import { source, verb } from './ours.ts';
import { figure, mb, nodePeakBytes, type Section, seconds, table } from './report.ts';
import { dropAllBut } from './restores.ts';
import { inTurns, of, type Runs } from './rounds.ts';
import { exponentOf, extrapolated } from './slope.ts';
import { type Target, WANTED } from './targets.ts';
import type { Sized, TestBed } from './test-bed.ts';

const FAR_BYTES = 16e9;
const MOST_ROUNDS = 3;

/** Backup and restore of one database at three sizes, each four times the one before: how the cost grows with it. */
export async function benchGrowth(bed: TestBed, databases: readonly Sized[], options: Options): Promise<Section> {
  const rounds = Math.min(options.rounds, MOST_ROUNDS);
  const backups = [ours('backup, gzip, directory'), ...(bed.s3 ? [ours('backup, gzip, S3', undefined, ['S3'])] : [])];
  const rows: string[][] = [];
  const peaks: number[] = [];
  const add = (name: string, results: readonly Runs[]) => {
    rows.push(rowOf(name, databases, results));
    peaks.push(...results.map(nodePeakBytes));
  };
  for (const candidate of backups) add(candidate.name, await backedUp(bed, databases, candidate, rounds));
  add('restore, --to (ANALYZE and every check in it)', await restored(bed, databases, rounds));
  const what = "node's peak memory, at any size";
  const targets: Target[] = [{ what, reached: Math.max(...peaks) / 1e6, atMost: WANTED.nodePeakMb, unit: 'MB' }];
  return {
    title: 'Growth with the size',
    body: [
      table(
        [
          '',
          ...databases.map(({ dumpBytes }) => `wall s at ${mb(dumpBytes)} MB`),
          '16 GB, extrapolated',
          'slope of wall',
          'slope of CPU',
          'peak MB, node',
          'slope of memory',
        ],
        rows,
      ),
      `Slopes are exponents, from logarithms of both: 0 does not follow the size, 1 is in proportion to it. They stay below 1 while what does not follow the size, such as starting up, weighs. CPU seconds are those of the tree and of the server. 16 GB is by extrapolation: what the last step cost for each byte more. Medians of ${rounds} rounds.`,
    ].join('\n\n'),
    targets,
  };
}

function rowOf(name: string, databases: readonly Sized[], results: readonly Runs[]): string[] {
  const points = (cost: (runs: Runs) => number) =>
    results.map((runs, index) => ({ size: databases[index]?.dumpBytes ?? Number.NaN, cost: cost(runs) }));
  const wall = points((runs) => of(runs, ({ wallS }) => wallS));
  const cpu = points((runs) => of(runs, ({ cpuS, serverCpuS }) => cpuS + serverCpuS));
  const memory = points(nodePeakBytes);
  return [
    name,
    ...results.map(seconds),
    figure(extrapolated(wall, FAR_BYTES), 0, ' s'),
    figure(exponentOf(wall), 2),
    figure(exponentOf(cpu), 2),
    memory.map(({ cost }) => mb(cost)).join(' → '),
    figure(exponentOf(memory), 2),
  ];
}

function backedUp(bed: TestBed, databases: readonly Sized[], candidate: Candidate, rounds: number): Promise<Runs[]> {
  const sizes = databases.map(({ name, dumpBytes }) => ({
    name: `${candidate.name}, ${mb(dumpBytes)} MB`,
    database: name,
  }));
  return inTurns(sizes, rounds, async ({ database }) => (await backUp(bed, database, candidate)).measured);
}

async function restored(bed: TestBed, databases: readonly Sized[], rounds: number): Promise<Runs[]> {
  const folder = bed.empty('backups');
  const sizes: { name: string; database: string; key: string }[] = [];
  for (const { name, dumpBytes } of databases) {
    const { stdout } = await bed.run(verb('backup', '--json'), { ...source(bed, name), BACKUP_DIR: folder });
    const { results } = JSON.parse(stdout) as { results: { key: string }[] };
    sizes.push({ name: `restore, ${mb(dumpBytes)} MB`, database: name, key: results[0]?.key ?? '' });
  }
  const results = await inTurns(sizes, rounds, async ({ database, key }) => {
    await bed.query('postgres', 'checkpoint');
    const env = { ...source(bed, database), BACKUP_DIR: folder };
    const measured = await bed.run(verb('restore', key, '--to', 'restored', '--json'), env);
    await dropAllBut(bed, database);
    return measured;
  });
  bed.empty('backups');
  return results;
}
