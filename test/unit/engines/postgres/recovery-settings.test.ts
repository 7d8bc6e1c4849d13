import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recoverySettings } from '../../../../scripts/lib/engines/postgres/recovery/settings.ts';

const settingsFor = (segmentMb: number) =>
  recoverySettings({
    major: 18,
    control: new Map([['Bytes per WAL segment', String(segmentMb * 2 ** 20)]]),
    socketFolder: '/tmp/s',
    hbaFile: '/tmp/hba',
    restoreCommand: 'sh take',
    timeline: 1,
    target: undefined,
    reading: {},
    durable: false,
  });
const megabytes = (settings: string, name: string) =>
  Number(new RegExp(`^${name} = (\\d+)MB$`, 'm').exec(settings)?.[1]);

test('a server of any segment size is given room for two segments of log, without which it refuses to start', () => {
  for (const size of [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]) {
    const settings = settingsFor(size);
    for (const name of ['min_wal_size', 'max_wal_size'])
      assert.ok(megabytes(settings, name) >= 2 * size, `${name} ${size}`);
  }
  assert.equal(megabytes(settingsFor(16), 'min_wal_size'), 80);
  assert.equal(megabytes(settingsFor(16), 'max_wal_size'), 1024);
});
