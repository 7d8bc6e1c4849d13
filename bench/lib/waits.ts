import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { backUp, type Candidate, choose, FLOOR, leftOut, missingFor, ours } from './candidate.ts';
import type { Measurement } from './measure.ts';
import type { Options } from './options.ts';
import { type Section, seconds, table } from './report.ts';
import { FILE_PREDECESSOR, PIPELINES, PREDECESSOR } from './rivals-pipelines.ts';
import { inTurns, median } from './rounds.ts';
import type { TestBed } from './test-bed.ts';

const ROWS = 100;
/** Between two updates: enough of them to meet what is short, too few to be a load themselves. */
const PAUSE_MS = 10;
const TABLE = 'pulse';

const NO_BACKUP: Candidate = { name: 'no backup (5 s)', needs: [], script: () => 'sleep 5' };

/** How long updates of one row wait while a backup of the same database goes on. Not part of the times above. */
export async function benchWaits(bed: TestBed, database: string, options: Options): Promise<Section> {
  const predecessor = missingFor(PREDECESSOR, bed).length === 0 ? PREDECESSOR : FILE_PREDECESSOR;
  const parallel = PIPELINES.filter(({ name }) => name === 'pg_dump -Fd -j2');
  const all: readonly Candidate[] = [
    NO_BACKUP,
    FLOOR,
    ours('ours, gzip, directory'),
    ours('ours, folder with 2 jobs, directory', () => ({ BACKUP_FORMAT: 'folder', BACKUP_JOBS: '2' })),
    ...parallel,
    predecessor,
  ];
  const wanted = choose(all, options, [NO_BACKUP, FLOOR, predecessor]);
  const able = wanted.filter((candidate) => missingFor(candidate, bed).length === 0);
  await bed.query(
    database,
    `create table ${TABLE} (id int primary key, beats bigint not null);
     insert into ${TABLE} select i, 0 from generate_series(1, ${ROWS}) i`,
  );
  const waits = new Map<Measurement, number[]>();
  try {
    const results = await inTurns(able, options.rounds, async (candidate) => {
      const pulse = await startPulse(bed, database);
      try {
        const { measured } = await backUp(bed, database, candidate, { isWatched: false });
        waits.set(measured, await pulse.stop());
        return measured;
      } finally {
        await pulse.stop();
      }
    });
    const rows = results.map((runs) => {
      const each = runs.runs.map((run) => waits.get(run) ?? []);
      const longest = each.map((waited) => Math.max(...waited));
      const sorted = each.flat().sort((a, b) => a - b);
      return [
        runs.name,
        `**${median(longest).toFixed(0)}** (${Math.min(...longest).toFixed(0)}–${Math.max(...longest).toFixed(0)})`,
        (sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN).toFixed(1),
        median(sorted).toFixed(1),
        String(sorted.length),
        seconds(runs),
      ];
    });
    return {
      title: 'How long another session waits',
      body: [
        table(
          ['during', 'longest UPDATE, ms (min–max)', '99 of 100, ms', 'median, ms', 'updates', 'wall s (min–max)'],
          rows,
        ),
        `One session updates single rows of a small table of the same database and commits each, ${PAUSE_MS} ms after the one before. The longest is the median over the rounds of each round's longest. A longer run meets more of what is rare.`,
        ...leftOut(wanted, bed),
      ].join('\n\n'),
      targets: [],
    };
  } finally {
    await bed.query(database, `drop table ${TABLE}`);
  }
}

interface Pulse {
  /** Ends it. @returns what each update took, in ms */
  stop(): Promise<number[]>;
}

async function startPulse(bed: TestBed, database: string): Promise<Pulse> {
  const client = new pg.Client({ host: bed.host, port: bed.port, user: bed.env.PGUSER, database });
  // a connection that is lost fails the next update, which tells of it
  client.on('error', () => {});
  await client.connect();
  const waited: number[] = [];
  let isStopped = false;
  const beats = (async () => {
    for (let n = 0; !isStopped; n += 1) {
      const started = performance.now();
      await client.query(`update ${TABLE} set beats = beats + 1 where id = $1`, [1 + (n % ROWS)]);
      waited.push(performance.now() - started);
      await sleep(PAUSE_MS);
    }
    await client.end();
  })();
  // a failure is thrown by stop(), also when it came long before
  beats.catch(() => {});
  return {
    async stop() {
      isStopped = true;
      await beats;
      return waited;
    },
  };
}
