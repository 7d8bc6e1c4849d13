import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { openS3 } from '../../scripts/lib/storages/s3/s3.ts';
import type { Storage } from '../../scripts/lib/storages/storage.ts';
import { collect, generated, keysOf } from '../support/bytes.ts';
import { type S3Double, startS3Double } from '../support/s3-double.ts';
import type { Operation } from '../support/s3-double-requests.ts';
import { until } from '../support/sessions.ts';

const MIB = 1024 * 1024;

let double: S3Double;
let storage: Storage;

beforeEach(async () => {
  double = await startS3Double({ conditional: 'honoured' });
  storage = openS3({ ...double.settings, retryDelayMs: 5 });
});
afterEach(async () => {
  storage.close();
  await double.close();
});

function nothingThere(): void {
  assert.deepEqual([...double.objects.keys()], []);
  assert.deepEqual([...double.uploads.keys()], []);
}

/** An object of five parts, the last one shorter. */
const BIG = 36 * MIB;
const big = () => generated(BIG, MIB);
const putBig = (key = 'a/b') => storage.put(key, big(), { expectedBytes: BIG });

// uploads

for (const [title, fault] of [
  ['503 SlowDown', { status: 503, code: 'SlowDown' }],
  ['500 InternalError', { status: 500, code: 'InternalError' }],
  ['a connection that is cut', 'reset'],
  ['an answer that is lost', 'lost'],
] as const) {
  for (const operation of ['PutObject', 'UploadPart', 'CompleteMultipartUpload'] as const) {
    test(`survives ${title} on ${operation}, twice, and stores the right bytes`, async () => {
      const sizeBytes = operation === 'PutObject' ? MIB : BIG;
      double.breaking(operation, fault, 1, 2);
      await storage.put('a/b', generated(sizeBytes, MIB), { expectedBytes: sizeBytes });
      assert.ok((await collect(await storage.get('a/b'))).equals(await collect(generated(sizeBytes, MIB))));
      assert.equal(double.uploads.size, 0);
    });
  }
}

test('ends the upload, and says what to check, when access is refused half way', async () => {
  double.breaking('UploadPart', { status: 403, code: 'AccessDenied' }, 3, Infinity);
  await assert.rejects(putBig(), {
    code: 'STORAGE_DENIED',
    message: /^cannot store a\/b in s3:\/\/backups at http:\/\/127\.0\.0\.1:\d+: AccessDenied$/,
    hint: /S3_ACCESS_KEY and S3_SECRET_KEY.* may write .*S3_BUCKET/,
  });
  assert.equal(double.count('AbortMultipartUpload'), 1);
  nothingThere();
});

test('says that the store is full, and ends the upload', async () => {
  double.breaking('UploadPart', { status: 507, code: 'XMinioStorageFull' }, 2, Infinity);
  await assert.rejects(putBig(), { code: 'STORAGE', hint: /no room/ });
  nothingThere();
});

test('waits for the parts under way before it ends the upload', async () => {
  double.breaking('UploadPart', { status: 403, code: 'AccessDenied' }, 2);
  await assert.rejects(putBig(), { code: 'STORAGE_DENIED' });
  assert.equal(double.requests.at(-1)?.operation, 'AbortMultipartUpload');
  nothingThere();
});

test('rejects when the store goes away for good half way, and names the upload that it could not end', async () => {
  double.change({
    fault: ({ operation, nth }) => {
      if (operation !== 'UploadPart' || nth < 3) return undefined;
      void double.stop();
      return 'reset';
    },
  });
  const put = putBig();
  const failed = await put.then(
    () => assert.fail('it claims to have stored it'),
    (error: unknown) => error as Error & { code: string; hint: string },
  );
  assert.equal(failed.code, 'STORAGE');
  assert.match(failed.hint, /S3_ENDPOINT/);
  const [uploadId = ''] = double.uploads.keys();
  assert.ok(failed.hint.includes(uploadId));
  assert.match(failed.hint, /cleanup removes it/);
  assert.equal(double.objects.size, 0);

  double.change({ fault: () => undefined });
  await double.startAgain();
  assert.deepEqual(await storage.removeUnfinished('', new Date(Date.now() + 60_000)), ['a/b']);
  nothingThere();
});

test('goes on when the store is away for a second half way', async () => {
  double.change({
    fault: ({ operation, nth }) => {
      if (operation !== 'UploadPart' || nth !== 3) return undefined;
      void double.stop().then(() => setTimeout(() => void double.startAgain(), 1000));
      return 'reset';
    },
  });
  const patient = openS3(double.settings);
  await patient.put('a/b', big(), { expectedBytes: BIG });
  patient.close();
  assert.equal(double.objects.get('a/b')?.sizeBytes, BIG);
  assert.equal(double.uploads.size, 0);
});

test('fails when the upload is gone at completion, and leaves nothing', async () => {
  double.breaking('CompleteMultipartUpload', { status: 404, code: 'NoSuchUpload' });
  await assert.rejects(putBig(), { code: 'STORAGE', message: /NoSuchUpload/ });
  nothingThere();
});

