import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { openS3 } from '../../scripts/lib/storages/s3.ts';
import type { Storage } from '../../scripts/lib/storages/storage.ts';
import { collect, generated, keysOf } from '../support/bytes.ts';
import { type Fault, type Operation, type S3Double, startS3Double } from '../support/s3-double.ts';

const MIB = 1024 * 1024;

let double: S3Double;
let storage: Storage;

beforeEach(async () => {
  double = await startS3Double({ conditional: 'honoured' });
  storage = openS3(double.settings);
});
afterEach(async () => {
  storage.close();
  await double.close();
});

/** Breaks the requests of one operation: the n-th, or all from the n-th to the last named. */
function breaking(operation: Operation, fault: Fault, first = 1, last = first): void {
  double.change({
    fault: (request) =>
      request.operation === operation && request.nth >= first && request.nth <= last ? fault : undefined,
  });
}

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
      breaking(operation, fault, 1, 2);
      await storage.put('a/b', generated(sizeBytes, MIB), { expectedBytes: sizeBytes });
      assert.ok((await collect(await storage.get('a/b'))).equals(await collect(generated(sizeBytes, MIB))));
      assert.equal(double.uploads.size, 0);
    });
  }
}

test('ends the upload, and says what to check, when access is refused half way', async () => {
  breaking('UploadPart', { status: 403, code: 'AccessDenied' }, 3, Infinity);
  await assert.rejects(putBig(), {
    code: 'STORAGE_DENIED',
    message: /^cannot store a\/b in s3:\/\/backups at http:\/\/127\.0\.0\.1:\d+: AccessDenied$/,
    hint: /S3_ACCESS_KEY and S3_SECRET_KEY.* may write .*S3_BUCKET/,
  });
  assert.equal(double.count('AbortMultipartUpload'), 1);
  nothingThere();
});

test('says that the store is full, and ends the upload', async () => {
  breaking('UploadPart', { status: 507, code: 'XMinioStorageFull' }, 2, Infinity);
  await assert.rejects(putBig(), { code: 'STORAGE', hint: /no room/ });
  nothingThere();
});

test('waits for the parts under way before it ends the upload', async () => {
  breaking('UploadPart', { status: 403, code: 'AccessDenied' }, 2);
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
  await putBig();
  assert.equal(double.objects.get('a/b')?.sizeBytes, BIG);
  assert.equal(double.uploads.size, 0);
});

test('fails when the upload is gone at completion, and leaves nothing', async () => {
  breaking('CompleteMultipartUpload', { status: 404, code: 'NoSuchUpload' });
  await assert.rejects(putBig(), { code: 'STORAGE', message: /NoSuchUpload/ });
  nothingThere();
});

test('fails when the completion is answered with 200 and an error in the body', async () => {
  const body = '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>';
  breaking('CompleteMultipartUpload', { body }, 1, Infinity);
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
    breaking(operation, 'lost', 1, Infinity);
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
    breaking(operation, 'reset');
    await assert.rejects(storage.put('a/b', generated(sizeBytes, MIB)), { code: 'KEY_EXISTS' });
    assert.equal(double.uploads.size, 0);
  });
}

test('needs no permission but to write, and asks for nothing else', async () => {
  double.change({ allow: ['PutObject', 'CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload'] });
  await storage.put('a/b', generated(5, 5));
  await putBig('a/c');
  assert.deepEqual([...new Set(double.requests.map(({ operation }) => operation))].sort(), [
    'CompleteMultipartUpload',
    'CreateMultipartUpload',
    'PutObject',
    'UploadPart',
  ]);
});

// aborts

test('is ended within seconds while the store hangs', async () => {
  breaking('UploadPart', 'hang', 1, Infinity);
  const reason = new Error('BACKUP_TIMEOUT');
  const put = storage.put('a/b', big(), { expectedBytes: BIG, signal: AbortSignal.timeout(500) });
  await assert.rejects(put, { name: 'TimeoutError' });
  nothingThere();
  breaking('PutObject', 'hang', 1, Infinity);
  const abort = new AbortController();
  const small = storage.put('a/b', generated(5, 5), { signal: abort.signal });
  setTimeout(() => abort.abort(reason), 100);
  await assert.rejects(small, (thrown) => thrown === reason);
});

test('lets a failed body go even while it is waiting for its next chunk', async () => {
  breaking('UploadPart', { status: 403, code: 'AccessDenied' });
  async function* stuck() {
    yield* generated(33 * MIB, MIB);
    await new Promise((resolve) => setTimeout(resolve, 60_000).unref());
  }
  await assert.rejects(storage.put('a/b', stuck()), { code: 'STORAGE_DENIED' });
  nothingThere();
});

// downloads

test('errors when a download is cut off', async () => {
  double.seed('a/b', Buffer.alloc(5 * MIB));
  breaking('GetObject', { truncateAt: 2 * MIB }, 1, Infinity);
  await assert.rejects(collect(await storage.get('a/b')), {
    code: 'STORAGE',
    message: /cannot read a\/b .* after \d+ of 5242880 bytes/,
  });
});

// listings

function seed(count: number): string[] {
  const keys = Array.from({ length: count }, (_, n) => `2026/01/01/db_${String(n).padStart(6, '0')}.sql.gz`);
  for (const key of keys) double.seed(key);
  return keys;
}

test('lists in pages', async () => {
  const keys = seed(2500);
  assert.deepEqual(await keysOf(storage, ''), keys);
  assert.equal(double.count('ListObjectsV2'), 3);
});

