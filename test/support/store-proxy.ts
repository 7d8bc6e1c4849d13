import { createHash } from 'node:crypto';
import { Agent, createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Operation, operationOf } from './s3-double-requests.ts';

/** What goes wrong between a verb and the store. Every one has been seen in the wild. */
export type StoreFaultKind =
  | 'reset'
  | 'refused'
  | 'hang'
  | 'drip'
  | '500'
  | '503'
  | '403'
  | '404 on complete'
  | 'wrong ETag'
  | 'truncated'
  | 'short'
  | 'flipped'
  | 'lost part'
  | 'lost answer'
  | 'hanging answer'
  | 'clock skew'
  | 'old listing'
  | 'phantom in listing'
  | 'duplicate page';

export interface StoreFault {
  readonly kind: StoreFaultKind;
  /** The requests that it can befall. */
  readonly operations: readonly Operation[];
  /** From the so-manieth of them on, counted from 1. */
  readonly from: number;
  /** How many of them in a row; without, forever. */
  readonly times?: number;
  /** Where in a body, from 0 to 1. */
  readonly at: number;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

const DRIP_BYTES = 512;
const DRIP_MS = 100;

/**
 * An HTTP proxy in front of any S3-compatible store, which hands requests on as they are signed and lets one thing go
 * wrong.
 */
export async function startStoreProxy(endpoint: string, fault: StoreFault | undefined) {
  const upstream = new URL(endpoint);
  const agent = new Agent({ keepAlive: true });
  let count = 0;
  let happened = false;
  let isRefusing = false;
  let listing: Answer | undefined;
  const timers = new Set<NodeJS.Timeout>();

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  server.on('connection', (socket) => {
    if (isRefusing) socket.resetAndDestroy();
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://proxy');
    const [, , ...segments] = url.pathname.split('/');
    const operation = operationOf(request.method ?? '', decodeURIComponent(segments.join('/')), url.searchParams);
    const kind = befalls(operation);
    if (kind === undefined && url.searchParams.get('continuation-token') === 'again' && listing) {
      return answer(response, listing);
    }
    if (kind === undefined) return answer(response, await forward(request, await bodyOf(request)));
    happened = true;
    switch (kind) {
      case 'reset':
        request.socket.resetAndDestroy();
        return;
      case 'refused':
        isRefusing = true;
        server.closeAllConnections();
        return;
      case 'hang':
        request.resume();
        return;
      case '500':
        return refuse(request, response, 500, 'InternalError');
      case '503':
        return refuse(request, response, 503, 'SlowDown');
      case '403':
        return refuse(request, response, 403, 'AccessDenied');
      case 'clock skew':
        return refuse(request, response, 403, 'RequestTimeTooSkewed');
      case '404 on complete':
        return refuse(request, response, 404, 'NoSuchUpload');
      case 'lost part': {
        const etag = createHash('md5')
          .update(await bodyOf(request))
          .digest('hex');
        response.writeHead(200, { etag: `"${etag}"` }).end();
        return;
      }
      default:
        return spoil(kind, response, await forward(request, await bodyOf(request)));
    }
  }

  function befalls(operation: Operation): StoreFaultKind | undefined {
    if (!fault?.operations.includes(operation)) return undefined;
    count += 1;
    const isHit = count >= fault.from && count < fault.from + (fault.times ?? Number.POSITIVE_INFINITY);
    return isHit ? fault.kind : undefined;
  }

  function forward(request: IncomingMessage, body: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const passed = send(
        {
          host: upstream.hostname,
          port: upstream.port,
          method: request.method,
          path: request.url,
          headers: request.headers,
          agent,
        },
        (got) => {
          bodyOf(got).then(
            (bytes) => resolve({ status: got.statusCode ?? 500, headers: got.headers, body: bytes }),
            reject,
          );
        },
      );
      passed.on('error', reject);
      passed.end(body);
    });
  }

