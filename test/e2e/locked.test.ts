import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  DeleteObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { hasEngine } from '../support/container.ts';
import { place, temporaryFolder } from '../support/folders.ts';
import { type Minio, startMinio } from '../support/minio.ts';
import { runVerb, untilNextSecond } from '../support/verbs.ts';

const skip = hasEngine() ? false : 'no Docker engine: MinIO left out';

describe('a locked bucket', { skip }, () => {
  let minio: Minio;
  before(async () => {
    minio = await startMinio();
  });
  after(() => minio?.stop());

  /** A folder to back up into a new bucket, by keys that may do everything. */
  async function stack(bucket: string, options: Parameters<Minio['bucket']>[1], more: Record<string, string> = {}) {
    // in a folder of its own: what is restored beside it is to meet nobody else's
    const data = join(temporaryFolder(), 'data');
    place(data, 'a.txt', 'the only one');
    const { endpoint, accessKey, secretKey, region } = minio.settings;
    await minio.bucket(bucket, options);
    const env: Record<string, string> = {
      ...{ BACKUP_SOURCE_DATA: `file://${data}`, DRILL_DIR: temporaryFolder() },
      ...{ S3_ENDPOINT: endpoint, S3_REGION: region, S3_BUCKET: bucket },
      ...{ S3_ACCESS_KEY: accessKey, S3_SECRET_KEY: secretKey },
      ...more,
    };
    const run = async (verb: Parameters<typeof runVerb>[0], args: string[] = [], code = 0) => {
      const outcome = await runVerb(verb, args, env);
      assert.equal(outcome.code, code, `${verb}: ${outcome.stderr}`);
      return outcome;
    };
    return { data, env, run };
  }

  /** What somebody with the machine's own keys does: writes over everything, deletes it, and every version that can be. */
  async function attack(bucket: string) {
    const { Contents = [] } = await minio.client.send(new ListObjectsV2Command({ Bucket: bucket }));
    for (const { Key } of Contents) {
      await minio.client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'pay us' }));
      await minio.client.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
    }
    const { Versions = [] } = await minio.client.send(new ListObjectVersionsCommand({ Bucket: bucket }));
    let destroyed = 0;
    for (const { Key, VersionId } of Versions)
      await minio.client
        .send(new DeleteObjectCommand({ Bucket: bucket, Key, VersionId, BypassGovernanceRetention: true }))
        .then(
          () => destroyed++,
          () => {},
        );
    return { objects: Contents.length, destroyed };
  }

  test('an attacker with the machine’s own keys overwrites and deletes everything, it is told of, and everything comes back', async () => {
    const { data, run } = await stack('attacked', {}, { S3_LOCK: 'compliance:1d' });
    for (let n = 0; n < 3; n += 1) await run('backup');
    const proved = await run('verify', ['--json']);
    assert.deepEqual(
      [proved.json.stores[0].protection.isDeletable, proved.json.stores[0].protection.lock.mode],
      [false, 'compliance'],
    );
    const before = await run('status', ['--json']);
    assert.equal(before.json.primary.lock.mode, 'compliance');
    assert.match(before.json.protection, /nobody with this machine's keys can delete primary \(locked until \d{4}-/);
    const keys = (await run('list', ['--json'])).json.map(({ key }: { key: string }) => key);

    await untilNextSecond();
    const time = new Date().toISOString();
    await untilNextSecond();
    const { objects, destroyed } = await attack('attacked');
    assert.ok(objects >= 6);
    // what was locked before stays; the attacker's own versions are locked by nobody
    assert.equal(destroyed, objects);
    assert.deepEqual((await run('list', ['--json'])).json, []);
    assert.match((await run('status', ['--json'], 3)).json.sources[0].reasons.join(), /there is no backup of it/);

    const past = await run('list', ['--as-of', time, '--json']);
    assert.deepEqual(
      past.json.map(({ key }: { key: string }) => key),
      keys,
    );
    const read = await run('verify', ['--as-of', time, '--json']);
    assert.deepEqual([read.json.stores[0].read, read.json.stores[0].damaged], [3, []]);
    for (const key of keys) {
      await run('restore', [key, '--as-of', time, '--to=beside']);
      assert.equal(readFileSync(join(data, '..', 'beside', 'a.txt'), 'utf8'), 'the only one');
      rmSync(join(data, '..', 'beside'), { recursive: true });
    }
    await run('drill', ['--as-of', time]);
  });

  test('somebody who has only written over what is stored is told of by verify and status', async () => {
    const { run } = await stack('rewritten', {}, { S3_LOCK: 'compliance:1d' });
    const [{ key }] = (await run('backup', ['--json'])).json.results;
    await minio.client.send(new PutObjectCommand({ Bucket: 'rewritten', Key: key, Body: 'pay us' }));
    const { json } = await run('verify', ['--json'], 1);
    assert.deepEqual(json.stores[0].rewritten, [key]);
    const status = await run('status', ['--json'], 3);
    assert.match(status.json.primary.reasons.join(), /somebody has written over 1 objects/);
  });

  for (const [what, options, lock, says] of [
    [
      'a bucket that does not lock of itself',
      {},
      'bucket',
      /with these keys an object was deleted for good all the same/,
    ],
    ['governance, where the key may bypass it', {}, 'governance:1d', /was deleted for good all the same/],
  ] as const) {
    test(`a lock that was asked for and does not hold makes verify and status exit 3: ${what}`, async () => {
      const { run } = await stack(`canary-${lock.split(':')[0]}`, options, { S3_LOCK: lock });
      await run('backup');
      assert.match((await run('status', ['--json'], 3)).json.primary.reasons[0], /was never tried whether it holds/);
      const { json } = await run('verify', ['--json'], 3);
      assert.match(json.stores[0].reasons[0], says);
      assert.match((await run('status', ['--json'], 3)).json.primary.reasons[0], says);
    });
  }

  test('the default retention of the bucket is enough, and cleanup says when the space comes free', async () => {
    const none = ['HOURLY', 'DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY'].map((rule) => [`RETENTION_KEEP_${rule}`, '0']);
    const { run } = await stack(
      'default',
      { defaultDays: 2 },
      { S3_LOCK: 'bucket', RETENTION_KEEP_LAST: '1', ...Object.fromEntries(none) },
    );
    for (let n = 0; n < 2; n += 1) await run('backup');
    assert.equal((await run('verify', ['--json'])).json.stores[0].protection.isDeletable, false);
    const { stderr } = await run('cleanup', ['--json']);
    assert.match(stderr, /are hidden now, and their space comes free (on|from) \d{4}-\d\d-\d\d/);
  });
});
