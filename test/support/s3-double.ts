import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { compareKeys } from '../../scripts/lib/storages/keys.ts';
import type { S3Settings } from '../../scripts/lib/storages/s3/s3.ts';
import {
  type DoubleOptions,
  type DoubleRequest,
  type Fault,
  type Operation,
  operationOf,
} from './s3-double-requests.ts';
import { listingOf, textOf, uploadsOf, xml } from './s3-double-xml.ts';

interface Upload {
  readonly key: string;
  readonly initiated: Date;
  readonly parts: Map<number, { etag: string; bytes: Buffer; sizeBytes: number }>;
}

export interface DoubleObject {
  readonly bytes: Buffer;
  readonly sizeBytes: number;
  readonly etag: string;
}

export const ACCESS_KEY = 'GKdouble';
const BUCKET = 'backups';

/**
 * An S3-compatible store in this process, for where no real one can be had, and for faults that a real one cannot
 * be made to show. It keeps to what S3 documents, and checks what S3 checks of a body: its signed SHA-256, its
 * Content-MD5, and the ETags of the parts.
 */
export async function startS3Double(initial: DoubleOptions = {}) {
  let options = initial;
  const objects = new Map<string, DoubleObject>();
  const uploads = new Map<string, Upload>();
  const requests: DoubleRequest[] = [];
  const counts = new Map<Operation, number>();
  let sorted: string[] | undefined;

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (!response.headersSent) refuse(response, 500, 'InternalError', String(error));
      else response.destroy();
    });
  });
  const listen = (port: number) =>
    new Promise<number>((resolve) => {
      server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
    });
  const port = await listen(0);

  function store(key: string, object: DoubleObject): void {
    objects.set(key, object);
    sorted = undefined;
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://double');
    const [, bucket = '', ...segments] = url.pathname.split('/');
    const key = decodeURIComponent(segments.join('/'));
    const operation = operationOf(request.method ?? '', key, url.searchParams);
    const nth = (counts.get(operation) ?? 0) + 1;
    counts.set(operation, nth);
    const seen: DoubleRequest = { operation, key, query: url.searchParams, headers: request.headers, nth };
    requests.push(seen);

    const fault = options.fault?.(seen);
    const delayMs = options.delayMs?.(operation) ?? 0;
    if (delayMs > 0) await sleep(delayMs);
    if (fault === 'reset') return void request.socket.destroy();
    if (fault === 'hang') return;
    const body = await bodyOf(request);
    if (fault === 'lost') {
      // everything but the answer
      response.end = () => {
        request.socket.destroy();
        return response;
      };
      response.write = () => false;
    } else if (typeof fault === 'object' && 'status' in fault) {
      return refuse(response, fault.status, fault.code, fault.message);
    } else if (typeof fault === 'object' && 'body' in fault) {
      return void response.end(fault.body);
    }

    const credential = /Credential=([^/]+)\//.exec(request.headers.authorization ?? '')?.[1];
    if (credential !== ACCESS_KEY) return refuse(response, 403, 'InvalidAccessKeyId');
    if (bucket !== BUCKET) return refuse(response, 404, 'NoSuchBucket', 'The specified bucket does not exist');
    if (options.allow && !options.allow.includes(operation)) return refuse(response, 403, 'AccessDenied');
    if (request.headers['x-amz-content-sha256'] !== digest('sha256', body).toString('hex')) {
      return refuse(response, 400, 'XAmzContentSHA256Mismatch');
    }
    const md5 = request.headers['content-md5'];
    if (md5 !== undefined && md5 !== digest('md5', body).toString('base64')) return refuse(response, 400, 'BadDigest');
    serve[operation](seen, body, response, typeof fault === 'object' ? fault : undefined);
  }

  /** Whether the write may go on; else it has been answered. */
  function mayWrite({ headers, key }: DoubleRequest, response: ServerResponse): boolean {
    if (headers['if-none-match'] === undefined || options.conditional === 'ignored') return true;
    if (options.conditional === 'refused') {
      refuse(response, 501, 'NotImplemented');
    } else if (objects.has(key)) {
      refuse(response, 412, 'PreconditionFailed', 'At least one of the preconditions you specified did not hold');
    } else {
      return true;
    }
    return false;
  }

  const serve: Record<
    Operation,
    (request: DoubleRequest, body: Buffer, response: ServerResponse, fault?: Exclude<Fault, string>) => void
  > = {
    PutObject(request, body, response) {
      if (!mayWrite(request, response)) return;
      const etag = digest('md5', body).toString('hex');
      store(request.key, { bytes: keep(body), sizeBytes: body.length, etag });
      response.setHeader('ETag', `"${etag}"`).end();
    },

    CreateMultipartUpload({ key }, _body, response) {
      const id = randomUUID();
      uploads.set(id, { key, initiated: new Date(), parts: new Map() });
      xml(response, 'InitiateMultipartUploadResult', { Bucket: BUCKET, Key: key, UploadId: id });
    },

    UploadPart({ query }, body, response) {
      const upload = uploads.get(query.get('uploadId') ?? '');
      if (!upload) return refuse(response, 404, 'NoSuchUpload');
      const etag = digest('md5', body).toString('hex');
      upload.parts.set(Number(query.get('partNumber')), { etag, bytes: keep(body), sizeBytes: body.length });
      response.setHeader('ETag', `"${etag}"`).end();
    },

    CompleteMultipartUpload(request, body, response) {
      const id = request.query.get('uploadId') ?? '';
      const upload = uploads.get(id);
      if (!upload) return refuse(response, 404, 'NoSuchUpload');
      if (!mayWrite(request, response)) return;
      const asked = textOf(body, 'Part').map((part) => ({
        number: Number(textOf(part, 'PartNumber')[0]),
        etag: textOf(part, 'ETag')[0]?.replaceAll(/&quot;|"/g, ''),
      }));
      const parts = asked.map(({ number }) => upload.parts.get(number));
      if (asked.some(({ etag }, index) => parts[index]?.etag !== etag)) return refuse(response, 400, 'InvalidPart');
      const kept = parts.filter((part) => part !== undefined);
      if (kept.slice(0, -1).some((part) => part.sizeBytes !== kept[0]?.sizeBytes)) {
        return refuse(response, 400, 'InvalidPart', 'All non-trailing parts must have the same length');
      }
      const etags = Buffer.concat(kept.map((part) => Buffer.from(part.etag, 'hex')));
      const etag = `${digest('md5', etags).toString('hex')}-${kept.length}`;
      store(request.key, {
        bytes: Buffer.concat(kept.map((part) => part.bytes)),
        sizeBytes: kept.reduce((sum, part) => sum + part.sizeBytes, 0),
        etag,
      });
      uploads.delete(id);
      xml(response, 'CompleteMultipartUploadResult', { Bucket: BUCKET, Key: request.key, ETag: `"${etag}"` });
    },

    AbortMultipartUpload({ query }, _body, response) {
      if (!uploads.delete(query.get('uploadId') ?? '')) return refuse(response, 404, 'NoSuchUpload');
      response.writeHead(204).end();
    },

    ListMultipartUploads({ query }, _body, response) {
      const found = [...uploads].map(([id, { key, initiated }]) => ({ id, key, initiated }));
      response.end(uploadsOf(BUCKET, found, query));
    },

    ListObjectsV2({ query }, _body, response) {
      const place = options.listedBy ?? ((key: string) => key);
      sorted ??= [...objects.keys()].sort((a, b) => compareKeys(place(a), place(b)));
      response.end(listingOf(BUCKET, sorted, (key) => objects.get(key)?.sizeBytes ?? 0, query));
    },

    GetObject({ key, headers }, _body, response, fault) {
      const object = objects.get(key);
      if (!object) return refuse(response, 404, 'NoSuchKey', 'The specified key does not exist.');
      const etag = `"${object.etag}"`;
      if (headers['if-match'] !== undefined && headers['if-match'] !== etag) {
        return refuse(
          response,
          412,
          'PreconditionFailed',
          'At least one of the preconditions you specified did not hold',
        );
      }
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
      const isRange = last !== undefined && !options.rangesIgnored;
      const [from, to] = isRange
        ? [Number(first), Math.min(Number(last) + 1, object.sizeBytes)]
        : [0, object.sizeBytes];
      if (isRange && from >= object.sizeBytes) {
        return refuse(response, 416, 'InvalidRange', 'The requested range cannot be satisfied.');
      }
      const bytes = object.bytes.subarray(from, to);
      response.writeHead(isRange ? 206 : 200, {
        ETag: etag,
        'Content-Length': to - from,
        ...(isRange ? { 'Content-Range': `bytes ${from}-${to - 1}/${object.sizeBytes}` } : {}),
      });
      if (fault && 'truncateAt' in fault) {
        response.write(bytes.subarray(0, fault.truncateAt), () => response.destroy());
      } else if (fault && 'stallAt' in fault) {
        response.write(bytes.subarray(0, fault.stallAt));
      } else {
        response.end(bytes);
      }
    },

    HeadObject({ key }, _body, response) {
      const object = objects.get(key);
      if (!object) return void response.writeHead(404).end();
      response.writeHead(200, { ETag: `"${object.etag}"`, 'Content-Length': object.sizeBytes }).end();
    },

    DeleteObject({ key }, _body, response) {
      objects.delete(key);
      sorted = undefined;
      response.writeHead(204).end();
    },

    DeleteObjects({ headers }, body, response) {
      if (headers['content-md5'] === undefined) return refuse(response, 400, 'MissingContentMD5');
      const keys = textOf(body, 'Key').map((key) => textOf(Buffer.from(`<k>${key}</k>`), 'k')[0] ?? '');
      if (keys.length > 1000) return refuse(response, 400, 'MalformedXML');
      const [locked, free] = [keys.filter(isLocked), keys.filter((key) => !isLocked(key))];
      for (const key of free) objects.delete(key);
      sorted = undefined;
      xml(response, 'DeleteResult', {
        Deleted: free.map((Key) => ({ Key, ...(options.versioned ? { DeleteMarker: 'true' } : {}) })),
        // in AWS's words
        Error: locked.map((Key) => ({
          Key,
          Code: 'AccessDenied',
          Message: 'Access Denied because object protected by object lock.',
        })),
      });
    },
  };

  function isLocked(key: string): boolean {
    return options.locked?.(key) ?? false;
  }

  function keep(body: Buffer): Buffer {
    return options.forgetful ? Buffer.alloc(0) : body;
  }

  return {
    settings: {
      endpoint: `http://127.0.0.1:${port}`,
      region: 'garage',
      bucket: BUCKET,
      accessKey: ACCESS_KEY,
      secretKey: 'a'.repeat(64),
    } satisfies S3Settings,
    objects,
    uploads,
    requests,
    /** How often an operation was asked for. */
    count: (operation: Operation) => counts.get(operation) ?? 0,
    /** Puts an object there without a request. */
    seed(key: string, bytes: Uint8Array | string = ''): void {
      const body = Buffer.from(bytes);
      store(key, { bytes: body, sizeBytes: body.length, etag: digest('md5', body).toString('hex') });
    },
    change(changed: DoubleOptions): void {
      options = { ...options, ...changed };
    },
    /** Breaks the requests of one operation: the n-th, or all from the n-th to the last named. */
    breaking(operation: Operation, fault: Fault, first = 1, last = first): void {
      this.change({
        fault: (request) =>
          request.operation === operation && request.nth >= first && request.nth <= last ? fault : undefined,
      });
    },
    /** Goes away as a crashed store does: connections are cut, new ones refused. */
    async stop(): Promise<void> {
      const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await stopped;
    },
    async startAgain(): Promise<void> {
      await listen(port);
    },
    async close(): Promise<void> {
      if (!server.listening) return;
      await this.stop();
    },
  };
}

export type S3Double = Awaited<ReturnType<typeof startS3Double>>;

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function digest(algorithm: string, bytes: Uint8Array): Buffer {
  return createHash(algorithm).update(bytes).digest();
}

function refuse(response: ServerResponse, status: number, code: string, message = code): void {
  response.statusCode = status;
  xml(response, 'Error', { Code: code, Message: message, Resource: '', RequestId: '0' });
}
