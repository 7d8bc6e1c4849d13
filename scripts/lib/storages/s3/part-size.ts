import { OperatorError } from '../../errors.ts';

const MIB = 1024 * 1024;

/** Measured as fast as 16 MiB against a store nearby, with half the memory; S3's own minimum is 5 MiB. */
const MIN_PART_BYTES = 8 * MIB;
/** When nothing is known of the size: 10,000 of them are 156 GiB. */
const BLIND_PART_BYTES = 16 * MIB;
/** A part is held in memory until the store has it, so a larger one costs memory or the overlap of reading and sending. */
const COMFORTABLE_PART_BYTES = 64 * MIB;
const MAX_PART_BYTES = 5 * 1024 * MIB;

/** Some stores take 1,000 parts (Scaleway), most 10,000 (S3's own limit). */
const FEW_PARTS = 1000;
export const MAX_PARTS = 10_000;

/** More side by side was not faster; a slow line is full with fewer. */
const MAX_CONCURRENCY = 4;

/**
 * Measured: with 4 × 8 MiB, as for most databases, the process peaks at 170 MB in all, with the whole budget at 200;
 * 85 of them are node, tsx and the SDK.
 */
export const DEFAULT_MEMORY_BUDGET_BYTES = 64 * MIB;

/** How an object is cut up: parts of one size, and how many of them are in memory at once. */
export interface UploadPlan {
  readonly partSizeBytes: number;
  readonly concurrency: number;
}

/**
 * Chooses one part size for a whole upload, up front: some stores (R2) want all parts but the last equal.
 * At most 1,000 parts while a part stays within 64 MiB, then parts of 64 MiB, at most 10,000 of them, then larger ones.
 * The buffers stay within `memoryBudgetBytes`, unless a single part is larger than that.
 *
 * @param expectedBytes an upper estimate; undefined when nothing is known (then at most 156 GiB)
 * @throws OperatorError STORAGE when no object can be that large
 */
export function planUpload(
  expectedBytes: number | undefined,
  memoryBudgetBytes: number = DEFAULT_MEMORY_BUDGET_BYTES,
): UploadPlan {
  const expected = expectedBytes ?? FEW_PARTS * BLIND_PART_BYTES;
  const forFewParts = Math.min(wholeMiB(expected / FEW_PARTS), COMFORTABLE_PART_BYTES);
  const partSizeBytes = Math.max(MIN_PART_BYTES, forFewParts, wholeMiB(expected / MAX_PARTS));
  if (partSizeBytes > MAX_PART_BYTES) {
    throw new OperatorError('STORAGE', `an object of about ${expected} bytes is larger than S3 takes`, {
      hint: 'Back it up as a folder of several objects (BACKUP_FORMAT=folder).',
    });
  }
  const fitting = Math.floor(memoryBudgetBytes / partSizeBytes);
  return { partSizeBytes, concurrency: Math.min(Math.max(1, fitting), MAX_CONCURRENCY) };
}

function wholeMiB(bytes: number): number {
  return Math.ceil(bytes / MIB) * MIB;
}
