import { type ChildProcess, spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSecondsOf } from './process-tree.ts';
import { mb, table } from './report.ts';
import { median } from './rounds.ts';
import { type Target, WANTED } from './targets.ts';
import type { TestBed } from './test-bed.ts';

const THEIR_SLOT = 'bench_receivewal';
/** About what a row of the table below adds to the log. */
export const ROW_BYTES = 190;

/** Something that takes the log of the server, and has come up. */
export interface Receiver {
  readonly child: ChildProcess;
  peakBytes(): number;
  end(): Promise<void>;
}

/** What is written while the log is taken, and how often. */
export interface Logged {
  readonly name: string;
  readonly logBytes: number;
  readonly rounds: number;
  receiving(bed: TestBed, database: string, store: Record<string, string>): Promise<Receiver>;
}

interface Taken {
  /** From the first row written until the last of it is acknowledged. */
  readonly mbPerS: number;
  /** From the commit until then. */
  readonly behindS: number;
  readonly cpuMsPerMb: number;
  readonly logBytes: number;
}

interface Taker {
  readonly name: string;
  readonly slots: string;
  start(): Promise<Receiver>;
}

/** How fast the log is taken that one session writes as fast as it can, beside the server's own tool, in turns. */
export async function logTaken(bed: TestBed, of: Logged): Promise<{ body: string; targets: Target[] }> {
  const takers: Taker[] = [
    {
      name: 'pg_receivewal --synchronous -Z gzip:1',
      slots: `slot_name = '${THEIR_SLOT}'`,
      start: () => theirs(bed),
    },
    {
      name: 'ours, receive, directory',
      slots: "slot_name like 'cdb%' and not temporary",
      start: () => of.receiving(bed, of.name, { BACKUP_DIR: bed.empty('log') }),
    },
  ];
  const found = takers.map(() => [] as Taken[]);
  for (let round = 0; round < of.rounds; round += 1) {
    for (const [i, taker] of takers.entries()) found[i]?.push(await once(bed, taker, of.logBytes));
  }
  const middle = (i: number, of: (taken: Taken) => number) => median((found[i] ?? []).map(of));
  const [theirS, ourS] = [0, 1].map((i) => middle(i, ({ mbPerS }) => mbPerS)) as [number, number];
  return {
    body: table(
      [
        'the log taken, written by one session as fast as it can',
        'MB a second',
        'behind at its end, s',
        'CPU, ms a MB',
        'log, MB',
      ],
      takers.map(({ name }, i) => [
        name,
        middle(i, ({ mbPerS }) => mbPerS).toFixed(0),
        middle(i, ({ behindS }) => behindS).toFixed(1),
        middle(i, ({ cpuMsPerMb }) => cpuMsPerMb).toFixed(1),
        mb(middle(i, ({ logBytes }) => logBytes)),
      ]),
    ),
    targets: [
      { what: 'the log taken, of pg_receivewal', reached: ourS / theirS, atLeast: WANTED.taken, unit: '×' },
      { what: 'behind after it', reached: middle(1, ({ behindS }) => behindS), atMost: WANTED.behindS, unit: 's' },
      {
        what: 'CPU for the log',
        reached: middle(1, ({ cpuMsPerMb }) => cpuMsPerMb),
        atMost: WANTED.cpuMsPerMb,
        unit: 'ms/MB',
      },
    ],
  };
}

async function once(bed: TestBed, { slots, start }: Taker, logBytes: number): Promise<Taken> {
  const taker = await start();
  try {
    await acknowledged(bed, slots, await written(bed));
    const [from, cpu] = [await written(bed), cpuSecondsOf(taker.child.pid ?? 0)];
    const started = performance.now();
    const rows = Math.ceil(logBytes / ROW_BYTES);
    await bed.query(
      'postgres',
      `create table taken as select n, repeat(md5(n::text), 4) as v from generate_series(1, ${rows}) n`,
    );
    const committed = performance.now();
    const to = await written(bed);
    await acknowledged(bed, slots, to);
    const ended = performance.now();
    const megabytes = (to - from) / 1e6;
    return {
      mbPerS: megabytes / ((ended - started) / 1_000),
      behindS: (ended - committed) / 1_000,
      cpuMsPerMb: ((cpuSecondsOf(taker.child.pid ?? 0) - cpu) * 1_000) / megabytes,
      logBytes: to - from,
    };
  } finally {
    await bed.query('postgres', 'drop table if exists taken');
    await taker.end();
  }
}

async function theirs(bed: TestBed): Promise<Receiver> {
  const words = ['-D', bed.empty('receivewal'), '--slot', THEIR_SLOT];
  await bed.run(`pg_receivewal ${words.join(' ')} --create-slot --if-not-exists`);
  const child = spawn('pg_receivewal', [...words, '--synchronous', '-Z', 'gzip:1'], { env: bed.env, stdio: 'ignore' });
  const over = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    child,
    peakBytes: () => 0,
    end: async () => {
      child.kill('SIGTERM');
      await over;
      await dropSlots(bed, `slot_name = '${THEIR_SLOT}'`);
    },
  };
}

/** How far the server's log is written, in bytes. */
export async function written(bed: TestBed): Promise<number> {
  const [row] = await bed.query<{ at: string }>(
    'postgres',
    "select pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::text as at",
  );
  return Number(row?.at);
}

const NEVER_MS = 300_000;

/** Drops them once nobody holds them any more: a server notices a little later that its client has gone. */
export async function dropSlots(bed: TestBed, slots: string): Promise<void> {
  for (const deadline = performance.now() + NEVER_MS; ; await sleep(50)) {
    await bed.query(
      'postgres',
      `select pg_drop_replication_slot(slot_name) from pg_replication_slots where ${slots} and not active`,
    );
    const left = await bed.query('postgres', `select from pg_replication_slots where ${slots}`);
    if (left.length === 0) return;
    if (performance.now() > deadline) throw new Error(`somebody holds the slot for five minutes: ${slots}`);
  }
}

/** Resolves when what holds these slots has said that it stored the log up to there. */
export async function acknowledged(bed: TestBed, slots: string, position: number): Promise<void> {
  for (const deadline = performance.now() + NEVER_MS; ; await sleep(20)) {
    const rows = await bed.query(
      'postgres',
      `select from pg_replication_slots where ${slots} and pg_wal_lsn_diff(restart_lsn, '0/0') >= ${position}`,
    );
    if (rows.length > 0) return;
    if (performance.now() > deadline) throw new Error('the log was not taken in five minutes');
  }
}
