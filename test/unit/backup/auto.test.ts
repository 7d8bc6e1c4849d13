import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { configure } from '../../../scripts/lib/config/config.ts';
import { folderJobs } from '../../../scripts/lib/engines/postgres/split/dump.ts';
import type { TableToDump } from '../../../scripts/lib/engines/postgres/split/tables.ts';
import { setChildEnvironment } from '../../../scripts/lib/machine/child-environment.ts';
import { chooseCompression } from '../../../scripts/lib/pipeline/codec.ts';
import { temporaryFolder } from '../../support/folders.ts';
import { databasesOf } from '../../support/sources.ts';

/** A PATH with these programs alone. */
function withPrograms(...names: string[]): void {
  const folder = temporaryFolder();
  for (const name of names) {
    writeFileSync(join(folder, name), '#!/bin/sh\n');
    chmodSync(join(folder, name), 0o755);
  }
  setChildEnvironment({ PATH: folder });
}

const MIB = 1024 * 1024;
const tablesOf = (...sizes: number[]) => sizes.map((sizeBytes) => ({ sizeBytes }) as TableToDump);
const sourceWith = (jobs: string) => {
  const [source] = databasesOf(configure({ POSTGRES_PASSWORD: 'x', BACKUP_DIR: '/backups', BACKUP_JOBS: jobs }));
  assert.ok(source);
  return source;
};

describe('auto', () => {
  after(() => setChildEnvironment(process.env));

  test('compresses by what is installed, and harder only where the line is what takes the time', () => {
    withPrograms('igzip', 'zstd', 'gzip');
    assert.deepEqual(chooseCompression(undefined, 8).method, 'gzip');
    assert.deepEqual(chooseCompression(100 * MIB, 8).method, 'gzip');
    const slow = chooseCompression(2 * MIB, 2);
    assert.deepEqual([slow.method, slow.level], ['zstd', 6]);
    assert.match(slow.reason ?? '', /limited to 2\.0 MiB\/s/);
    assert.equal(chooseCompression(2 * MIB, 1).method, 'gzip');
    withPrograms('zstd', 'gzip');
    assert.deepEqual([chooseCompression(undefined, 2).method, chooseCompression(undefined, 2).level], ['zstd', 1]);
    withPrograms('gzip');
    assert.equal(chooseCompression(1 * MIB, 2).method, 'gzip');
  });

  test('takes no more streams than there are cores, and no more than the size has use for', () => {
    const most = Math.min(availableParallelism(), 4);
    assert.equal(folderJobs(sourceWith('auto'), tablesOf()).jobs, 1);
    assert.equal(folderJobs(sourceWith('auto'), tablesOf(10 * MIB, 20 * MIB)).jobs, 1);
    assert.equal(folderJobs(sourceWith('auto'), tablesOf(500 * MIB, 20 * MIB)).jobs, most);
    assert.match(folderJobs(sourceWith('auto'), tablesOf(65 * MIB)).chosen ?? '', /65\.0 MiB of tables/);
  });

  test('leaves a number that was given as it is, and gives no reason for it', () => {
    assert.deepEqual(folderJobs(sourceWith('3'), tablesOf(MIB)), { jobs: 3 });
    assert.throws(() => sourceWith('many'), /BACKUP_JOBS "many": wants a whole number from 1 to 64, or auto/);
  });
});
