import type { Readable } from 'node:stream';

/** One object of a listing. `key` is the whole key, S3_PREFIX included. */
export interface StoredObject {
  readonly key: string;
  readonly sizeBytes: number;
}

/** What was stored, measured on the bytes as they were sent. */
export interface PutResult {
  readonly sizeBytes: number;
  /** Hexadecimal SHA-256 of the whole object. */
  readonly sha256: string;
}

export interface PutOptions {
  /** An upper estimate of the object's size, from which equal parts of one size are chosen. */
  readonly expectedBytes?: number;
  readonly contentType?: string;
  /** How many puts run at the same time, and share the memory for what is under way. */
  readonly atOnce?: number;
  readonly signal?: AbortSignal;
}

/** What could not be deleted, and why. */
export interface RemoveFailure {
  readonly key: string;
  readonly reason: string;
  /** The store holds it fast for a time (object lock, retention): nothing is wrong, and a later run may succeed. */
  readonly isLocked?: true;
}

/**
 * Where backups are kept. Every implementation passes test/contract/storage.ts.
 *
 * Keys are `/`-separated, never start with `/`, and have no empty, `.` or `..` segments; everything else is an
 * OperatorError with code USAGE. Failures are OperatorErrors (STORAGE, STORAGE_DENIED, KEY_EXISTS,
 * NO_SUCH_BACKUP for a key that is not there) whose message names the storage and the key, with a hint.
 * An aborted signal rejects with the signal's reason and leaves nothing behind.
 */
export interface Storage {
  /** For messages: `s3://bucket/prefix at http://garage:3900`, or the directory's path. Never a secret. */
  readonly description: string;

  /**
   * Stores everything that `body` yields under `key`, all or nothing: the object exists only after this resolves,
   * and a body that throws leaves neither an object nor an unfinished upload. Never overwrites: an existing key is
   * KEY_EXISTS where the storage can tell without the right to read (directories always; S3 where it honours
   * If-None-Match). Needs no right but to write.
   */
  put(key: string, body: AsyncIterable<Uint8Array>, options?: PutOptions): Promise<PutResult>;

  /** A stream of the object's bytes. A connection that breaks before the last byte errors the stream. */
  get(key: string, options?: { signal?: AbortSignal }): Promise<Readable>;

  /** Every object whose key starts with `prefix`, page by page, in the order of the keys' bytes. */
  list(prefix: string, options?: { signal?: AbortSignal }): AsyncIterable<StoredObject>;

  /** Deletes the keys; one that is not there counts as deleted. Returns those that could not be, never throws for them. */
  remove(keys: readonly string[], options?: { signal?: AbortSignal }): Promise<RemoveFailure[]>;

  /**
   * Ends uploads that a killed run left unfinished under `prefix`: those that began before `startedBefore`, by the
   * storage's clock, or those of which `isAbandoned` says so from the key. Returns their keys.
   */
  removeUnfinished(
    prefix: string,
    which: Date | ((key: string) => boolean),
    options?: { signal?: AbortSignal },
  ): Promise<string[]>;

  /** Closes connections, so that the process can end. */
  close(): void;
}
