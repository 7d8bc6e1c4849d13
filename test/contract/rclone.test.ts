import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openS3 } from '../../scripts/lib/storages/s3/s3.ts';
import { generated, keysOf } from '../support/bytes.ts';
import { hasEngine } from '../support/container.ts';
import { type Rclone, startRclone } from '../support/rclone.ts';
import { until } from '../support/sessions.ts';
import { storageContract } from './storage.ts';

const skip = hasEngine() ? false : 'no Docker engine: rclone left out';
const MIB = 1024 * 1024;

storageContract(
  'rclone serve s3',
  async () => {
    const rclone = await startRclone();
    const storage = openS3(rclone.settings);
    return {
      storage,
      async close() {
        storage.close();
        await rclone.stop();
      },
    };
  },
  { refusesOverwrite: true, skip },
);

describe('rclone that is killed in the middle of an upload', { skip }, () => {
  let rclone: Rclone;
  before(async () => {
    rclone = await startRclone();
  });
  after(() => rclone?.stop());

  test('leaves nothing that is listed as an object, and what it leaves is found', async () => {
    const killed = openS3({ ...rclone.settings, silenceMs: 5_000, retryDelayMs: 10 });
    await killed.put('2026/01/01/a_000000.sql.gz', generated(100, 10));
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    async function* body() {
      yield* generated(48 * MIB, MIB);
      await released;
      yield* generated(16 * MIB, MIB);
    }
    const put = killed.put('2026/01/02/a_000000.sql.gz', body());
    put.catch(() => {});
    await until('a part has arrived', async () => ((await rclone.files()).length > 1 ? true : undefined));
    await rclone.kill();
    release();
    await assert.rejects(put);
    killed.close();
    const storage = openS3(await rclone.restart());
    assert.deepEqual(await keysOf(storage, '2026/'), ['2026/01/01/a_000000.sql.gz']);
    const left = (await rclone.files()).filter((name) => !name.endsWith('01/01/a_000000.sql.gz'));
    assert.equal(left.length, 1);
    assert.match(left[0] ?? '', /^backups\/2026\/01\/02\/\.rclone_temp_multipart_[0-9a-f-]+$/);
    await storage.put('2026/01/02/a_000000.sql.gz', generated(20 * MIB, MIB));
    assert.deepEqual(await keysOf(storage, '2026/'), ['2026/01/01/a_000000.sql.gz', '2026/01/02/a_000000.sql.gz']);
    storage.close();
  });
});
