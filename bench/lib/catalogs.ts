import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { encodeManifest } from '../../scripts/lib/repository/manifest-text.ts';
import { dataKey, manifestKey, stemOf } from '../../scripts/lib/repository/object-key.ts';
import { startS3Double } from '../../test/support/s3-double.ts';
import type { Options } from './options.ts';
import { bucket, verb } from './ours.ts';
import { figure, mb, nodePeakBytes, type Section, seconds, table } from './report.ts';
import { inTurns, of, type Runs } from './rounds.ts';
import { exponentOf } from './slope.ts';
import { type Target, WANTED } from './targets.ts';
import type { TestBed } from './test-bed.ts';

const SOURCES = Array.from({ length: 5 }, (_, n) => `shop-${n}`);
const HOUR_MS = 3_600_000;

const VERBS = {
  list: verb('list', '--json'),
  'cleanup --dry-run': verb('cleanup', '--dry-run', '--json'),
  // 3: it did its work and found something stale, as all of this is
  status: `{ ${verb('status', '--json')} || [ $? = 3 ]; }`,
} as const;

interface Goal {
  readonly keys: number;
  readonly verbs: readonly (keyof typeof VERBS)[];
  readonly atMostS: number;
}

const GOALS: readonly Goal[] = [
  { keys: 20_000, verbs: ['status'], atMostS: 2 },
  { keys: 200_000, verbs: ['list', 'cleanup --dry-run'], atMostS: WANTED.manyBackupsS },
  { keys: 1_000_000, verbs: ['list', 'cleanup --dry-run', 'status'], atMostS: WANTED.millionKeysS },
];
const MEMORY_GOAL_MB = 300;
/** Of keys: of 1,000, 10,000, 100,000 and 500,000 backups. */
const COUNTS = [2_000, 20_000, 200_000, 1_000_000];

interface Seed {
  readonly key: string;
  readonly content: string;
}

/** Hourly backups of a few databases, two keys each: the dump, which is empty here, and its manifest. */
function* seedsOf(keys: number): Generator<Seed> {
  const newest = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
  for (let n = 0; n < keys / 2; n += 1) {
    const source = SOURCES[n % SOURCES.length] ?? '';
    const stem = stemOf('', source, new Date(newest - Math.floor(n / SOURCES.length) * HOUR_MS));
    yield { key: dataKey(stem, 'sql.gz'), content: '' };
    // status reads the two newest of each source, and no verb here any other
    yield { key: manifestKey(stem), content: n < 2 * SOURCES.length ? manifestOf(source, stem, newest) : '' };
  }
}

function manifestOf(source: string, stem: string, newest: number): string {
  const time = new Date(newest).toISOString();
  const sha256 = createHash('sha256').digest('hex');
  return encodeManifest({
    version: 1,
    source,
    engine: 'postgres',
    database: source,
    kind: 'backup',
    createdAt: time,
    startedAt: time,
    finishedAt: time,
    serverVersion: '18.1',
    clientVersion: '18.1',
    format: 'sql',
    compression: 'gzip',
    encryption: null,
    objects: [{ name: `${basename(stem)}.sql.gz`, sizeBytes: 0, sha256 }],
    rawBytes: 0,
    tables: Array.from({ length: 50 }, (_, n) => ({ table: `public.table_${n}`, rows: 1_000 * n })),
    sequences: [],
  }).toString();
}

/** list, cleanup --dry-run and status over more and more keys, in a directory and in an S3-compatible store. */
export async function benchCatalogs(bed: TestBed, options: Options): Promise<Section> {
  const counts = COUNTS.filter((count) => count <= options.keys);
  const storages = [
    { name: 'directory', open: seedDirectory },
    { name: 'S3', open: seedDouble },
  ];
  const rows: string[][] = [];
  const sources = Object.fromEntries(
    SOURCES.map((name) => [
      `BACKUP_SOURCE_${name.toUpperCase().replaceAll('-', '_')}`,
      `postgres://postgres@${bed.host}:${bed.port}/postgres`,
    ]),
  );
  const targets: Target[] = [];
  for (const storage of storages) {
    const found = new Map<number, Runs[]>();
    for (const count of counts) {
      const { env, close } = await storage.open(bed, count);
      const verbs = Object.entries(VERBS).map(([name, script]) => ({ name, script }));
      found.set(
        count,
        await inTurns(verbs, Math.min(options.rounds, 3), ({ script }) =>
          bed.run(`${script} >/dev/null`, { ...sources, ...env }),
        ),
      );
      await close();
    }
    for (const name of Object.keys(VERBS)) {
      const sizes = [...found].flatMap(([count, results]) => {
        const runs = results.find((result) => result.name === name);
        return runs ? [{ count, runs, wallS: of(runs, (run) => run.wallS) }] : [];
      });
      rows.push(rowOf(`${name}, ${storage.name}`, counts, sizes));
      for (const { count, runs, wallS } of sizes) {
        const goal = GOALS.find(({ keys, verbs }) => keys === count && verbs.some((each) => each === name));
        if (!goal) continue;
        const what = `${name}, ${storage.name}, ${count / 2} backups`;
        targets.push({ what, reached: wallS, atMost: goal.atMostS, unit: 's' });
        targets.push({
          what: `${what}, memory`,
          reached: nodePeakBytes(runs) / 1e6,
          atMost: MEMORY_GOAL_MB,
          unit: 'MB',
        });
      }
    }
  }
  return {
    title: 'list, cleanup and status over many backups',
    body: [
      table(
        [
          '',
          ...counts.map((count) => `wall s at ${count / 2} backups`),
          'µs for each backup more',
          'slope',
          'peak MB, node',
        ],
        rows,
      ),
      'A backup is two keys: the dump and its manifest. The slope is the exponent, from logarithms of both: 0 does not follow the number, 1 is in proportion to it; it stays below 1 while starting up weighs. S3 is a double on the same machine, without the way to a real store: there, each 1,000 keys cost one round trip more.',
    ].join('\n\n'),
    targets,
  };
}

function rowOf(
  name: string,
  counts: readonly number[],
  sizes: readonly { count: number; runs: Runs; wallS: number }[],
): string[] {
  const [before, last] = sizes.slice(-2);
  const each = before && last ? ((last.wallS - before.wallS) / ((last.count - before.count) / 2)) * 1e6 : Number.NaN;
  return [
    name,
    ...counts.map((count) => {
      const at = sizes.find((size) => size.count === count);
      return at ? seconds(at.runs) : '–';
    }),
    figure(each, 1),
    figure(exponentOf(sizes.map(({ count, wallS }) => ({ size: count, cost: wallS }))), 2),
    sizes.map(({ runs }) => mb(nodePeakBytes(runs))).join(' → '),
  ];
}

interface Seeded {
  readonly env: Record<string, string>;
  close(): Promise<void>;
}

async function seedDirectory(bed: TestBed, count: number): Promise<Seeded> {
  const root = bed.empty('catalog');
  const folders = new Set<string>();
  for (const { key, content } of seedsOf(count)) {
    const path = join(root, key);
    const folder = dirname(path);
    if (!folders.has(folder)) mkdirSync(folder, { recursive: true });
    folders.add(folder);
    writeFileSync(path, content);
  }
  return {
    env: { BACKUP_DIR: root },
    close: async () => {
      bed.empty('catalog');
    },
  };
}

async function seedDouble(_bed: TestBed, count: number): Promise<Seeded> {
  const double = await startS3Double();
  for (const { key, content } of seedsOf(count)) double.seed(key, content);
  return { env: bucket(double.settings), close: () => double.close() };
}
