import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { encryption } from './encryption.ts';
import type { Options } from './options.ts';
import { bucket, source, verb } from './ours.ts';
import { comparison, mb, nodePeakBytes, type Section, type Target, table, times } from './report.ts';
import { inTurns, type Runs, ratio } from './rounds.ts';
import type { S3, TestBed } from './test-bed.ts';

/** Where one run may write, and what it works on. */
interface Place {
  readonly bed: TestBed;
  readonly database: string;
  /** Empty at the start of each run. */
  readonly out: string;
}

export interface Candidate {
  readonly name: string;
  /** Programs without which it is left out. */
  readonly needs: readonly string[];
  readonly script: (place: Place) => string;
  readonly env?: (place: Place) => Record<string, string>;
}

const DUMP = ({ database }: Place) => `pg_dump --dbname=${database}`;

export const FLOOR = 'pg_dump >/dev/null (the floor)';
export const OURS = 'ours, gzip, directory';
const OURS_FOLDER = 'ours, folder with 2 jobs, directory';
const OURS_S3 = 'ours, gzip, S3';
const OURS_FOLDER_S3 = 'ours, folder with 2 jobs, S3';
const FILE_PREDECESSOR = 'pg_dump \\| gzip > file';

const ENCRYPTED = 'ours, gzip, age, directory';

const ours = (name: string, env: Record<string, string> = {}, needs: readonly string[] = []): Candidate => ({
  name,
  needs,
  script: () => verb('backup', '--json'),
  env: ({ bed, database, out }) => ({ ...source(bed, database), BACKUP_DIR: out, ...env }),
});

/** A further tool is a further row. */
const CANDIDATES: readonly Candidate[] = [
  { name: FLOOR, needs: [], script: (place) => `${DUMP(place)} >/dev/null` },
  ours(OURS),
  ours('ours, zstd, directory', { BACKUP_COMPRESSION: 'zstd' }),
  ours('ours, none, directory', { BACKUP_COMPRESSION: 'none' }),
  ours(OURS_FOLDER, { BACKUP_FORMAT: 'folder', BACKUP_JOBS: '2' }),
  { ...ours(ENCRYPTED, {}, ['age']), env: (place) => ({ ...(ours(OURS).env?.(place) ?? {}), ...encryption() }) },
  { name: FILE_PREDECESSOR, needs: ['gzip'], script: (place) => `${DUMP(place)} | gzip > ${place.out}/d.sql.gz` },
  {
    name: 'pg_dump \\| igzip > file',
    needs: ['igzip'],
    script: (place) => `${DUMP(place)} | igzip > ${place.out}/d.sql.gz`,
  },
  {
    name: 'pg_dump \\| pigz > file',
    needs: ['pigz'],
    script: (place) => `${DUMP(place)} | pigz > ${place.out}/d.sql.gz`,
  },
  { name: 'pg_dump -Fc > file', needs: [], script: (place) => `${DUMP(place)} -Fc > ${place.out}/d.dump` },
  { name: 'pg_dump -Fd -j2', needs: [], script: (place) => `${DUMP(place)} -Fd -j2 -f ${place.out}/d` },
  {
    name: 'pg_dump \\| restic --stdin',
    needs: ['restic'],
    script: (place) => `restic -q -r ${place.out} init && ${DUMP(place)} | restic -q -r ${place.out} backup --stdin`,
    env: () => ({ RESTIC_PASSWORD: 'bench', RESTIC_CACHE_DIR: '/nonexistent', XDG_CACHE_HOME: '/nonexistent' }),
  },
];

/** Those that need a store; `key` is one that no other run has. */
const S3_CANDIDATES = (s3: S3, key: () => string): readonly Candidate[] => [
  {
    ...ours(OURS_S3),
    env: ({ bed, database }) => ({ ...source(bed, database), ...bucket(s3, key()) }),
  },
  {
    ...ours(OURS_FOLDER_S3),
    env: ({ bed, database }) => ({
      ...source(bed, database),
      ...bucket(s3, key()),
      BACKUP_FORMAT: 'folder',
      BACKUP_JOBS: '2',
    }),
  },
  {
    name: 'pg_dump \\| gzip \\| mc pipe',
    needs: ['gzip', 'mc'],
    script: (place) => `${DUMP(place)} | gzip | mc --quiet pipe s3/${s3.bucket}/${key()}.sql.gz`,
    env: () => ({ MC_HOST_s3: s3.endpoint.replace('://', `://${s3.accessKey}:${s3.secretKey}@`) }),
  },
  {
    name: 'pg_dump \\| gzip \\| aws s3 cp -',
    needs: ['gzip', 'aws'],
    script: (place) =>
      `${DUMP(place)} | gzip | aws --endpoint-url ${s3.endpoint} s3 cp --quiet - s3://${s3.bucket}/${key()}.sql.gz`,
    env: () => ({
      AWS_ACCESS_KEY_ID: s3.accessKey,
      AWS_SECRET_ACCESS_KEY: s3.secretKey,
      AWS_DEFAULT_REGION: s3.region,
    }),
  },
];

