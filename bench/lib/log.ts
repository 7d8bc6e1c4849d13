import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { backUp, type Candidate, choose, leftOut, missingFor } from './candidate.ts';
import { momentRestored } from './log-restored.ts';
import { dropSlots, logTaken, type Receiver } from './log-taken.ts';
import type { Options } from './options.ts';
import { bucket, source, verb } from './ours.ts';
import { memoryOf } from './process-tree.ts';
import { comparison, mb, nodePeakBytes, type Section, table, temporaryMb } from './report.ts';
import { CLUSTERS } from './rivals-clusters.ts';
import { inTurns, median, ratio } from './rounds.ts';
import { type Target, WANTED } from './targets.ts';
import type { Sized, TestBed } from './test-bed.ts';

const PGBENCH_S = 15;
const SLOTS = "slot_name like 'cdb%' and not temporary";
const PITR = { PITR: 'true', BASE_SCHEDULE: 'off' };

const BASE_FLOOR: Candidate = {
  name: 'pg_basebackup -Ft -X fetch | zstd -1',
  needs: ['pg_basebackup', 'zstd'],
  isPhysical: true,
  script: ({ out }) => `pg_basebackup -D - -Ft -X fetch --checkpoint=fast | zstd -1 -q >${out}/base.tar.zst`,
};
const OURS: Candidate = {
  name: 'ours, base, directory',
  needs: [],
  isPhysical: true,
  script: () => verb('base', '--json'),
  env: ({ bed, database, out }) => ({ ...source(bed, database), ...PITR, BACKUP_DIR: out }),
};

/** Bases beside pg_basebackup, how soon a commit is stored, and what taking the log costs the server. */
export async function benchLog(bed: TestBed, { name, dumpBytes }: Sized, options: Options): Promise<Section> {
  await letReplicate(bed);
  const wanted = choose([BASE_FLOOR, OURS, ...CLUSTERS], options, [BASE_FLOOR, OURS]);
  const able = wanted.filter((candidate) => missingFor(candidate, bed).length === 0);
  const bases = await inTurns(able, options.rounds, async (candidate) => {
    return (await backUp(bed, name, candidate)).measured;
  });
  const [floor, ours] = bases;
  const delays = await delaysOf(bed, name);
  const load = await underLoad(bed, options.rounds);
  const moment = await momentRestored(bed, { name, logBytes: dumpBytes / 2, rounds: options.rounds, receiving });
  const taken = await logTaken(bed, { name, logBytes: dumpBytes / 2, rounds: options.rounds, receiving });
  const targets: Target[] = [
    ...(floor && ours
      ? [
          { what: `a base, of ${BASE_FLOOR.name}`, reached: ratio(ours, floor), atMost: WANTED.base, unit: '×' },
          { what: 'a base, node', reached: nodePeakBytes(ours) / 1e6, atMost: WANTED.nodePeakMb, unit: 'MB' },
          { what: 'a base, temporary disk', reached: temporaryMb(ours), atMost: WANTED.temporaryMb, unit: 'MB' },
        ]
      : []),
    ...delays.map(({ store, what, ms }) =>
      what === PACES[0]?.what
        ? { what: `commit to ${store}, idle, median`, reached: median(ms) / 1_000, atMost: WANTED.storedS, unit: 's' }
        : {
            what: `commit to ${store}, ${what}, 99 of 100`,
            reached: highest(ms, 0.99),
            atMost: WANTED.storedBusyS,
            unit: 's',
          },
    ),
    { what: 'pgbench with the log taken', reached: load.ratio, atLeast: WANTED.pgbench, unit: '×' },
    ...taken.targets,
    ...moment.targets,
    { what: 'the receiver under load, node', reached: load.peakBytes / 1e6, atMost: WANTED.nodePeakMb, unit: 'MB' },
  ];
  return {
    title: 'The log of a server',
    body: [
      comparison(bases),
      table(
        ['commits', 'stored in', 'how many', 'median s', '99 of 100, s', 'longest s'],
        delays.map(({ store, what, ms }) => [
          what,
          store,
          String(ms.length),
          ...[0.5, 0.99, 1].map((part) => highest(ms, part).toFixed(2)),
        ]),
      ),
      'From the answer to a commit, on a server that does nothing else, to the moment at which the server knows that its log is stored up to there.',
      table(
        ['pgbench, 2 clients', 'transactions a second, median', 'log, MB', 'node peak, MB'],
        [
          ['the log is not taken', load.without.toFixed(0), '', ''],
          ['the log is taken, into a directory', load.with.toFixed(0), mb(load.logBytes), mb(load.peakBytes)],
        ],
      ),
      taken.body,
      moment.body,
      ...leftOut(wanted, bed),
    ].join('\n\n'),
    targets,
  };
}

/** pg_basebackup wants a line of its own; ours does not. */
async function letReplicate(bed: TestBed): Promise<void> {
  const [row] = await bed.query<{ hba_file: string }>('postgres', 'show hba_file');
  appendFileSync(row?.hba_file ?? '', '\nlocal replication all trust\nhost replication all 127.0.0.1/32 trust\n');
  await bed.query('postgres', 'select pg_reload_conf()');
}