  /** What the store answered, on its way back. */
  function spoil(kind: StoreFaultKind, response: ServerResponse, real: Answer): void {
    if (kind === 'hanging answer') return;
    if (kind === 'lost answer') response.destroy();
    else if (kind === 'drip') drip(response, real);
    else if (kind === 'truncated') {
      response.writeHead(real.status, real.headers);
      response.write(real.body.subarray(0, placeIn(real.body)), () => response.destroy());
    } else answer(response, changed(kind, real));
  }

  function placeIn(body: Buffer): number {
    return Math.min(Math.floor(body.length * (fault?.at ?? 0)), Math.max(0, body.length - 1));
  }

  function changed(kind: StoreFaultKind, real: Answer): Answer {
    const place = placeIn(real.body);
    switch (kind) {
      case 'wrong ETag':
        return { ...real, headers: { ...real.headers, etag: `"${'0'.repeat(32)}"` } };
      case 'short':
        return { ...real, body: real.body.subarray(0, place) };
      case 'flipped': {
        const body = Buffer.from(real.body);
        if (body.length > 0) body[place] = (body[place] ?? 0) ^ 0x20;
        return { ...real, body };
      }
      case 'old listing':
        return { ...real, body: withoutNewest(real.body) };
      case 'phantom in listing':
        return { ...real, body: withPhantom(real.body) };
      case 'duplicate page': {
        listing = real;
        const isLast = /<IsTruncated>false<\/IsTruncated>/;
        const goesOn = '<IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>';
        return { ...real, body: Buffer.from(real.body.toString().replace(isLast, goesOn)) };
      }
      default:
        return real;
    }
  }

  function drip(response: ServerResponse, real: Answer): void {
    response.writeHead(real.status, real.headers);
    let sent = 0;
    const timer = setInterval(() => {
      response.write(real.body.subarray(sent, sent + DRIP_BYTES));
      sent += DRIP_BYTES;
      if (sent < real.body.length && !response.destroyed) return;
      clearInterval(timer);
      timers.delete(timer);
      response.end();
    }, DRIP_MS);
    timers.add(timer);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Whether the fault has come to pass. */
    happened: () => happened,
    async close(): Promise<void> {
      for (const timer of timers) clearInterval(timer);
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      agent.destroy();
      await closed;
    },
  };
}

function answer(response: ServerResponse, { status, headers, body }: Answer): void {
  const { 'content-length': _, 'transfer-encoding': __, connection: ___, ...rest } = headers;
  // the length of a HEAD's answer is that of what it speaks of
  const length = body.length === 0 && headers['content-length'] ? headers['content-length'] : String(body.length);
  response.writeHead(status, { ...rest, 'content-length': length }).end(body);
}

function refuse(request: IncomingMessage, response: ServerResponse, status: number, code: string): void {
  request.resume();
  request.once('end', () => {
    response.writeHead(status, { 'content-type': 'application/xml' });
    response.end(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
  });
}

const ENTRY = /<Contents>.*?<\/Contents>/gs;

/** As the listing was before the newest backup. */
function withoutNewest(body: Buffer): Buffer {
  const text = body.toString();
  const stems = [...text.matchAll(/<Key>([^<]*_\d{6})\.[^<]*<\/Key>/g)].map(([, stem]) => stem ?? '');
  const newest = stems.sort().at(-1);
  if (newest === undefined) return body;
  return Buffer.from(text.replaceAll(ENTRY, (entry) => (entry.includes(newest) ? '' : entry)));
}

/** As the listing was while there was one more backup, newer than the others. */
function withPhantom(body: Buffer): Buffer {
  const text = body.toString();
  const last = [...text.matchAll(ENTRY)].at(-1)?.[0];
  if (!last) return body;
  const phantom = last.replace(/_\d{6}\.[^<]*<\/Key>/, '_235959.sql.gz</Key>');
  return Buffer.from(text.replace(last, last + phantom));
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
