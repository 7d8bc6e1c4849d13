import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_PARTS, planUpload } from '../../../scripts/lib/storages/s3/part-size.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

for (const [expectedBytes, partMiB, concurrency] of [
  [undefined, 16, 4],
  [0, 8, 4],
  [10, 8, 4],
  [7 * GIB, 8, 4],
  [8 * GIB, 9, 4],
  [11 * GIB, 12, 4],
  [16 * GIB, 17, 3],
  [30 * GIB, 31, 2],
  [40 * GIB, 41, 1],
  [62 * GIB, 64, 1],
  [600 * GIB, 64, 1],
  [640 * GIB, 66, 1],
  [5 * 1024 * GIB, 525, 1],
] as const) {
  test(`cuts about ${expectedBytes ?? 'an unknown number of'} bytes into parts of ${partMiB} MiB`, () => {
    assert.deepEqual(planUpload(expectedBytes), { partSizeBytes: partMiB * MIB, concurrency });
  });
}

test('keeps to S3’s limits for every size it takes, and to the memory budget while a part fits into it', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 40 * 1024 * GIB, noNaN: true }),
      fc.integer({ min: 1, max: 512 }),
      (bytes, budget) => {
        const { partSizeBytes, concurrency } = planUpload(bytes, budget * MIB);
        assert.ok(Number.isInteger(partSizeBytes) && partSizeBytes >= 5 * MIB && partSizeBytes <= 5 * GIB);
        assert.ok(Math.ceil(bytes / partSizeBytes) <= MAX_PARTS);
        assert.ok(concurrency >= 1 && (concurrency === 1 || concurrency * partSizeBytes <= budget * MIB));
        if (bytes <= 1000 * 64 * MIB) assert.ok(Math.ceil(bytes / partSizeBytes) <= 1000);
      },
    ),
  );
});

test('says what to do with an object that no store takes', () => {
  assert.throws(() => planUpload(60_000 * GIB), { code: 'STORAGE', hint: /BACKUP_FORMAT=folder/ });
});