async function receiving(bed: TestBed, database: string, store: Record<string, string>): Promise<Receiver> {
  const env = { ...bed.env, ...source(bed, database), ...PITR, DRILL_DIR: bed.empty('notes'), ...store };
  const child = spawn('bash', ['-c', `exec ${verb('receive')}`], { env, cwd: bed.folder, stdio: 'ignore' });
  const over = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let peakBytes = 0;
  const timer = setInterval(() => {
    peakBytes = Math.max(peakBytes, memoryOf(child.pid ?? 0)?.peakBytes ?? 0);
  }, 100);
  const end = async () => {
    clearInterval(timer);
    child.kill('SIGTERM');
    await over;
    await dropSlots(bed, SLOTS);
  };
  // its base comes with the first part, and is not what is measured
  for (const deadline = performance.now() + 300_000; ; ) {
    const listed = await bed.run(verb('list', '--pitr', '--json'), { ...source(bed, database), ...PITR, ...store });
    if (JSON.parse(listed.stdout).servers.some((server: { bases: unknown[] }) => server.bases.length > 0)) break;
    if (performance.now() > deadline || child.exitCode !== null) {
      await end();
      throw new Error(`the receiver took no base (exit ${child.exitCode})`);
    }
    await sleep(500);
  }
  return { child, peakBytes: () => peakBytes, end };
}

/** Commits at a distance: what an idle server has now and then, and what a busy one has all the time. */
const PACES = [
  { what: 'one every six seconds', count: 12, everyMs: 6_000 },
  { what: 'one a second', count: 40, everyMs: 1_000 },
];

interface Delays {
  readonly store: string;
  readonly what: string;
  readonly ms: number[];
}

async function delaysOf(bed: TestBed, database: string): Promise<Delays[]> {
  const stores: [string, Record<string, string>][] = [
    ['a directory', { BACKUP_DIR: bed.empty('log') }],
    ...(bed.s3 ? [['Garage', bucket(bed.s3, 'bench-log')] satisfies [string, Record<string, string>]] : []),
  ];
  const found: Delays[] = [];
  for (const [store, env] of stores) {
    const receiver = await receiving(bed, database, env);
    try {
      for (const { what, ...pace } of PACES) found.push({ store, what, ms: await commits(bed, pace) });
    } finally {
      await receiver.end();
    }
  }
  return found;
}

/** How long after each commit's answer the server knows that its log is stored up to there. */
async function commits(bed: TestBed, { count, everyMs }: { count: number; everyMs: number }): Promise<number[]> {
  const client = new pg.Client({ host: bed.host, port: bed.port, user: bed.env.PGUSER, database: 'postgres' });
  client.on('error', () => {});
  await client.connect();
  const waiting: { at: number; position: string }[] = [];
  const delays: number[] = [];
  try {
    // what came before, the base's own log, is no commit of these
    await sleep(everyMs);
    const began = performance.now();
    for (let made = 0; delays.length < count; await sleep(10)) {
      if (made < count && performance.now() >= began + made * everyMs) {
        await client.query("select pg_logical_emit_message(true, 'bench', 'a commit')");
        const at = performance.now();
        const { rows } = await client.query("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::text as n");
        waiting.push({ at, position: rows[0].n });
        made += 1;
      }
      if (waiting.length === 0) continue;
      const stored = await client.query(
        `select max(pg_wal_lsn_diff(restart_lsn, '0/0'))::text as n from pg_replication_slots where ${SLOTS}`,
      );
      const seen = performance.now();
      while (waiting[0] && BigInt(waiting[0].position) <= BigInt(stored.rows[0].n ?? 0)) {
        delays.push(seen - (waiting.shift()?.at ?? seen));
      }
    }
  } finally {
    await client.end();
  }
  return delays;
}

/** pgbench with the log taken and without, in turns. */
async function underLoad(bed: TestBed, rounds: number) {
  await bed.query('postgres', 'create database pulse');
  await bed.run('pgbench --initialize --scale=10 --quiet pulse');
  const tps = { without: [] as number[], with: [] as number[] };
  let peakBytes = 0;
  let logBytes = 0;
  try {
    await pgbench(bed);
    for (let round = 0; round < rounds; round += 1) {
      tps.without.push((await pgbench(bed)).tps);
      const receiver = await receiving(bed, 'pulse', { BACKUP_DIR: bed.empty('log') });
      try {
        const run = await pgbench(bed);
        tps.with.push(run.tps);
        logBytes = Math.max(logBytes, run.logBytes);
      } finally {
        peakBytes = Math.max(peakBytes, receiver.peakBytes());
        await receiver.end();
      }
    }
  } finally {
    await bed.query('postgres', 'drop database pulse with (force)');
  }
  const ratios = tps.with.map((each, round) => each / (tps.without[round] ?? each));
  return { without: median(tps.without), with: median(tps.with), ratio: median(ratios), peakBytes, logBytes };
}

async function pgbench(bed: TestBed): Promise<{ tps: number; logBytes: number }> {
  const where = async () => {
    const [row] = await bed.query<{ at: string }>(
      'postgres',
      "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::text as at",
    );
    return Number(row?.at);
  };
  await bed.query('postgres', 'checkpoint');
  const before = await where();
  const { stdout } = await bed.run(`pgbench --client=2 --jobs=2 --time=${PGBENCH_S} pulse`, {}, { isWatched: false });
  const tps = Number(/^tps = ([\d.]+)/m.exec(stdout)?.[1]);
  return { tps, logBytes: (await where()) - before };
}

/** The highest of the smallest part, in seconds. */
function highest(ms: readonly number[], part: number): number {
  const sorted = [...ms].sort((a, b) => a - b);
  return (sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN) / 1_000;
}
