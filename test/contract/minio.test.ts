import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { openS3 } from '../../scripts/lib/storages/s3/s3.ts';
import { collect, generated, keysOf } from '../support/bytes.ts';
import { hasEngine } from '../support/container.ts';
import { type Minio, startMinio } from '../support/minio.ts';
import { untilNextSecond } from '../support/sessions.ts';
import { storageContract } from './storage.ts';

const skip = hasEngine() ? false : 'no Docker engine: MinIO left out';
const MIB = 1024 * 1024;
const DAY_MS = 86_400_000;

for (const [title, bucket, lock] of [
  ['MinIO, a plain bucket', { lock: false }, undefined],
  ['MinIO, a bucket with versions and object lock', { lock: true }, undefined],
  ['MinIO, what is put is locked', { lock: true }, { mode: 'compliance', days: 1 }],
] as const) {
  storageContract(
    title,
    async () => {
      const minio = await startMinio();
      const storage = openS3({ ...(await minio.bucket('backups', bucket)), ...(lock ? { lock } : {}) });
      return {
        storage,
        async close() {
          storage.close();
          await minio.stop();
        },
      };
    },
    { refusesOverwrite: true, skip },
  );
}

describe('object lock and versions on MinIO', { skip }, () => {
  let minio: Minio;
  before(async () => {
    minio = await startMinio();
  });
  after(() => minio?.stop());

  for (const [title, mode, isDeletable] of [
    // root of MinIO may bypass governance, as an administrator may
    ['compliance', 'compliance', false],
    ['governance with a key that may bypass it', 'governance', true],
  ] as const) {
    test(`S3_LOCK locks small and large objects, and a probe tells what these keys can destroy: ${title}`, async () => {
      const bucket = `lock-${mode}`;
      const storage = openS3({ ...(await minio.bucket(bucket)), lock: { mode, days: 2 } });
      for (const sizeBytes of [100, 20 * MIB]) {
        await storage.put(`a/${sizeBytes}`, generated(sizeBytes, MIB));
        const held = await storage.lockOf?.(`a/${sizeBytes}`);
        assert.equal(held?.mode, mode);
        assert.ok(Math.abs((held?.until.getTime() ?? 0) - Date.now() - 2 * DAY_MS) < 600_000);
      }
      const found = await storage.probe('canary/x');
      assert.deepEqual(
        [found.isDeletable, found.isOverwritable, found.keepsVersions, found.lock?.mode],
        [isDeletable, false, true, mode],
      );
      assert.equal(found.refusal !== '', !isDeletable);
      assert.deepEqual(await keysOf(storage, 'canary/'), []);
      storage.close();
    });
  }

  test("the bucket's own retention locks what is put without a header, and a probe says so", async () => {
    const storage = openS3({ ...(await minio.bucket('lock-default', { defaultDays: 3 })), lock: { mode: 'bucket' } });
    const { isDeletable, lock } = await storage.probe('canary/x');
    assert.deepEqual([isDeletable, lock?.mode], [false, 'compliance']);
    storage.close();
  });

  test('without a lock everything can be deleted for good, also where versions are kept', async () => {
    for (const lock of [true, false]) {
      const storage = openS3(await minio.bucket(`plain-${lock}`, { lock }));
      const found = await storage.probe('canary/x');
      assert.deepEqual([found.isDeletable, found.isOverwritable, found.keepsVersions], [true, !lock, lock]);
      assert.deepEqual(await minio.versions(`plain-${lock}`), { versions: 0, markers: 0 });
      storage.close();
    }
  });

  test('a lock that the bucket cannot give fails the put, and names the variable', async () => {
    const storage = openS3({
      ...(await minio.bucket('no-lock', { lock: false })),
      lock: { mode: 'compliance', days: 1 },
    });
    await assert.rejects(storage.put('a', generated(10, 10)), { code: 'STORAGE', hint: /S3_LOCK/ });
    await assert.rejects(storage.put('b', generated(20 * MIB, MIB)), { code: 'STORAGE', hint: /S3_LOCK/ });
    storage.close();
  });

  test('as of a time, what was deleted is there and what was overwritten is as it was', async () => {
    const bucket = 'history';
    const storage = openS3(await minio.bucket(bucket));
    for (const key of ['a/kept', 'a/deleted', 'a/over b+ü']) await storage.put(key, generated(50, 10));
    const before = await collect(await storage.get('a/over b+ü'));
    await untilNextSecond();
    const time = new Date();
    await untilNextSecond();
    await minio.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'a/deleted' }));
    await minio.client.send(new PutObjectCommand({ Bucket: bucket, Key: 'a/over b+ü', Body: 'ransom' }));
    await storage.put('a/later', generated(5, 5));
    assert.deepEqual(await keysOf(storage, 'a/'), ['a/kept', 'a/later', 'a/over b+ü']);
    const past = storage.asOf?.(time);
    assert.ok(past);
    assert.deepEqual(await keysOf(past, 'a/'), ['a/deleted', 'a/kept', 'a/over b+ü']);
    assert.ok((await collect(await past.get('a/over b+ü'))).equals(before));
    await assert.rejects(past.get('a/later'), { code: 'NO_SUCH_BACKUP' });
    assert.equal((await past.remove(['a/kept'])).length, 1);
    const told: string[] = [];
    for await (const key of storage.rewritten?.('') ?? []) told.push(key);
    assert.deepEqual(told, ['a/over b+ü']);
    storage.close();
  });

  test('refuses to look back where no versions are kept', async () => {
    const storage = openS3(await minio.bucket('forgetful', { lock: false }));
    await storage.put('a', generated(5, 5));
    const past = storage.asOf?.(new Date());
    assert.ok(past);
    await assert.rejects(keysOf(past, ''), { code: 'USAGE', message: /keeps no versions/ });
    storage.close();
  });
});
