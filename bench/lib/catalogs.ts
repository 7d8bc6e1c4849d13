import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { dataKey, manifestKey, stemOf } from '../../scripts/lib/object-key.ts';
import { startS3Double } from '../../test/support/s3-double.ts';
import type { Options } from './options.ts';
import { bucket, verb } from './ours.ts';
import { mb, nodePeakBytes, type Section, seconds, type Target, table } from './report.ts';
import { inTurns, of, type Runs } from './rounds.ts';
import type { TestBed } from './test-bed.ts';

const SOURCES = 5;
const HOUR_MS = 3_600_000;

const VERBS = {
  list: verb('list', '--json'),
  'cleanup --dry-run': verb('cleanup', '--dry-run', '--json'),
} as const;

/** The keys of hourly backups of a few databases, two keys each: the dump and its manifest. */
function* keysOf(count: number): Generator<string> {
  const newest = Date.UTC(2026, 0, 1);
  for (let n = 0; n < count / 2; n += 1) {
    const stem = stemOf('', `shop-${n % SOURCES}`, new Date(newest - Math.floor(n / SOURCES) * HOUR_MS));
    yield dataKey(stem, 'sql.gz');
    yield manifestKey(stem);
  }
}

/** list and cleanup --dry-run over more and more keys, in a directory and in an S3-compatible store. */
export async function benchCatalogs(bed: TestBed, options: Options): Promise<Section> {
  const counts = [1_000, 10_000, 100_000, 200_000].filter((count) => count <= options.keys);
  const storages = [
    { name: 'directory', open: seedDirectory },
    { name: 'S3', open: seedDouble },
  ];
  const rows: string[][] = [];
  const targets: Target[] = [];
  for (const storage of storages) {
    const found = new Map<number, Runs[]>();
    for (const count of counts) {
      const { env, close } = await storage.open(bed, count);
      const verbs = Object.entries(VERBS).map(([name, script]) => ({ name, script }));
      found.set(
        count,
        await inTurns(verbs, Math.min(options.rounds, 3), ({ script }) => bed.run(`${script} >/dev/null`, env)),
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
        if (count < 100_000) continue;
        const what = `${name}, ${storage.name}, ${count} keys`;
        targets.push({ what, reached: wallS, atMost: count === 100_000 ? 10 : 5, unit: 's' });
        targets.push({ what: `${what}, memory`, reached: nodePeakBytes(runs) / 1e6, atMost: 300, unit: 'MB' });
      }
    }
  }
  return {
    title: 'list and cleanup over many keys',
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
  for (const key of keysOf(count)) {
    const path = join(root, key);
    const folder = dirname(path);
    if (!folders.has(folder)) mkdirSync(folder, { recursive: true });
    folders.add(folder);
    writeFileSync(path, '');
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
  for (const key of keysOf(count)) double.seed(key);
  return { env: bucket(double.settings), close: () => double.close() };
}
