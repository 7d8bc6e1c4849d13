import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sortMemoryKb } from '../../../../scripts/lib/engines/postgres/split/sort-memory.ts';

const GIB = 1024 ** 3;
const RUN_BYTES = 264 * 1024;

test('a sort has the memory that merges all of its runs at once, and no more', () => {
  for (const sizeBytes of [GIB / 8, GIB, 10 * GIB, 100 * GIB]) {
    const memory = sortMemoryKb(sizeBytes, 1) * 1024;
    const runs = sizeBytes / memory;
    assert.ok(runs * RUN_BYTES < memory, `${sizeBytes}: ${runs} runs in ${memory} bytes`);
  }
  assert.equal(sortMemoryKb(0, 1), 8192);
  assert.equal(sortMemoryKb(5000 * GIB, 1), 262_144);
});

test('one that has the machine to itself has enough for the server to share it out', () => {
  assert.equal(sortMemoryKb(GIB / 8, 2), 2 * 32_768);
  assert.equal(sortMemoryKb(GIB / 8, 16), 262_144);
});