for (const [title, fault, code] of [
  ['access is refused', { status: 403, code: 'AccessDenied' }, 'STORAGE_DENIED'],
  ['a web page comes', { body: '<html></html>' }, 'STORAGE'],
  ['nothing comes', { body: '' }, 'STORAGE'],
  ['the store is overloaded', { status: 503, code: 'ServiceUnavailable' }, 'STORAGE'],
] as const) {
  test(`throws, and does not end early, when ${title} instead of the third page`, async () => {
    seed(3500);
    breaking('ListObjectsV2', fault, 3, Infinity);
    await assert.rejects(keysOf(storage, ''), { code });
  });
}

const page = (from: number, next: string) =>
  `<ListBucketResult><Name>backups</Name><IsTruncated>true</IsTruncated>${Array.from(
    { length: 2 },
    (_, n) => `<Contents><Key>k${from + n}</Key><Size>1</Size></Contents>`,
  ).join('')}${next}</ListBucketResult>`;

for (const [title, bodyOf] of [
  ['a page that comes twice', () => page(1, '<NextContinuationToken>x</NextContinuationToken>')],
  ['a token that comes twice', (n: number) => page(n * 2, '<NextContinuationToken>x</NextContinuationToken>')],
  ['a page that goes on without saying where', (n: number) => page(n * 2, '')],
] as const) {
  test(`throws for ${title}`, async () => {
    double.change({ fault: ({ nth }) => ({ body: bodyOf(nth) }) });
    await assert.rejects(keysOf(storage, ''), { code: 'STORAGE', hint: /S3_ENDPOINT/ });
  });
}

// deletions

test('deletes one by one where the store cannot delete in batches', async () => {
  const keys = seed(5);
  breaking('DeleteObjects', { status: 501, code: 'NotImplemented' }, 1, Infinity);
  assert.deepEqual(await storage.remove(keys), []);
  assert.equal(double.count('DeleteObject'), 5);
  assert.equal(double.objects.size, 0);
});

test('deletes in batches of 1000, and returns every key of one that failed', async () => {
  const keys = seed(2500);
  breaking('DeleteObjects', { status: 403, code: 'AccessDenied' }, 2, Infinity);
  const failures = await storage.remove(keys);
  assert.deepEqual(
    failures.map(({ key }) => key),
    keys.slice(1000),
  );
  assert.match(failures[0]?.reason ?? '', /AccessDenied/);
});

test('returns the keys that the store refuses, or says nothing of', async () => {
  const body =
    '<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code><Message>locked</Message></Error></DeleteResult>';
  breaking('DeleteObjects', { body });
  assert.deepEqual(await storage.remove(['a', 'b', 'c']), [
    { key: 'b', reason: 'AccessDenied: locked' },
    { key: 'c', reason: 'the store did not confirm that it was deleted' },
  ]);
});

test('ends unfinished uploads page by page, under the prefix alone, and only old ones', async () => {
  for (const [id, key, initiated] of [
    ['1', 'a/old', '2026-01-01'],
    ['2', 'a/old', '2026-01-01'],
    ['3', 'a/new', '2026-03-01'],
    ['4', 'a/x y', '2026-01-01'],
    ['5', 'b/old', '2026-01-01'],
  ] as const) {
    double.uploads.set(id, { key, initiated: new Date(initiated), parts: new Map() });
  }
  assert.deepEqual((await storage.removeUnfinished('a/', new Date('2026-02-01'))).sort(), ['a/old', 'a/old', 'a/x y']);
  assert.deepEqual([...double.uploads.keys()].sort(), ['3', '5']);
});

// what the operator is told

for (const [title, wrong, expected] of [
  ['a key that is unknown', { accessKey: 'GKother' }, { code: 'STORAGE_DENIED', hint: /S3_ACCESS_KEY/ }],
  ['a bucket that is not there', { bucket: 'other' }, { code: 'STORAGE', message: /s3:\/\/other/, hint: /S3_BUCKET/ }],
  ['a port where nothing listens', { endpoint: 'http://127.0.0.1:9' }, { code: 'STORAGE', hint: /S3_ENDPOINT/ }],
  ['a host that is not there', { endpoint: 'http://nowhere.invalid' }, { code: 'STORAGE', hint: /S3_ENDPOINT/ }],
] as const) {
  test(`names the variable to check for ${title}`, async () => {
    const wrongly = openS3({ ...double.settings, ...wrong });
    await assert.rejects(wrongly.put('a/b', generated(5, 5)), expected);
    await assert.rejects(wrongly.put('a/b', generated(20 * MIB, MIB)), expected);
    await assert.rejects(keysOf(wrongly, ''), expected);
    wrongly.close();
  });
}

for (const [code, status, hint] of [
  ['SignatureDoesNotMatch', 403, /S3_SECRET_KEY/],
  ['AuthorizationHeaderMalformed', 400, /S3_REGION/],
  ['PermanentRedirect', 301, /S3_REGION/],
  ['RequestTimeTooSkewed', 403, /clock/],
  ['QuotaExceeded', 403, /quota/],
] as const) {
  test(`says what ${code} means`, async () => {
    double.change({ fault: () => ({ status, code }) });
    await assert.rejects(storage.put('a/b', generated(5, 5)), (error: Error & { hint: string }) => {
      assert.match(error.hint, hint);
      assert.ok(!`${error.message} ${error.hint}`.includes(double.settings.secretKey));
      return true;
    });
  });
}

for (const [title, settings] of [
  ['an endpoint without a scheme', { endpoint: 'garage:3900' }],
  ['half of a key pair', { secretKey: undefined }],
] as const) {
  test(`refuses ${title}`, () => {
    const { secretKey: _, ...rest } = double.settings;
    const wrong = 'endpoint' in settings ? { ...double.settings, ...settings } : rest;
    assert.throws(() => openS3(wrong), { code: 'CONFIG' });
  });
}
