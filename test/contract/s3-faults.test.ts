import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openS3 } from '../../scripts/lib/storages/s3.ts';
import { openClients } from '../../scripts/lib/storages/s3-client.ts';
import { getObject } from '../../scripts/lib/storages/s3-read.ts';
import type { Storage } from '../../scripts/lib/storages/storage.ts';
import { collect, generated, keysOf } from '../support/bytes.ts';
import { type S3Double, startS3Double } from '../support/s3-double.ts';
import type { Fault, Operation } from '../support/s3-double-requests.ts';

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

/** Breaks the requests of one operation: the n-th, or all from the n-th to the last named. */
function breaking(operation: Operation, fault: Fault, first = 1, last = first): void {
  double.change({
    fault: (request) =>
      request.operation === operation && request.nth >= first && request.nth <= last ? fault : undefined,
  });
}

// downloads

test('errors when a download stops, and waits as long as its reader does', async () => {
  double.seed('a/b', Buffer.alloc(8 * MIB));
  const clients = openClients(double.settings);
  const context = { clients, bucket: double.settings.bucket };
  const paused = await getObject(context, 'a/b', undefined, 200);
  await sleep(600);
  assert.equal((await collect(paused)).length, 8 * MIB);
  breaking('GetObject', { stallAt: 1000 }, 1, Infinity);
  await assert.rejects(collect(await getObject(context, 'a/b', undefined, 200)), {
    code: 'STORAGE',
    message: /no byte came for 0.2 s, 1000 came before/,
  });
  clients.close();
});

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
