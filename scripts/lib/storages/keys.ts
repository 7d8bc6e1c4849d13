import { OperatorError } from '../errors.ts';

/** S3's limit, and below the path limit of every common file system. */
const MAX_KEY_BYTES = 1024;

/**
 * Refuses a key that is not one in every storage: empty, too long, with a leading slash, with an empty, `.` or `..`
 * segment, or with a NUL.
 * @throws OperatorError USAGE
 */
export function assertKey(key: string): void {
  if (key === '' || key.includes('\0') || key.split('/').some(isUnsafe)) {
    throw new OperatorError('USAGE', `${JSON.stringify(key)} is not an object's key`, {
      hint: 'A key is a path like 2026/02/03/myapp_040506.sql.gz: no leading slash, no empty, . or .. segments.',
    });
  }
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) {
    throw new OperatorError('USAGE', `the key ${key.slice(0, 80)}… is longer than ${MAX_KEY_BYTES} bytes`, {
      hint: 'Shorten S3_PREFIX or the source name.',
    });
  }
}

/**
 * Refuses a prefix that could lead out of the storage. Its last segment may be the beginning of a name.
 * @throws OperatorError USAGE
 */
export function assertPrefix(prefix: string): void {
  if (prefix.includes('\0') || prefix.split('/').slice(0, -1).some(isUnsafe)) {
    throw new OperatorError('USAGE', `${JSON.stringify(prefix)} is not a prefix of objects' keys`, {
      hint: 'A prefix is a path like backups/production/: no leading slash, no empty, . or .. segments.',
    });
  }
}

/** Orders keys by their UTF-8 bytes, as S3 lists them. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  // UTF-16 order, which is fast, differs from byte order only where surrogates are
  if (SURROGATE.test(a) || SURROGATE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : 1;
}

const SURROGATE = /[\ud800-\udfff]/;

function isUnsafe(segment: string): boolean {
  return segment === '' || segment === '.' || segment === '..';
}
