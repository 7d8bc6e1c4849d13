import { AFTERWARDS_NOTE, tryAfterwards } from './afterwards.ts';
import { backUp, type Candidate, choose, FLOOR, leftOut, missingFor, ours } from './candidate.ts';
import { encryption } from './encryption.ts';
import { clusterBytes } from './half-way.ts';
import type { Options } from './options.ts';
import { type Columns, comparison, mb, nodePeakBytes, type Section, temporaryMb } from './report.ts';
import { RIVALS } from './rivals.ts';
import { FILE_PREDECESSOR, PREDECESSOR } from './rivals-pipelines.ts';
import { inTurns, type Runs, ratio } from './rounds.ts';
import { type Target, WANTED } from './targets.ts';
import type { Sized, TestBed } from './test-bed.ts';

const twoJobs = () => ({ BACKUP_FORMAT: 'folder', BACKUP_JOBS: '2' });

const ONE_STREAM = ours('ours, gzip, directory');
const ONE_STREAM_S3 = ours('ours, gzip, S3', undefined, ['S3']);
const TWO_STREAMS = ours('ours, folder with 2 jobs, directory', twoJobs);
const TWO_STREAMS_S3 = ours('ours, folder with 2 jobs, S3', twoJobs, ['S3']);
const ENCRYPTED: Candidate = { ...ours('ours, gzip, age, directory', encryption, ['age']), isOptional: true };
const ZSTD = ours('ours, zstd, directory', () => ({ BACKUP_COMPRESSION: 'zstd' }));
const NONE = ours('ours, none, directory', () => ({ BACKUP_COMPRESSION: 'none' }));
/** How often encryption may take as long as none. */
const ENCRYPTION_WANTED = 1.3;

interface Compared {
  readonly results: readonly Runs[];
  /** Bytes that each left in its folder or in the store, by its name. */
  readonly stored: ReadonlyMap<string, number>;
  readonly notes: readonly string[];
}

/** Ours beside the floor and the predecessor, at the size that the targets are for. */
export async function benchBackups(bed: TestBed, database: string, options: Options): Promise<Section> {
  const predecessor = missingFor(PREDECESSOR, bed).length === 0 ? PREDECESSOR : FILE_PREDECESSOR;
  const all = [FLOOR, ONE_STREAM, TWO_STREAMS, ENCRYPTED, ONE_STREAM_S3, TWO_STREAMS_S3, predecessor];
  const { results, stored, notes } = await compare(bed, database, all, [FLOOR], options);
  const find = ({ name }: Candidate) => results.find((runs) => runs.name === name);
  const body = [comparison(results, storedColumn(stored)), ...notes].join('\n\n');
  return {
    title: 'Backup',
    body,
    targets: targetsOf(find, predecessor),
  };
}

/** Ours beside what one would use instead, one database a row, and the cluster for those that copy that. */
export async function benchRivals(bed: TestBed, sized: Sized, options: Options): Promise<Section> {
  const { name: database, dumpBytes } = sized;
  const all = [FLOOR, ONE_STREAM, TWO_STREAMS, ZSTD, NONE, ONE_STREAM_S3, TWO_STREAMS_S3, ...RIVALS];
  const { results, stored, notes } = await compare(bed, database, all, [FLOOR], options);
  const afterwards = await tryAfterwards(bed, sized, all, results);
  const physical = RIVALS.filter(({ name, isPhysical }) => isPhysical && results.some((runs) => runs.name === name));
  const cluster = mb(await clusterBytes(bed));
  const note = `${physical.map(({ name }) => name).join(', ')}: they copy the files of the whole cluster (${cluster} MB, indexes among them), not one database, and nothing of it restores into another major version or beside other databases. They need an archive of WAL to restore from; it is switched off here, and its cost is not in these rows.`;
  return {
    title: 'Backup, beside other tools',
    body: [
      comparison(results, beside(storedColumn(stored), afterwards)),
      AFTERWARDS_NOTE,
      ...(physical.length > 0 ? [note] : []),
      ...notes,
    ].join('\n\n'),
    targets: [],
    chart: {
      file: 'backup-speed',
      title: 'Backup of one PostgreSQL database',
      note: `a plain dump of ${mb(dumpBytes)} MB`,
      results,
    },
  };
}

async function compare(
  bed: TestBed,
  database: string,
  all: readonly Candidate[],
  always: readonly Candidate[],
  options: Options,
): Promise<Compared> {
  const wanted = choose(all, options, always);
  const able = wanted.filter((candidate) => missingFor(candidate, bed).length === 0);
  const stored = new Map<string, number>();
  const failed: string[] = [];
  const results = await inTurns(
    able,
    options.rounds,
    async (candidate) => {
      const { measured, storedBytes } = await backUp(bed, database, candidate);
      stored.set(candidate.name, storedBytes);
      return measured;
    },
    (name, reason) => failed.push(`Failed, and left out: ${name} (${reason}).`),
  );
  const notes = [...leftOut(wanted, bed), ...failed].map((line) => `- ${line}`).join('\n');
  return { results, stored, notes: notes === '' ? [] : [notes] };
}

function beside(one: Columns, other: Columns): Columns {
  return { head: [...one.head, ...other.head], cells: (runs) => [...one.cells(runs), ...other.cells(runs)] };
}

function storedColumn(stored: ReadonlyMap<string, number>): Columns {
  return {
    head: ['stored MB'],
    cells: ({ name }: Runs) => [stored.get(name) ? mb(stored.get(name) ?? 0) : '–'],
  };
}

function targetsOf(find: (candidate: Candidate) => Runs | undefined, predecessor: Candidate): Target[] {
  const floor = find(FLOOR);
  const targets: Target[] = [];
  for (const candidate of [ONE_STREAM, ONE_STREAM_S3, TWO_STREAMS, TWO_STREAMS_S3]) {
    const runs = find(candidate);
    if (!floor || !runs) continue;
    const { name } = candidate;
    const hasTwo = candidate === TWO_STREAMS || candidate === TWO_STREAMS_S3;
    const atMost = hasTwo ? WANTED.twoStreams : WANTED.oneStream;
    targets.push(
      { what: `backup (${name}) to the floor`, reached: ratio(runs, floor), atMost, unit: '×' },
      {
        what: `node's peak memory (${name})`,
        reached: nodePeakBytes(runs) / 1e6,
        atMost: WANTED.nodePeakMb,
        unit: 'MB',
      },
      { what: `temporary disk (${name})`, reached: temporaryMb(runs), atMost: WANTED.temporaryMb, unit: 'MB' },
    );
  }
  const [plain, encrypted, before] = [ONE_STREAM, ENCRYPTED, predecessor].map(find);
  if (encrypted && plain) {
    const reached = ratio(encrypted, plain);
    targets.push({ what: 'backup, encrypted to plain', reached, atMost: ENCRYPTION_WANTED, unit: '×' });
  }
  const rival = (predecessor === PREDECESSOR ? find(ONE_STREAM_S3) : undefined) ?? plain;
  if (before && rival) {
    const what = `times as fast as \`${before.name}\` (${rival.name})`;
    targets.push({ what, reached: ratio(before, rival), atLeast: WANTED.predecessor, unit: '×' });
  }
  return targets;
}
