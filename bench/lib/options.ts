import { parseArgs } from 'node:util';

export const PARTS = [
  'rivals',
  'waits',
  'backup',
  'restore',
  'growth',
  'catalog',
  'small',
  'start-up',
  'looks',
  'log',
  'mariadb',
  'folders',
  'copies',
  'pick',
] as const;
export type Part = (typeof PARTS)[number];

/** They have floors of their own, and nothing to do with the rest. */
const APART: readonly Part[] = ['log', 'mariadb', 'folders', 'copies', 'pick'];
const DEFAULT_PARTS: readonly Part[] = PARTS.filter((part) => !APART.includes(part));
const DEFAULTS = { size: '1GB', rounds: '5', parts: DEFAULT_PARTS.join(','), only: '', keys: '200000' } as const;

export const HELP = `
make bench -- [--size 1GB] [--rounds 5] [--parts PART,…] [--only TEXT,…] [--write]

Measures this project side by side with what a user would pick instead, in one run, the candidates taking turns.

  --size SIZE     about how large the plain dump of the database is: 100MB, 1GB, 4GB [1GB] (BENCH_SIZE)
  --rivals SIZE   the same for the comparison with other tools and for waits [a quarter of --size] (BENCH_RIVALS)
  --rounds N      how often each candidate runs; the medians are shown [5] (BENCH_ROUNDS)
  --parts PART,…  what is measured, or all [all but the last five] (BENCH_PARTS):
    rivals          backups, beside dumps, pipelines and tools such as restic and pgBackRest; each is restored and
                    compared once, and run once more with its dump killed
    waits           how long another session's UPDATE waits meanwhile
    backup          backups, beside the floor and the predecessor, for the targets
    restore         restores, beside psql and pg_restore
    growth          backup and restore at a sixteenth, a quarter and the whole of --size; at most 3 rounds
    catalog         list, cleanup and status of 1,000, 10,000 and 100,000 backups, with --keys 1000000 of 500,000; at most 3
                    rounds
    small           what does not follow the size: one database of 1 MB, 200 of them, and 25 MB restored
    start-up        what a verb costs before it does anything
    looks           a look beside a drill, and diff of 10,000 tables
    log             bases beside pg_basebackup, how soon a commit is stored, and what taking the log costs a server
    mariadb         backups of MariaDB, of --size
    folders         backups of 20,000 files, of --size in all
    copies          copies and reading back, of --size in all, beside rclone (where it is in PATH) and sha256sum
    pick            one table picked out of twenty, of --size in all, beside the restore of all
  --only TEXT,…   only candidates whose name holds one of these, beside the first of each table; also the only way
                  to rows that others stand for: drill, age, aws, ANALYZE, …  (BENCH_ONLY)
  --keys N        the most keys that list, cleanup and status are shown, two a backup [200000] (BENCH_KEYS)
  --write         store tables and charts in docs/

Other tools take part where they are in PATH; two that are no programs, where a variable names a checkout of them:
  BENCH_BACKUP_LOCAL   of prodrigestivill/docker-postgres-backup-local
  BENCH_BACKUP_S3      of eeshugerman/postgres-backup-s3; wants aws, and a Docker engine for the store

At 1 GB on two idle cores it takes about forty minutes: backup 9 minutes, restore 7, rivals 15, waits, growth and
catalog 2 or 3 each. At 250 MB it takes about ten minutes. The temporary folder (TMPDIR) has to hold eight times the size. A target that is missed is reported and fails
nothing: figures of another machine say little.`;

export interface Options {
  readonly help: boolean;
  readonly sizeBytes: number;
  readonly rivalsBytes: number;
  readonly rounds: number;
  readonly parts: readonly Part[];
  readonly only: readonly string[];
  readonly keys: number;
  readonly write: boolean;
  /** The command that makes this run again. */
  readonly command: string;
}

/** The flags, and what of them the environment sets instead. */
export function readOptions(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      size: { type: 'string', default: env.BENCH_SIZE || DEFAULTS.size },
      rivals: { type: 'string', default: env.BENCH_RIVALS || '' },
      rounds: { type: 'string', default: env.BENCH_ROUNDS || DEFAULTS.rounds },
      parts: { type: 'string', default: env.BENCH_PARTS || DEFAULTS.parts },
      only: { type: 'string', default: env.BENCH_ONLY || DEFAULTS.only },
      keys: { type: 'string', default: env.BENCH_KEYS || DEFAULTS.keys },
      write: { type: 'boolean', default: false },
    },
  });
  const { size, rivals, rounds, parts, only, keys } = values;
  const sizeBytes = sizeOf('--size', size);
  return {
    help: values.help,
    sizeBytes,
    rivalsBytes: rivals === '' ? sizeBytes / 4 : sizeOf('--rivals', rivals),
    rounds: countOf('--rounds', rounds),
    parts: parts === 'all' ? PARTS : parts.split(',').map(partOf),
    only: only.split(',').filter((text) => text !== ''),
    keys: countOf('--keys', keys),
    write: values.write,
    command: [
      // always said, for a reader who does not know what they are otherwise
      `BENCH_SIZE=${size}`,
      `BENCH_ROUNDS=${rounds}`,
      ...(rivals === '' ? [] : [`BENCH_RIVALS=${rivals}`]),
      ...(parts === DEFAULTS.parts ? [] : [`BENCH_PARTS=${parts}`]),
      ...(only === DEFAULTS.only ? [] : [`BENCH_ONLY='${only}'`]),
      ...(keys === DEFAULTS.keys ? [] : [`BENCH_KEYS=${keys}`]),
      values.write ? 'make bench -- --write' : 'make bench',
    ].join(' '),
  };
}

function partOf(text: string): Part {
  const known = PARTS.find((name) => name === text);
  if (!known) throw new Error(`--parts: there is no ${text}; there are ${PARTS.join(', ')}`);
  return known;
}

function sizeOf(name: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(MB|GB)$/i.exec(text);
  if (!match || Number(match[1]) === 0) throw new Error(`${name} ${text}: wants a size such as 100MB or 4GB`);
  return Number(match[1]) * (match[2]?.toUpperCase() === 'GB' ? 1e9 : 1e6);
}

function countOf(name: string, text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new Error(`${name} ${text}: wants a whole number of at least 1`);
  return count;
}
