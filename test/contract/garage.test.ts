import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openS3 } from '../../scripts/lib/storages/s3/s3.ts';
import { generated, keysOf } from '../support/bytes.ts';
import { hasEngine } from '../support/container.ts';
import { type Garage, startGarage } from '../support/garage.ts';
import { storageContract } from './storage.ts';

const skip = hasEngine() ? false : 'no Docker engine: Garage left out';

storageContract(
  'Garage',
  async () => {
    const garage = await startGarage();
    const storage = openS3(garage.settings);
    return {
      storage,
      async close() {
        storage.close();
        await garage.stop();
      },
    };
  },
  // it takes the header and overwrites all the same
  { refusesOverwrite: false, skip },
);

describe('Garage', { skip }, () => {
  let garage: Garage;
  before(async () => {
    garage = await startGarage();
  });
  after(() => garage?.stop());

  test('needs no permission but to write for a backup, and says what is missing for the rest', async () => {
    const writer = openS3({ ...garage.settings, ...(await garage.keyWith('write')) });
    for (const sizeBytes of [100, 40 * 1024 * 1024]) {
      const { sizeBytes: stored } = await writer.put(`writer/${sizeBytes}`, generated(sizeBytes, 1024 * 1024));
      assert.equal(stored, sizeBytes);
    }
    const denied = { code: 'STORAGE_DENIED', message: /AccessDenied/, hint: /S3_ACCESS_KEY.* may read .*S3_BUCKET/ };
    await assert.rejects(writer.get('writer/100'), denied);
    await assert.rejects(keysOf(writer, ''), { code: 'STORAGE_DENIED', hint: /may list/ });
    writer.close();

    const owner = openS3(garage.settings);
    assert.deepEqual(await keysOf(owner, 'writer/'), ['writer/100', 'writer/41943040']);
    assert.deepEqual(await owner.removeUnfinished('', new Date(Date.now() + 60_000)), []);
    owner.close();
  });

  test('ends an upload whose body failed with no permission but to write', async () => {
    const writer = openS3({ ...garage.settings, ...(await garage.keyWith('write')) });
    async function* body() {
      yield* generated(40 * 1024 * 1024, 1024 * 1024);
      throw new Error('dump failed');
    }
    await assert.rejects(writer.put('writer/failed', body()), { message: 'dump failed' });
    writer.close();
    const owner = openS3(garage.settings);
    assert.deepEqual(await owner.removeUnfinished('', new Date(Date.now() + 60_000)), []);
    owner.close();
  });

  for (const [title, wrong, expected] of [
    [
      'a wrong access key',
      { accessKey: `GK${'9'.repeat(24)}` },
      { code: 'STORAGE_DENIED', hint: /S3_ACCESS_KEY and S3_SECRET_KEY/ },
    ],
    [
      'a wrong secret key',
      { secretKey: '9'.repeat(64) },
      { code: 'STORAGE_DENIED', hint: /S3_ACCESS_KEY and S3_SECRET_KEY/ },
    ],
    ['a wrong region', { region: 'us-east-1' }, { code: 'STORAGE', hint: /S3_REGION/ }],
  ] as const) {
    test(`names the variable to check for ${title}`, async () => {
      const storage = openS3({ ...garage.settings, ...wrong });
      await assert.rejects(storage.put('a/b', generated(1, 1)), expected);
      await assert.rejects(keysOf(storage, ''), expected);
      await assert.rejects(storage.get('a/b'), expected);
      storage.close();
    });
  }

  test('names S3_BUCKET for a bucket that is not there', async () => {
    const storage = openS3({ ...garage.settings, bucket: 'no-such-bucket' });
    const expected = { code: /STORAGE/, hint: /S3_BUCKET/, message: /no-such-bucket/ };
    await assert.rejects(storage.put('a/b', generated(1, 1)), expected);
    await assert.rejects(storage.put('a/b', generated(20 * 1024 * 1024, 65536)), expected);
    await assert.rejects(keysOf(storage, ''), expected);
    storage.close();
  });
});
