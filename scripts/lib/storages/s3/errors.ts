import { type ErrorCode, messageOf, OperatorError } from '../../errors.ts';
import { containerHint } from '../../machine/container.ts';

/** Which request failed, on what, where. */
export interface S3Target {
  /** `store 2026/…`, `list backups`: as it follows "cannot". */
  readonly operation: string;
  readonly bucket: string;
  /** The address, without credentials; `AWS` when none is set. */
  readonly endpoint: string;
  /** What the key's owner must be allowed to do: `write`, `read`, `list`, `delete`. */
  readonly permission: string;
  /** S3_FORCE_PATH_STYLE=false: the host asked is the bucket's own. */
  readonly bucketInHost?: boolean;
}

interface Meaning {
  readonly code: ErrorCode;
  readonly hint: (target: S3Target) => string;
}

const WRONG_KEY: Meaning = {
  code: 'STORAGE_DENIED',
  hint: ({ permission, bucket }) =>
    `Check S3_ACCESS_KEY and S3_SECRET_KEY, and that this key may ${permission} in the bucket ${bucket} (S3_BUCKET).`,
};
const WRONG_REGION: Meaning = {
  code: 'STORAGE',
  hint: () => 'Set S3_REGION to the region of the bucket, and S3_ENDPOINT to an address of that region.',
};
const WRONG_BUCKET: Meaning = {
  code: 'STORAGE',
  hint: ({ bucket }) => `Create the bucket ${bucket}, or correct S3_BUCKET; it is never created by this program.`,
};
const WRONG_CLOCK: Meaning = {
  code: 'STORAGE',
  hint: () => 'The clock of this machine differs from the store’s: set it (timedatectl, NTP).',
};
const FULL: Meaning = {
  code: 'STORAGE',
  hint: ({ bucket }) =>
    `The store has no room left: raise the quota of ${bucket} (S3_BUCKET), add disk, or run cleanup.`,
};
const NO_CREDENTIALS: Meaning = {
  code: 'STORAGE_DENIED',
  hint: () => 'Set S3_ACCESS_KEY and S3_SECRET_KEY, or give this machine a role.',
};
const UNREACHABLE: Meaning = {
  code: 'STORAGE',
  hint: ({ endpoint }) =>
    [
      `Check S3_ENDPOINT, and that the store runs and is reachable from here (${endpoint}).`,
      URL.canParse(endpoint) ? containerHint(new URL(endpoint).hostname, 'the store', 'S3_ENDPOINT') : undefined,
    ]
      .filter((hint) => hint !== undefined)
      .join(' '),
};
const TLS: Meaning = {
  code: 'STORAGE',
  hint: ({ endpoint }) =>
    `Check S3_ENDPOINT (http or https?) and the certificate of ${endpoint}; a private authority's goes into S3_CA_FILE.`,
};
const BUSY: Meaning = { code: 'STORAGE', hint: () => 'The store is overloaded or restarting: run it again later.' };
const NOT_S3: Meaning = {
  code: 'STORAGE',
  hint: ({ endpoint }) =>
    `Check that S3_ENDPOINT (${endpoint}) is the S3 API, not a web console, a website or a proxy's login page.`,
};
const ENDED: Meaning = {
  code: 'STORAGE',
  hint: () => 'The store ended the upload: a cleanup, a lifecycle rule, or a store that lost it. Run it again.',
};
const CHANGED: Meaning = {
  code: 'STORAGE',
  hint: () =>
    'The store did not get the bytes that were sent, or lost some: run it again, and look at the store’s log.',
};
const REFUSED: Meaning = {
  code: 'STORAGE',
  hint: ({ endpoint }) => `The store (${endpoint}) refuses the request itself: its documentation or log says why.`,
};
const REPLACED: Meaning = {
  code: 'STORAGE',
  hint: () =>
    'Somebody wrote over it while it was read: nothing of this project does. Look into what did, then run it again.',
};
const ARCHIVED: Meaning = {
  code: 'STORAGE',
  hint: ({ bucket }) =>
    `A lifecycle rule has moved it to the store’s archive: have it thawed first (aws s3api restore-object --bucket ${bucket} --key KEY --restore-request Days=3), wait until it is, and run this again.`,
};
const VIRTUAL_HOST: Meaning = {
  code: 'STORAGE',
  hint: ({ bucket }) =>
    `This store wants the bucket in the host name: set S3_FORCE_PATH_STYLE=false, and S3_ENDPOINT to its address without ${bucket}.`,
};
const NO_BUCKET_HOST: Meaning = {
  code: 'STORAGE',
  hint: ({ bucket, endpoint }) =>
    `Check S3_ENDPOINT (${endpoint}) and S3_BUCKET. The bucket ${bucket} is put before the host name; S3_FORCE_PATH_STYLE=true puts it into the path.`,
};
const NO_LOCK: Meaning = {
  code: 'STORAGE',
  hint: ({ bucket }) =>
    `S3_LOCK wants a bucket with object lock, which ${bucket} has not: switch it on there (some stores can only when a bucket is made), or remove S3_LOCK.`,
};
const MISSING: Meaning = { code: 'NO_SUCH_BACKUP', hint: () => 'list shows what there is.' };

