import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openS3 } from '../../scripts/lib/storages/s3/s3.ts';
import type { Storage } from '../../scripts/lib/storages/storage.ts';
import type { Measurement } from './measure.ts';
import type { Options } from './options.ts';
import { bucket, source, verb } from './ours.ts';
import type { TestBed } from './test-bed.ts';

/** Where one run may write, and what it works on. */
export interface Place {
  readonly bed: TestBed;
  readonly database: string;
  /** The folder to back up into, empty at the start of each run. */
  readonly out: string;
  /** The folder to restore a cluster into, empty as well. */
  readonly restored: string;
  /** What its keys in a store begin with; no other run has it. */
  readonly key: string;
}

/** One way to back a database up. */
export interface Candidate {
  readonly name: string;
  /** Programs without which it is left out; `S3` stands for a store to upload to, `$NAME` for a folder that this variable names. */
  readonly needs: readonly string[];
  /** Runs only where it is asked for by name: another row says nearly the same. */
  readonly isOptional?: boolean;
  /** Copies the files of the whole cluster, not one database. */
  readonly isPhysical?: boolean;
  readonly script: (place: Place) => string;
  readonly env?: (place: Place) => Record<string, string>;
  /** How its backup is restored, and seen; without it neither is tried. */
  readonly afterwards?: Afterwards;
}

/** What is to be known of a backup beside what it costs. */
export interface Afterwards {
  /** Restores it: into the database RESTORED, which it makes, or of a cluster into the new folder `restored` of the place. */
  readonly restore: (place: Place) => string;
  /**
   * Ends well where the tool has a backup that it takes for good; of a mere file, where that is there under its name. Without grep -q, which
   * breaks off the list that it reads: a pipeline of that fails now and then.
   */
  readonly listed: (place: Place) => string;
  /** It keeps no list, and where it writes to is looked at. */
  readonly isFile?: boolean;
  /** What sends the data, where that is not pg_dump: the first process of this name that it starts, or the last one. */
  readonly sender?: { readonly name: string; readonly isLast?: boolean };
}

/** The database that a backup is restored into, for a look at it. */
export const RESTORED = 'restored';
/** The start of every restore of one database. */
export const CREATE = `createdb -T template0 ${RESTORED}`;
export const PSQL = `psql -X -q -v ON_ERROR_STOP=1 -d ${RESTORED} -o /dev/null`;

export const FLOOR: Candidate = {
  name: 'pg_dump >/dev/null (the floor)',
  needs: [],
  script: (place) => `${dump(place)} >/dev/null`,
};

/** The start of every pipeline. */
export function dump({ database }: Place): string {
  return `pg_dump --dbname=${database}`;
}

/** One of ours, into the run's folder or with `S3` among its needs into the store. */
export function ours(
  name: string,
  more: () => Record<string, string> = () => ({}),
  needs: readonly string[] = [],
): Candidate {
  return {
    name,
    needs,
    script: () => verb('backup', '--json'),
    env: ({ bed, database, out, key }) => ({
      ...source(bed, database),
      ...(needs.includes('S3') && bed.s3 ? bucket(bed.s3, key) : { BACKUP_DIR: out }),
      ...more(),
    }),
    afterwards: {
      restore: () => verb('restore', 'latest', '--to', RESTORED, '--json'),
      listed: () => `${verb('list', '--json')} | grep '"key"' >/dev/null`,
    },
  };
}

/** What of a list takes part, in its order: `always` whatever was asked for. */
export function choose(all: readonly Candidate[], options: Options, always: readonly Candidate[]): Candidate[] {
  return all.filter(
    (candidate) =>
      always.includes(candidate) ||
      (options.only.length === 0 ? !candidate.isOptional : options.only.some((text) => candidate.name.includes(text))),
  );
}

/** Programs and folders that a candidate wants and this machine has not. */
export function missingFor({ needs }: Candidate, bed: TestBed): string[] {
  return needs.filter((need) => {
    if (need === 'S3') return !bed.s3;
    return need.startsWith('$') ? !process.env[need.slice(1)] : !bed.has(need);
  });
}

/** A line for each candidate that could not run. */
export function leftOut(candidates: readonly Candidate[], bed: TestBed): string[] {
  const missing = candidates.filter((candidate) => missingFor(candidate, bed).length > 0);
  return missing.map((candidate) => {
    const wanted = missingFor(candidate, bed).map((need) => {
      if (need === 'S3') return 'a store (no Docker engine here)';
      return need.startsWith('$') ? `a checkout of it named by ${need.slice(1)}` : need;
    });
    return `Left out, for want of ${wanted.join(', ')}: ${candidate.name}.`;
  });
}

let runs = 0;

/** Runs a candidate in a new place, and says what it left there. What it stored is removed again. */
export async function backUp(
  bed: TestBed,
  database: string,
  candidate: Candidate,
  { isWatched = true } = {},
): Promise<{ measured: Measurement; storedBytes: number }> {
  return inPlace(bed, database, candidate, async (place) => {
    await bed.query('postgres', 'checkpoint');
    const measured = await bed.run(candidate.script(place), candidate.env?.(place) ?? {}, {
      target: place.out,
      isWatched,
    });
    return { measured, storedBytes: sizeOf(place.out) + (await sizeInStore(candidate, place)) };
  });
}

/** Gives work on a candidate a new place, and removes all that is left there. */
export async function inPlace<T>(
  bed: TestBed,
  database: string,
  candidate: Candidate,
  work: (place: Place) => Promise<T>,
): Promise<T> {
  runs += 1;
  const place: Place = {
    bed,
    database,
    out: bed.empty('out'),
    restored: bed.empty('restored'),
    key: `bench/${runs}`,
  };
  try {
    return await work(place);
  } finally {
    if (candidate.needs.includes('S3'))
      await withStored(place, async (storage, keys) => storage.remove([...keys.keys()]));
    bed.empty('out');
    bed.empty('restored');
  }
}

/** A file with several names counts once. */
function sizeOf(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const stats = files.map((entry) => statSync(join(entry.parentPath, entry.name)));
  return [...new Map(stats.map(({ ino, size }) => [ino, size])).values()].reduce((sum, size) => sum + size, 0);
}

async function sizeInStore({ needs }: Candidate, place: Place): Promise<number> {
  if (!needs.includes('S3')) return 0;
  return withStored(place, async (_, keys) => [...keys.values()].reduce((sum, bytes) => sum + bytes, 0));
}

/** Works on what is below a place's prefix in the store, with the bytes of each key; the store would fill up else. */
async function withStored<T>(
  { bed, key: prefix }: Place,
  work: (storage: Storage, keys: ReadonlyMap<string, number>) => Promise<T>,
): Promise<T> {
  if (!bed.s3) throw new Error('there is no store');
  const storage = openS3(bed.s3);
  try {
    const keys = new Map<string, number>();
    // with the slash: bench/1 is not bench/11; without it: a single object named by the key
    for await (const { key, sizeBytes } of storage.list(prefix))
      if (key.startsWith(`${prefix}/`) || key.startsWith(`${prefix}.`)) keys.set(key, sizeBytes);
    return await work(storage, keys);
  } finally {
    await storage.close();
  }
}
