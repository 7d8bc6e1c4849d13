import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { encodeManifest } from '../../scripts/lib/manifest.ts';
import { dataKey, manifestKey, stemOf } from '../../scripts/lib/object-key.ts';
import { startS3Double } from '../../test/support/s3-double.ts';
import type { Options } from './options.ts';
import { bucket, verb } from './ours.ts';
import { mb, nodePeakBytes, type Section, seconds, type Target, table } from './report.ts';
import { inTurns, of, type Runs } from './rounds.ts';
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
  { keys: 100_000, verbs: ['list', 'cleanup --dry-run'], atMostS: 10 },
  { keys: 200_000, verbs: ['list', 'cleanup --dry-run'], atMostS: 5 },
];
const MEMORY_GOAL_MB = 300;

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
  const counts = [2_000, 20_000, 100_000, 200_000].filter((count) => count <= options.keys);
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
      let before: { count: number; wallS: number } | undefined;
      for (const [count, results] of found) {
        const runs = results.find((result) => result.name === name);
        if (!runs) continue;
        const wallS = of(runs, (run) => run.wallS);
        const slope = before ? ((wallS - before.wallS) / (count - before.count)) * 1e6 : undefined;
        rows.push([
          `${name}, ${storage.name}`,
          String(count),
          seconds(runs),
          slope?.toFixed(1) ?? '',
          mb(nodePeakBytes(runs)),
        ]);
        before = { count, wallS };
        const goal = GOALS.find(({ keys, verbs }) => keys === count && verbs.some((each) => each === name));
        if (!goal) continue;
        const what = `${name}, ${storage.name}, ${count} keys`;
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
    title: 'list, cleanup and status over many keys',
    body: [
      table(['', 'keys', 'wall s (min–max)', 'µs for each key more', 'peak MB, node'], rows),
      'Two keys are one backup: the dump and its manifest. S3 is a double on the same machine, without the way to a real store: there, each 1,000 keys cost one round trip more.',
    ].join('\n\n'),
    targets,
  };
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
