import { parseArgs } from 'node:util';

export const PARTS = ['backup', 'memory', 'restore', 'mariadb', 'folders', 'catalog', 'start-up'] as const;
export type Part = (typeof PARTS)[number];

export const HELP = `
bench [--size 1GB] [--rounds 5] [--parts backup,memory,restore,mariadb,folders,catalog,start-up] [--only TEXT,…] [--keys 200000] [--write]

Measures this project side by side with what a user would pick instead, in one run, the candidates taking turns.

  --size 1GB     about how large the plain dump of the database is: 100MB, 1GB, 4GB (BENCH_SIZE)
  --rounds 5     how often each candidate runs; the medians are shown (BENCH_ROUNDS)
  --parts …      what is measured (BENCH_PARTS)
  --only TEXT,…  only candidates whose name holds one of these, beside the first of each table (BENCH_ONLY)
  --keys 200000  the most keys that list, cleanup and status are shown (BENCH_KEYS)
  --write        store the tables in docs/performance.md, and charts of them beside it

It takes about fifteen minutes at 1 GB on two cores and eight times the size in the temporary folder (TMPDIR).
A target that is missed is reported and fails nothing: figures of another machine say little.`;

export interface Options {
  readonly help: boolean;
  readonly sizeBytes: number;
  readonly rounds: number;
  readonly parts: readonly Part[];
  readonly only: readonly string[];
  readonly keys: number;
  readonly write: boolean;
  /** The command that makes this run again. */
  readonly command: string;
}

/** The flags, and what of them the environment sets instead. */
export function readOptions(env: NodeJS.ProcessEnv = process.env): Options {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      size: { type: 'string', default: env.BENCH_SIZE || '1GB' },
      rounds: { type: 'string', default: env.BENCH_ROUNDS || '5' },
      parts: { type: 'string', default: env.BENCH_PARTS || PARTS.join(',') },
      only: { type: 'string', default: env.BENCH_ONLY || '' },
      keys: { type: 'string', default: env.BENCH_KEYS || '200000' },
      write: { type: 'boolean', default: false },
    },
  });
  const parts = values.parts.split(',').map((part) => {
    const known = PARTS.find((name) => name === part);
    if (!known) throw new Error(`--parts: there is no ${part}; there are ${PARTS.join(', ')}`);
    return known;
  });
  const isWhole = parts.length === PARTS.length && values.only === '';
  const settings = [
    `BENCH_SIZE=${values.size}`,
    `BENCH_ROUNDS=${values.rounds}`,
    ...(isWhole ? [] : [`BENCH_PARTS=${values.parts}`, `BENCH_ONLY='${values.only}'`]),
    ...(values.keys === '200000' ? [] : [`BENCH_KEYS=${values.keys}`]),
  ];
  return {
    help: values.help,
    sizeBytes: sizeOf(values.size),
    rounds: countOf('--rounds', values.rounds),
    parts,
    only: values.only.split(','),
    keys: countOf('--keys', values.keys),
    write: values.write,
    command: `${settings.join(' ')} make bench`,
  };
}

function sizeOf(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(MB|GB)$/i.exec(text);
  if (!match) throw new Error(`--size ${text}: wants a size such as 100MB or 4GB`);
  return Number(match[1]) * (match[2]?.toUpperCase() === 'GB' ? 1e9 : 1e6);
}

function countOf(name: string, text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new Error(`${name} ${text}: wants a whole number of at least 1`);
  return count;
}
