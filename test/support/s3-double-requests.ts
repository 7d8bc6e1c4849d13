import type { IncomingMessage } from 'node:http';

export type Operation =
  | 'PutObject'
  | 'CreateMultipartUpload'
  | 'UploadPart'
  | 'CompleteMultipartUpload'
  | 'AbortMultipartUpload'
  | 'ListMultipartUploads'
  | 'ListObjectsV2'
  | 'GetObject'
  | 'HeadObject'
  | 'DeleteObject'
  | 'DeleteObjects';

export interface DoubleRequest {
  readonly operation: Operation;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** Counts the requests of this operation, from 1. */
  readonly nth: number;
}

/**
 * What goes wrong with a request. `reset`: the connection is cut before anything is done. `lost`: done, and the
 * connection is cut instead of an answer. `hang`: no answer ever. `status`: refused with that S3 error.
 * `body`: this instead of the answer, with status 200. `truncateAt`: a download is cut after that many bytes.
 * `stallAt`: a download stops after that many bytes.
 */
export type Fault =
  | 'reset'
  | 'lost'
  | 'hang'
  | { status: number; code: string; message?: string }
  | { body: string }
  | { truncateAt: number }
  | { stallAt: number };

export interface DoubleOptions {
  fault?: (request: DoubleRequest) => Fault | undefined;
  /** How many milliseconds later than it could an operation is answered. */
  delayMs?: (operation: Operation) => number;
  /** What listings are ordered by; the key when unset. */
  listedBy?: (key: string) => string;
  /** What the key may do; everything when unset. */
  allow?: readonly Operation[] | undefined;
  /** Whether If-None-Match on a write is honoured, ignored, or answered with NotImplemented. */
  conditional?: 'honoured' | 'ignored' | 'refused';
  /** Answers a request for a part of an object with all of it. */
  rangesIgnored?: boolean;
  /** Keeps versions: what is deleted is hidden behind a marker. */
  versioned?: boolean;
  /** What object lock protects from being deleted. */
  locked?: (key: string) => boolean;
  /** Forgets the bytes it is given: for what is about the sender's memory. */
  forgetful?: boolean;
}

/** Which of S3's operations a request asks for. */
export function operationOf(method: string, key: string, query: URLSearchParams): Operation {
  if (key === '') {
    if (method === 'POST' && query.has('delete')) return 'DeleteObjects';
    return query.has('uploads') ? 'ListMultipartUploads' : 'ListObjectsV2';
  }
  const inUpload = query.has('uploadId');
  if (method === 'PUT') return inUpload ? 'UploadPart' : 'PutObject';
  if (method === 'POST') return inUpload ? 'CompleteMultipartUpload' : 'CreateMultipartUpload';
  if (method === 'DELETE') return inUpload ? 'AbortMultipartUpload' : 'DeleteObject';
  return method === 'HEAD' ? 'HeadObject' : 'GetObject';
}