/** The names that stores give their errors, and the codes of node's network and TLS errors. */
const MEANINGS: ReadonlyMap<string, Meaning> = new Map(
  (
    [
      [
        WRONG_KEY,
        'AccessDenied Forbidden Unauthorized InvalidAccessKeyId SignatureDoesNotMatch InvalidToken ExpiredToken AllAccessDisabled AccountProblem InvalidSecurity UnauthorizedAccess',
      ],
      [
        WRONG_REGION,
        'AuthorizationHeaderMalformed PermanentRedirect TemporaryRedirect IllegalLocationConstraintException',
      ],
      [WRONG_BUCKET, 'NoSuchBucket InvalidBucketName'],
      [WRONG_CLOCK, 'RequestTimeTooSkewed RequestExpired RequestInTheFuture'],
      [
        FULL,
        'QuotaExceeded XMinioStorageFull XMinioAdminBucketQuotaExceeded InsufficientStorage StorageFull NoSpaceLeft',
      ],
      [NO_CREDENTIALS, 'CredentialsProviderError ProviderError TokenProviderError'],
      [
        UNREACHABLE,
        'ENOTFOUND EAI_AGAIN ECONNREFUSED ECONNRESET EPIPE ETIMEDOUT EHOSTUNREACH ENETUNREACH TimeoutError HPE_INVALID_CONSTANT',
      ],
      [TLS, 'EPROTO DEPTH_ZERO_SELF_SIGNED_CERT CERT_HAS_EXPIRED CERT_NOT_YET_VALID ERR_TLS_CERT_ALTNAME_INVALID'],
      [BUSY, 'SlowDown Throttling TooManyRequests ServiceUnavailable InternalError RequestTimeout'],
      [ENDED, 'NoSuchUpload'],
      [CHANGED, 'InvalidPart InvalidPartOrder BadDigest XAmzContentSHA256Mismatch InvalidDigest IncompleteBody'],
      [NOT_S3, 'NotFound MethodNotAllowed'],
      [REPLACED, 'PreconditionFailed'],
      [MISSING, 'NoSuchKey'],
      [ARCHIVED, 'InvalidObjectState ArchivedObject ObjectNotInActiveTierError'],
      [VIRTUAL_HOST, 'SecondLevelDomainForbidden PathStyleDomainForbidden VirtualHostDomainRequired InvalidPathAccess'],
    ] satisfies [Meaning, string][]
  ).flatMap(([meaning, names]) => names.split(' ').map((name): [string, Meaning] => [name, meaning])),
);

const BY_STATUS: ReadonlyMap<number, Meaning> = new Map([
  [301, WRONG_REGION],
  [307, WRONG_REGION],
  [400, REFUSED],
  [401, WRONG_KEY],
  [403, WRONG_KEY],
  [404, NOT_S3],
  [405, NOT_S3],
  [429, BUSY],
  [500, BUSY],
  [502, BUSY],
  [503, BUSY],
  [504, BUSY],
  [507, FULL],
]);

const UNREADABLE: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'nothing listens there'],
  ['ENOTFOUND', 'there is no such host'],
  ['EAI_AGAIN', 'the name service does not answer'],
  ['ECONNRESET', 'the connection was cut'],
  ['EPIPE', 'the connection was cut'],
  ['EPROTO', 'it does not speak TLS'],
]);

/**
 * `cannot store 2026/… in s3://backups at http://garage:3900: access denied (AccessDenied)`.
 * What is already an OperatorError stays as it is.
 */
export function s3Failure(error: unknown, target: S3Target): OperatorError {
  if (error instanceof OperatorError) return error;
  const name = nameOf(error);
  const status = statusOf(error);
  const meaning =
    hostOf(name, target) ??
    MEANINGS.get(name) ??
    byPattern(name, error) ??
    (status === undefined ? undefined : BY_STATUS.get(status));
  const message = messageOf(error);
  const detail = UNREADABLE.get(name) ?? (message === 'UnknownError' ? `it answered with HTTP ${status}` : message);
  const says = detail.includes(name) ? detail : `${detail} (${name})`;
  return failureOf(meaning ?? { code: 'STORAGE', hint: UNREACHABLE.hint }, says, target, error);
}

/** With the bucket in the host name, a host that is not there, or not in the certificate, may be there without it. */
function hostOf(name: string, { bucketInHost }: S3Target): Meaning | undefined {
  return bucketInHost && /^(ENOTFOUND|ERR_TLS_CERT_ALTNAME_INVALID)$/.test(name) ? NO_BUCKET_HOST : undefined;
}

/** An answer that claims success but is none of S3's. */
export function notS3(target: S3Target, says: string): OperatorError {
  return failureOf(NOT_S3, says, target);
}

/** The name that S3, node or the SDK gave the error: `NoSuchBucket`, `ECONNREFUSED`, `TimeoutError`. */
export function nameOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'Error';
  const { Code, code, name } = error as { Code?: unknown; code?: unknown; name?: unknown };
  if (typeof code === 'string') return code;
  if (typeof Code === 'string') return Code;
  return typeof name === 'string' ? name : 'Error';
}

/** The HTTP status of the answer, if there was one. */
export function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;
}

function byPattern(name: string, error: unknown): Meaning | undefined {
  if (/(missing|no|without|not).*object ?lock/i.test(messageOf(error))) return NO_LOCK;
  if (/virtual.?host|path.?style/i.test(messageOf(error))) return VIRTUAL_HOST;
  if (/^(ERR_TLS_|ERR_SSL_|CERT_|SELF_SIGNED_|UNABLE_TO_)/.test(name)) return TLS;
  // an HTML page where XML was to be, with whatever status
  if (/^(HPE_|SyntaxError)/.test(name) || /deserializ|xml/i.test(messageOf(error))) return NOT_S3;
  return undefined;
}

function failureOf(meaning: Meaning, says: string, target: S3Target, cause?: unknown): OperatorError {
  return new OperatorError(
    meaning.code,
    `cannot ${target.operation} in s3://${target.bucket} at ${target.endpoint}: ${says}`,
    { hint: meaning.hint(target), ...(cause === undefined ? {} : { cause }) },
  );
}