test('fails when the completion is answered with 200 and an error in the body', async () => {
  const body = '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>';
  double.breaking('CompleteMultipartUpload', { body }, 1, Infinity);
  await assert.rejects(putBig(), { name: 'OperatorError' });
  nothingThere();
});

test('fails when a part that was reported as stored is not there', async () => {
  const fault = ({ operation, nth }: { operation: Operation; nth: number }) => {
    if (operation === 'CompleteMultipartUpload') for (const { parts } of double.uploads.values()) parts.delete(2);
    return operation === 'UploadPart' && nth < 0 ? ('reset' as const) : undefined;
  };
  double.change({ fault });
  await assert.rejects(putBig(), { code: 'STORAGE', message: /InvalidPart/ });
  nothingThere();
});

test('does not take a web page for a stored object', async () => {
  const page = { body: '<html><title>Console</title></html>' };
  double.change({ fault: () => page });
  const expected = { code: 'STORAGE', hint: /S3_ENDPOINT/ };
  await assert.rejects(storage.put('a/b', generated(1, 1)), expected);
  await assert.rejects(putBig(), expected);
  await assert.rejects(keysOf(storage, ''), expected);
  await assert.rejects(storage.get('a/b'), expected);
  await assert.rejects(storage.removeUnfinished('', new Date()), expected);
  assert.equal((await storage.remove(['a/b'])).length, 1);
});

test('signs the bytes of every part, so that the store can check them', async () => {
  await putBig();
  const parts = double.requests.filter(({ operation }) => operation === 'UploadPart');
  assert.equal(parts.length, 5);
  for (const { headers } of parts) assert.match(String(headers['x-amz-content-sha256']), /^[0-9a-f]{64}$/);
});

test('sends Content-MD5 to a bucket that demands it, as those with object lock do', async () => {
  const message =
    'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Part requests with Object Lock parameters';
  double.change({
    fault: ({ operation, headers }) =>
      (operation === 'UploadPart' || operation === 'PutObject') && headers['content-md5'] === undefined
        ? { status: 400, code: 'InvalidRequest', message }
        : undefined,
  });
  await putBig();
  await storage.put('a/c', generated(5, 5));
  assert.equal(double.objects.size, 2);
});

// answers that were lost

for (const [operation, sizeBytes] of [
  ['PutObject', MIB],
  ['CompleteMultipartUpload', 20 * MIB],
] as const) {
  test(`looks when every answer to ${operation} is lost, and finds that the object is there`, async () => {
    double.breaking(operation, 'lost', 1, Infinity);
    assert.equal((await storage.put('a/b', generated(sizeBytes, MIB))).sizeBytes, sizeBytes);
    assert.equal(double.uploads.size, 0);
  });

  test(`says that it does not know when the answer to ${operation} is lost and the key may only write`, async () => {
    double.change({
      allow: ['PutObject', 'CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload', 'AbortMultipartUpload'],
    });
    double.change({ fault: (request) => (request.operation === operation ? 'lost' : undefined) });
    await assert.rejects(storage.put('a/b', generated(sizeBytes, MIB)), {
      message: /whether the object was stored after all is not known/,
      hint: /list/,
    });
  });

  test(`does not take another run's object for its own after a lost answer to ${operation}`, async () => {
    double.seed('a/b', Buffer.alloc(sizeBytes, 1));
    double.breaking(operation, 'reset');
    await assert.rejects(storage.put('a/b', generated(sizeBytes, MIB)), { code: 'KEY_EXISTS' });
    assert.equal(double.uploads.size, 0);
  });
}

test('needs no permission but to write, and asks but once whether it may look at what it stored', async () => {
  double.change({ allow: ['PutObject', 'CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload'] });
  await storage.put('a/b', generated(5, 5));
  await putBig('a/c');
  assert.deepEqual([...new Set(double.requests.map(({ operation }) => operation))].sort(), [
    'CompleteMultipartUpload',
    'CreateMultipartUpload',
    'HeadObject',
    'PutObject',
    'UploadPart',
  ]);
  assert.equal(double.count('HeadObject'), 1);
});

// aborts

test('is ended within seconds while the store hangs', async () => {
  double.breaking('UploadPart', 'hang', 1, Infinity);
  const reason = new Error('BACKUP_TIMEOUT');
  const put = storage.put('a/b', big(), { expectedBytes: BIG, signal: AbortSignal.timeout(500) });
  await assert.rejects(put, { name: 'TimeoutError' });
  nothingThere();
  double.breaking('PutObject', 'hang', 1, Infinity);
  const abort = new AbortController();
  const small = storage.put('a/b', generated(5, 5), { signal: abort.signal });
  // it is awaited below
  small.catch(() => {});
  await until('it hangs', () => double.count('PutObject') > 0 || undefined);
  abort.abort(reason);
  await assert.rejects(small, (thrown) => thrown === reason);
});

test('lets a failed body go even while it is waiting for its next chunk', async () => {
  double.breaking('UploadPart', { status: 403, code: 'AccessDenied' });
  async function* stuck() {
    yield* generated(33 * MIB, MIB);
    await new Promise((resolve) => setTimeout(resolve, 60_000).unref());
  }
  await assert.rejects(storage.put('a/b', stuck()), { code: 'STORAGE_DENIED' });
  nothingThere();
});
