import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, test } from 'node:test';
import { OperatorError } from '../../scripts/lib/errors.ts';
import { openS3 } from '../../scripts/lib/storages/s3/s3.ts';
import type { Storage } from '../../scripts/lib/storages/storage.ts';
import { collect, generated } from '../support/bytes.ts';
import { type S3Double, startS3Double } from '../support/s3-double.ts';

const MIB = 1024 * 1024;
/** Of five parts, the last one shorter. */
const BIG = 36 * MIB;

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

/** Puts a body of which size and digest are known before; `open` is how it is read without a pause. */
const putKnown = async (open: () => AsyncIterable<Uint8Array> = () => generated(BIG, MIB)) => {
  const bytes = await collect(generated(BIG, MIB));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return storage.put('a/b', generated(BIG, MIB), {
    expectedBytes: BIG,
    known: { sizeBytes: BIG, sha256, open: async () => open() },
  });
};

test('sends what is known before in one request, whose signature names the digest', async () => {
  await putKnown();
  assert.equal(double.count('PutObject'), 1);
  assert.equal(double.count('CreateMultipartUpload'), 0);
});

for (const [title, fault] of [
  ['503 SlowDown', { status: 503, code: 'SlowDown' }],
  ['413 EntityTooLarge', { status: 413, code: 'EntityTooLarge' }],
  ['a connection that is cut', 'reset'],
] as const) {
  test(`sends in parts what met ${title} in one request, and from then on`, async () => {
    double.breaking('PutObject', fault, 1, Infinity);
    await putKnown();
    assert.ok((await collect(await storage.get('a/b'))).equals(await collect(generated(BIG, MIB))));
    await storage.remove(['a/b']);
    await putKnown();
    assert.equal(double.count('PutObject'), 1);
    assert.equal(double.count('UploadPart'), 10);
    assert.equal(double.uploads.size, 0);
  });
}

test('reads the body itself where the reading without a pause breaks off', async () => {
  await putKnown(async function* () {
    yield* generated(10 * MIB, MIB);
    throw new OperatorError('STORAGE', 'the connection ended');
  });
  assert.ok((await collect(await storage.get('a/b'))).equals(await collect(generated(BIG, MIB))));
});

test('says that the key is taken when the answer was lost and the object is there', async () => {
  double.breaking('PutObject', 'lost', 1, 1);
  await assert.rejects(putKnown(), { code: 'KEY_EXISTS' });
  assert.ok((await collect(await storage.get('a/b'))).equals(await collect(generated(BIG, MIB))));
  assert.equal(double.uploads.size, 0);
});

test('is not sent again once it was stopped', async () => {
  const abort = new AbortController();
  const reason = new Error('SIGTERM');
  const bytes = await collect(generated(BIG, MIB));
  const known = {
    sizeBytes: BIG,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    open: async () => {
      setImmediate(() => abort.abort(reason));
      return generated(BIG, MIB);
    },
  };
  double.breaking('PutObject', 'hang', 1, Infinity);
  await assert.rejects(
    storage.put('a/b', generated(BIG, MIB), { known, signal: abort.signal }),
    (thrown) => thrown === reason,
  );
  assert.equal(double.count('CreateMultipartUpload'), 0);
  assert.equal(double.objects.size, 0);
  assert.equal(double.uploads.size, 0);
});
