import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { messageOf, OperatorError } from '../../errors.ts';
import { log } from '../../terminal/log.ts';
import type { Lock } from '../storage.ts';
import { nameOf, statusOf } from './errors.ts';
import { Patience } from './retry.ts';
import { inSlices, SIGNED } from './slices.ts';

export interface S3Settings {
  /** `http://garage:3900`; unset means AWS itself. */
  readonly endpoint?: string;
  readonly region: string;
  readonly bucket: string;
  /** Without both, the SDK's default chain: environment, profile, role of the container or machine. */
  readonly accessKey?: string;
  readonly secretKey?: string;
  /** Goes with a pair of keys that was lent for a while. */
  readonly sessionToken?: string;
  /** A file with certificate authorities to trust beside the public ones; S3_CA_FILE. */
  readonly caFile?: string;
  /** The bucket in the path instead of the host name; by default wherever an endpoint is set. */
  readonly forcePathStyle?: boolean;
  /** S3_STORAGE_CLASS of what is put; by default the bucket's. */
  readonly storageClass?: string;
  /** S3_LOCK: what is put is held fast. */
  readonly lock?: Lock;
  /** Bytes of part buffers held in memory at most, by one upload. */
  readonly memoryBudgetBytes?: number;
  /** To connect, DNS and TLS included; CONNECT_TIMEOUT. */
  readonly connectTimeoutMs?: number;
  /** How long the store may be silent while it is waited for; STORAGE_TIMEOUT. */
  readonly silenceMs?: number;
  /** Before a failed request is sent again for the first time; 100 by default. */
  readonly retryDelayMs?: number;
}

/** The region by default, which only the store of docker-compose.yml has: keys would go to Amazon, and nothing would be found there. */
const GARAGE_REGION = 'garage';

/** Bounds of a single request. The part of a slow line may take long, but something must move. */
const CONNECT_TIMEOUT_MS = 15_000;
const SILENCE_MS = 120_000;
const TELL_EVERY_MS = 10_000;

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** Where a middleware sees every single attempt, answered or failed. */
export const INSIDE_RETRIES = { step: 'finalizeRequest', priority: 'low' } as const;

export interface S3Clients {
  /** For requests that carry the bytes of an object: bounded by silence on the line, not by time. */
  readonly uploads: S3Client;
  /** For everything else: bounded by the time to the answer. A download may be paused by its reader for longer. */
  readonly control: S3Client;
  readonly endpoint: string;
  /** The bucket is in the host name, by S3_FORCE_PATH_STYLE=false. */
  readonly bucketInHost: boolean;
  /** How long the store may be silent while it is waited for. */
  readonly silenceMs: number;
  close(): void;
}

/**
 * @throws OperatorError CONFIG for an endpoint that is no URL, or is missing where the region is none of Amazon's, half of a key
 *   pair, or authorities that cannot be read
 */
export function openClients(settings: S3Settings): S3Clients {
  const { endpoint, region, accessKey, secretKey } = settings;
  const { connectTimeoutMs = CONNECT_TIMEOUT_MS, silenceMs = SILENCE_MS } = settings;
  if ((accessKey === undefined) !== (secretKey === undefined)) {
    throw new OperatorError('CONFIG', 'only one of S3_ACCESS_KEY and S3_SECRET_KEY is set', {
      hint: 'Set both, or neither to use the role of this machine.',
    });
  }
  if (endpoint === undefined && region === GARAGE_REGION) {
    throw new OperatorError('CONFIG', `S3_ENDPOINT is not set, and Amazon's S3 has no region "${region}"`, {
      hint: "Set S3_ENDPOINT to the store's address (that of the stack, in its network: http://garage:3900), S3_REGION for Amazon's own S3, or BACKUP_DIR.",
    });
  }
  const address = endpoint === undefined ? 'AWS' : originOf(endpoint);
  const trust = settings.caFile === undefined ? {} : { httpsAgent: { ca: authorities(settings.caFile) } };
  const patience = new Patience(settings.retryDelayMs);
  const tell = failureTeller(address);
  const config = {
    region,
    forcePathStyle: settings.forcePathStyle ?? endpoint !== undefined,
    // an application's AWS_USE_FIPS_ENDPOINT is about Amazon's own addresses
    ...(endpoint === undefined ? {} : { endpoint, useFipsEndpoint: false, useDualstackEndpoint: false }),
    ...(accessKey === undefined || secretKey === undefined
      ? {}
      : {
          credentials: {
            accessKeyId: accessKey,
            secretAccessKey: secretKey,
            ...(settings.sessionToken === undefined ? {} : { sessionToken: settings.sessionToken }),
          },
        }),
    // Many stores refuse or ignore AWS's newer checksum headers. Nothing is lost: all bodies here are buffers, which
    // SigV4 signs with their SHA-256 (x-amz-content-sha256) over http and https alike, so that the store checks
    // every part; and a download is checked against the manifest.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // with it, every part would be sent over a connection of its own
    expectContinueHeader: false,
    retryStrategy: patience,
    // without one, the SDK writes to the console that a body that is read once cannot be sent twice
    logger: SILENT,
  } satisfies S3ClientConfig;
  const uploads = new S3Client({
    ...config,
    requestHandler: { connectionTimeout: connectTimeoutMs, socketTimeout: silenceMs, ...trust },
  });
  const control = new S3Client({
    ...config,
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      requestTimeout: silenceMs,
      throwOnRequestTimeout: true,
      socketTimeout: 0,
      ...trust,
    },
  });
  uploads.middlewareStack.add(inSlices, SIGNED);
  for (const client of [uploads, control]) {
    // makes, of every answer, a copy for a log that nobody reads
    client.middlewareStack.remove('loggerMiddleware');
    client.middlewareStack.add(
      (next, context) => async (args) => {
        try {
          const result = await next(args);
          patience.reached();
          return result;
        } catch (error) {
          const status = statusOf(error) ?? 500;
          if (status < 500) patience.reached();
          else tell(context.commandName, error);
          throw error;
        }
      },
      INSIDE_RETRIES,
    );
  }
  return {
    uploads,
    control,
    endpoint: address,
    bucketInHost: settings.forcePathStyle === false && endpoint !== undefined,
    silenceMs,
    close() {
      uploads.destroy();
      control.destroy();
    },
  };
}

/** Tells of requests that got no answer or a bad one, as they happen, and not more often than anybody reads. */
function failureTeller(address: string): (command: string | undefined, error: unknown) => void {
  let toldAt = Number.NEGATIVE_INFINITY;
  return (command = 'a request', error) => {
    // stopped by ourselves
    if (nameOf(error) === 'AbortError' || Date.now() - toldAt < TELL_EVERY_MS) return;
    toldAt = Date.now();
    log.warn(`the storage at ${address} failed at ${command.replace(/Command$/, '')}: ${messageOf(error)}`);
  };
}

/** The address as it may stand in a message: without a user and password that somebody put into it. */
function originOf(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url.origin + url.pathname.replace(/\/$/, '');
  throw new OperatorError('CONFIG', 'S3_ENDPOINT is not an http:// or https:// address', {
    hint: 'Set S3_ENDPOINT to something like http://garage:3900 or https://s3.eu-central-1.amazonaws.com.',
  });
}

/** The public authorities and those in the file: a private one does not make the others strangers. */
function authorities(path: string): string[] {
  try {
    return [...rootCertificates, readFileSync(path, 'utf8')];
  } catch (error) {
    throw new OperatorError('CONFIG', `S3_CA_FILE cannot be read: ${messageOf(error)}`, {
      hint: 'Mount the file into the backup container, readable for its user, and name the path there.',
    });
  }
}
