import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Options } from './options.ts';
import { bucket, verb } from './ours.ts';
import { comparison, mb, nodePeakBytes, type Section } from './report.ts';
import { inTurns, ratio } from './rounds.ts';
import { type Target, WANTED } from './targets.ts';
import type { S3, TestBed } from './test-bed.ts';

const BACKUPS = 8;
const MIB = 2 ** 20;

/**
 * Copies beside `rclone copy` of the same objects between the same stores, and reading back beside `sha256sum` of the same
 * files. What is stored is as random as what is compressed or encrypted.
 */
export async function benchCopies(bed: TestBed, options: Options): Promise<Section> {
  const data = bed.empty('data');
  const primary = bed.empty('primary');
  const source = {
    BACKUP_SOURCE_DATA: `file://${data}`,
    RETENTION_KEEP_LAST: 'unlimited',
    DRILL_DIR: bed.empty('notes'),
  };
  const stored = { ...source, BACKUP_DIR: primary };
  for (let n = 0; n < BACKUPS; n += 1) {
    await fill(join(bed.empty('data'), 'noise.bin'), options.sizeBytes / BACKUPS);
    await bed.run(verb('backup'), stored, { isWatched: false });
  }
  bed.empty('data');

  const tables: string[] = [];
  const targets: Target[] = [];
  const compare = async (what: string, candidates: Parameters<typeof inTurns<Candidate>>[0]) => {
    const results = await inTurns(candidates, options.rounds, async ({ script, env = {}, prepare, check }) => {
      prepare?.();
      const measured = await bed.run(script, env, { target: join(bed.folder, 'out') });
      check?.(measured.stdout);
      return measured;
    });
    tables.push(`**${what}**\n\n${comparison(results)}`);
    const [floor, ours] = results;
    if (!floor || !ours) return;
    // 0.9 × as fast
    targets.push({ what: `${what}, beside ${floor.name}`, reached: ratio(ours, floor), atMost: 1.11, unit: '×' });
    const reached = nodePeakBytes(ours) / 1e6;
    targets.push({ what: `node's peak memory (${what})`, reached, atMost: WANTED.nodePeakMb, unit: 'MB' });
  };

  const out = join(bed.folder, 'out');
  const prepare = () => void bed.empty('out');
  const copyOut = {
    name: 'ours',
    script: verb('copy', '--refill', '--json'),
    env: { ...stored, COPY_OUT: `file://${out}` },
    prepare,
    check: hasCopiedAll,
  };
  const rclone = bed.has('rclone');
  const floor = rclone ? `rclone copy ${primary} ${out}` : `cp -r ${primary}/. ${out}`;
  await compare('copy, folder to folder', [
    { name: rclone ? 'rclone copy' : 'cp -r', script: floor, prepare },
    copyOut,
  ]);
  if (bed.s3 && rclone) await compare('copy, S3 to S3', await betweenBuckets(bed, bed.s3, primary, source));
  await compare('reading back, folder', [
    { name: 'sha256sum', script: `find ${primary} -type f -exec sha256sum {} + >/dev/null` },
    { name: 'ours', script: verb('verify', '--all'), env: stored },
  ]);
  for (const name of ['out', 'primary', 'notes']) bed.empty(name);
  const left = rclone
    ? ''
    : '\n\nrclone is not in PATH: `cp -r` stands for it between folders, and S3 to S3 is left out.';
  return {
    title: 'Copies',
    body: `${tables.join('\n\n')}\n\n${BACKUPS} backups of ${mb(options.sizeBytes)} MB in all.${left}`,
    targets,
  };
}

interface Candidate {
  readonly name: string;
  readonly script: string;
  readonly env?: Record<string, string>;
  readonly prepare?: () => void;
  /** Throws unless what was said is that everything was copied: a copy that is away is no failure. */
  readonly check?: (stdout: string) => void;
}

function hasCopiedAll(stdout: string): void {
  const { copies } = JSON.parse(stdout) as { copies: { copied: unknown[] }[] };
  if (copies[0]?.copied.length !== BACKUPS)
    throw new Error(`${copies[0]?.copied.length} of ${BACKUPS} backups were copied`);
}

/** Between prefixes of one store, which rclone takes for two: else the store would copy by itself. Each run has a prefix of its own. */
async function betweenBuckets(
  bed: TestBed,
  s3: S3,
  primary: string,
  source: Record<string, string>,
): Promise<Candidate[]> {
  const remote = (name: string) => ({
    [`RCLONE_CONFIG_${name}_TYPE`]: 's3',
    [`RCLONE_CONFIG_${name}_PROVIDER`]: 'Other',
    [`RCLONE_CONFIG_${name}_ENDPOINT`]: s3.endpoint,
    [`RCLONE_CONFIG_${name}_REGION`]: s3.region,
    [`RCLONE_CONFIG_${name}_ACCESS_KEY_ID`]: s3.accessKey,
    [`RCLONE_CONFIG_${name}_SECRET_ACCESS_KEY`]: s3.secretKey,
  });
  const rclone = { ...remote('A'), ...remote('B') };
  await bed.run(`rclone copy ${primary} A:${s3.bucket}/primary`, rclone, { isWatched: false });
  // the run's process tells apart what every run writes anew
  const fresh = 'copy-$$-$(date +%s%N)';
  return [
    { name: 'rclone copy', script: `rclone copy A:${s3.bucket}/primary B:${s3.bucket}/${fresh}`, env: rclone },
    {
      name: 'ours',
      script: `export COPY_OUT="s3://${s3.bucket}/${fresh}?endpoint=${s3.endpoint}&region=${s3.region}"; ${verb('copy', '--refill', '--json')}`,
      check: hasCopiedAll,
      env: {
        ...source,
        ...bucket(s3, 'primary/'),
        COPY_OUT_ACCESS_KEY: s3.accessKey,
        COPY_OUT_SECRET_KEY: s3.secretKey,
      },
    },
  ];
}

async function fill(path: string, bytes: number): Promise<void> {
  mkdirSync(join(path, '..'), { recursive: true });
  const file = createWriteStream(path);
  for (let left = bytes; left > 0; left -= MIB)
    if (!file.write(randomBytes(Math.min(MIB, Math.ceil(left))))) await once(file, 'drain');
  file.end();
  await once(file, 'close');
}
