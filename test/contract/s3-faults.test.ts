import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openClients } from '../../scripts/lib/storages/s3/client.ts';
import { getObject } from '../../scripts/lib/storages/s3/get.ts';
import { openS3 } from '../../scripts/lib/storages/s3/s3.ts';
import type { Storage } from '../../scripts/lib/storages/storage.ts';
import { collect, generated, keysOf } from '../support/bytes.ts';
import { type S3Double, startS3Double } from '../support/s3-double.ts';
import { untilStill } from '../support/sessions.ts';

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

// downloads

/** A download by ranges of a mebibyte, or whole from a store that knows no ranges, which may be silent for so long. */
async function download(key: string, idleTimeoutMs = 30_000): Promise<AsyncIterable<Uint8Array>> {
  const clients = openClients({ ...double.settings, retryDelayMs: 5 });
  const body = await getObject({ clients, bucket: double.settings.bucket }, key, {
    idleTimeoutMs,
    rangeBytes: MIB,
  });
  body.once('close', clients.close);
  return body;
}
const content = Buffer.concat(Array.from({ length: (8 * MIB + 1) >> 16 }, (_, n) => Buffer.alloc(1 << 16, n)));

for (const rangesIgnored of [false, true]) {
  const where = rangesIgnored ? ' where the store knows no ranges' : '';

  test(`waits as long as its reader does, and errors when a download stops${where}`, async () => {
    double.change({ rangesIgnored });
    double.seed('a/b', content);
    const paused = await download('a/b', 2_000);
    // longer than the store's own patience with a download that stands still
    await sleep(3_000);
    assert.ok((await collect(paused)).equals(content));
    double.breaking('GetObject', { stallAt: 1000 }, 1, Infinity);
    await assert.rejects(collect(await download('a/b', 500)), {
      code: 'STORAGE',
      message: /no byte came for 0.5 s, 1000 came before/,
    });
  });

  test(`errors when a download is cut off again and again${where}`, async () => {
    double.change({ rangesIgnored });
    double.seed('a/b', content);
    double.breaking('GetObject', { truncateAt: 1000 }, 1, Infinity);
    await assert.rejects(collect(await download('a/b')), {
      code: 'STORAGE',
      message: new RegExp(`cannot read a/b .* after \\d+ of ${content.length} bytes`),
    });
  });

  test(`reads an object that is empty${where}`, async () => {
    double.change({ rangesIgnored });
    double.seed('a/b', '');
    assert.equal((await collect(await download('a/b'))).length, 0);
  });
}

test('reads ranges ahead, and asks for no more before the reader takes some', async () => {
  double.seed('a/b', content);
  const reader = (await download('a/b'))[Symbol.asyncIterator]();
  const { value: first = Buffer.alloc(0) } = await reader.next();
  const asked = await untilStill('it reads ahead', () => double.count('GetObject'));
  assert.ok(asked > 1 && asked < content.length / MIB, `${asked} ranges`);
  const rest = await collect({ [Symbol.asyncIterator]: () => reader });
  assert.ok(Buffer.concat([first, rest]).equals(content));
  assert.equal(double.count('GetObject'), Math.ceil(content.length / MIB));
});

test('reads on where a download was cut off', async () => {
  double.seed('a/b', content);
  double.breaking('GetObject', { truncateAt: 1000 }, 3, 5);
  assert.ok((await collect(await download('a/b'))).equals(content));
  assert.equal(double.count('GetObject'), Math.ceil(content.length / MIB) + 3);
});

test('errors when the object is replaced while it is read', async () => {
  double.seed('a/b', content);
  double.change({
    fault: ({ operation, nth }) => {
      if (operation === 'GetObject' && nth === 6) double.seed('a/b', Buffer.alloc(content.length));
      return undefined;
    },
  });
  await assert.rejects(collect(await download('a/b')), { code: 'STORAGE', hint: /wrote over it while it was read/ });
});

test('ends what it reads ahead when nobody wants the rest', async () => {
  double.seed('a/b', content);
  double.breaking('GetObject', { stallAt: 1000 }, 2, Infinity);
  for await (const _chunk of await download('a/b')) break;
  await double.stop();
  await double.startAgain();
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
    double.breaking('ListObjectsV2', fault, 3, Infinity);
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

test('a listing in an order of the store’s own is whole, and comes in the order of the keys’ bytes', async () => {
  const keys = seed(2500);
  double.change({ listedBy: (key) => createHash('sha256').update(key).digest('hex') });
  assert.deepEqual(await keysOf(storage, ''), keys);
});

test('throws for a page in an order of its own that comes a second time in place of another', async () => {
  const keys = ['k2', 'k1'].map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`).join('');
  double.change({
    fault: ({ nth }) => ({
      body: `<ListBucketResult><Name>backups</Name><IsTruncated>${nth < 3}</IsTruncated>${keys}<NextContinuationToken>${nth}</NextContinuationToken></ListBucketResult>`,
    }),
  });
  await assert.rejects(keysOf(storage, ''), { code: 'STORAGE', message: /k2 twice/ });
});

// deletions

test('deletes one by one where the store cannot delete in batches', async () => {
  const keys = seed(5);
  double.breaking('DeleteObjects', { status: 501, code: 'NotImplemented' }, 1, Infinity);
  assert.deepEqual(await storage.remove(keys), []);
  assert.equal(double.count('DeleteObject'), 5);
  assert.equal(double.objects.size, 0);
});

test('deletes in batches of 1000, and returns every key of one that failed', async () => {
  const keys = seed(2500);
  double.breaking('DeleteObjects', { status: 403, code: 'AccessDenied' }, 2, Infinity);
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
  double.breaking('DeleteObjects', { body });
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
  ['InvalidObjectState', 403, /archive.*thawed/],
  ['SecondLevelDomainForbidden', 403, /S3_FORCE_PATH_STYLE=false/],
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