/** Runs every candidate that this machine has the programs for. */
export async function benchBackups(bed: TestBed, database: string, options: Options): Promise<Section> {
  let uploads = 0;
  const newKey = () => {
    uploads += 1;
    return `bench/${uploads}`;
  };
  const all = [...CANDIDATES, ...(bed.s3 ? S3_CANDIDATES(bed.s3, newKey) : [])];
  const wanted = all.filter(({ name }) => name === FLOOR || options.only.some((text) => name.includes(text)));
  const able = wanted.filter(({ needs }) => needs.every(bed.has));
  const missing = wanted.filter((candidate) => !able.includes(candidate));

  const stored = new Map<string, number>();
  const results = await inTurns(able, options.rounds, async (candidate) => {
    const place: Place = { bed, database, out: bed.empty('out') };
    await bed.query('postgres', 'checkpoint');
    const measured = await bed.run(candidate.script(place), candidate.env?.(place) ?? {});
    stored.set(candidate.name, sizeOf(place.out) || (backedUpBytes(measured.stdout) ?? 0));
    bed.empty('out');
    return measured;
  });

  const notes = [
    ...(bed.s3 ? [] : ['Without a Docker engine there is no store to upload to: everything with S3 is left out.']),
    ...missing.map(
      ({ name, needs }) => `Left out, for want of ${needs.filter((n) => !bed.has(n)).join(', ')}: ${name}.`,
    ),
  ];
  return {
    title: 'Backup',
    body: [
      comparison(results, {
        head: ['stored MB'],
        cells: ({ name }) => [stored.get(name) ? mb(stored.get(name) ?? 0) : '–'],
      }),
      ...notes,
    ].join('\n\n'),
    targets: targetsOf(results),
    chart: { file: 'backup-speed', title: 'Backup of one PostgreSQL database', results },
  };
}

function targetsOf(results: readonly Runs[]): Target[] {
  const find = (name: string) => results.find((runs) => runs.name.includes(name));
  const [floor, directory, s3] = [find(FLOOR), find(OURS), find(OURS_S3)];
  const targets: Target[] = [];
  for (const runs of [find(OURS_FOLDER), find(OURS_FOLDER_S3)]) {
    if (!floor || !runs) continue;
    targets.push({ what: `backup (${runs.name}) to the floor`, reached: ratio(runs, floor), atMost: 0.95, unit: '×' });
  }
  for (const runs of [directory, s3]) {
    if (!floor || !runs) continue;
    targets.push({ what: `backup (${runs.name}) to the floor`, reached: ratio(runs, floor), atMost: 1.5, unit: '×' });
    targets.push({
      what: `node's peak memory (${runs.name})`,
      reached: nodePeakBytes(runs) / 1e6,
      atMost: 220,
      unit: 'MB',
    });
  }
  const encrypted = find(ENCRYPTED);
  if (encrypted && directory) {
    const reached = ratio(encrypted, directory);
    targets.push({ what: 'backup, encrypted to plain', reached, atMost: 1.3, unit: '×' });
  }
  const predecessors = s3 ? [find('mc pipe'), find('aws s3 cp')] : [find(FILE_PREDECESSOR)];
  for (const predecessor of predecessors) {
    const rival = s3 ?? directory;
    if (!predecessor || !rival) continue;
    targets.push({
      what: `as fast as \`${predecessor.name}\``,
      reached: ratio(predecessor, rival),
      atLeast: 2.5,
      unit: '×',
    });
  }
  return targets;
}

function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

function backedUpBytes(stdout: string): number | undefined {
  if (!stdout.startsWith('{')) return undefined;
  const document = JSON.parse(stdout) as { results: { sizeBytes: number | null }[] };
  return document.results[0]?.sizeBytes ?? undefined;
}

/** Node's memory at a quarter of the size and at the whole: it is to be the same. */
export async function benchMemory(
  bed: TestBed,
  databases: readonly { name: string; dumpBytes: number }[],
  options: Options,
): Promise<Section> {
  const rows: string[][] = [];
  const peaks: number[] = [];
  const storages = [
    { name: 'directory', env: (out: string) => ({ BACKUP_DIR: out }) },
    ...(bed.s3 ? [{ name: 'S3', env: () => bucket(bed.s3 as S3, `memory/${process.hrtime.bigint()}`) }] : []),
  ];
  for (const storage of storages) {
    const candidates = databases.map((database) => ({
      ...database,
      name: `${database.name} to ${storage.name}`,
      database: database.name,
    }));
    const results = await inTurns(candidates, Math.min(options.rounds, 3), ({ database }) =>
      bed.run(verb('backup', '--json'), { ...source(bed, database), ...storage.env(bed.empty('out')) }),
    );
    const of = results.map(nodePeakBytes);
    peaks.push(...of);
    rows.push([
      `backup, ${storage.name}`,
      ...of.map((bytes) => `${mb(bytes)} MB`),
      times((of.at(-1) ?? 0) / (of[0] ?? 1)),
    ]);
  }
  bed.empty('out');
  return {
    title: "Node's peak memory, whatever the size",
    body: table(['', ...databases.map(({ dumpBytes }) => `${mb(dumpBytes)} MB dump`), 'growth'], rows),
    targets: [{ what: "node's peak memory, at any size", reached: Math.max(...peaks) / 1e6, atMost: 220, unit: 'MB' }],
  };
}
