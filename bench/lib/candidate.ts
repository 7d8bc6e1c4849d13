import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openS3 } from '../../scripts/lib/storages/s3/s3.ts';
import type { Measurement } from './measure.ts';
import type { Options } from './options.ts';
import { bucket, source, verb } from './ours.ts';
import type { S3, TestBed } from './test-bed.ts';

/** Where one run may write, and what it works on. */
export interface Place {
  readonly bed: TestBed;
  readonly database: string;
  /** The folder to back up into, empty at the start of each run. */
  readonly out: string;
  /** What its keys in a store begin with; no other run has it. */
  readonly key: string;
}

/** One way to back a database up. */
export interface Candidate {
  readonly name: string;
  /** Programs without which it is left out; `S3` stands for a store to upload to. */
  readonly needs: readonly string[];
  /** Runs only where it is asked for by name: another row says nearly the same. */
  readonly isOptional?: boolean;
  /** Copies the files of the whole cluster, not one database. */
  readonly isPhysical?: boolean;
  readonly script: (place: Place) => string;
  readonly env?: (place: Place) => Record<string, string>;
}

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

/** Programs that a candidate wants and this machine has not. */
export function missingFor({ needs }: Candidate, bed: TestBed): string[] {
  return needs.filter((need) => (need === 'S3' ? !bed.s3 : !bed.has(need)));
}

/** A line for each candidate that could not run. */
export function leftOut(candidates: readonly Candidate[], bed: TestBed): string[] {
  const missing = candidates.filter((candidate) => missingFor(candidate, bed).length > 0);
  return missing.map((candidate) => {
    const wanted = missingFor(candidate, bed).map((need) => (need === 'S3' ? 'a store (no Docker engine here)' : need));
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
  runs += 1;
  const place: Place = { bed, database, out: bed.empty('out'), key: `bench/${runs}` };
  await bed.query('postgres', 'checkpoint');
  const measured = await bed.run(candidate.script(place), candidate.env?.(place) ?? {}, {
    target: place.out,
    isWatched,
  });
  const inStore = candidate.needs.includes('S3') && bed.s3 ? await emptied(bed.s3, place.key) : 0;
  const storedBytes = sizeOf(place.out) + inStore;
  bed.empty('out');
  return { measured, storedBytes };
}

function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

/** Removes all that is below a prefix, so that the store does not fill up. @returns the bytes that it was */
async function emptied(s3: S3, prefix: string): Promise<number> {
  const storage = openS3(s3);
  try {
    let bytes = 0;
    const keys: string[] = [];
    // with the slash: bench/1 is not bench/11; without it: a single object named by the key
    for await (const { key, sizeBytes } of storage.list(prefix)) {
      if (!key.startsWith(`${prefix}/`) && !key.startsWith(`${prefix}.`)) continue;
      bytes += sizeBytes;
      keys.push(key);
    }
    await storage.remove(keys);
    return bytes;
  } finally {
    await storage.close();
  }
}
