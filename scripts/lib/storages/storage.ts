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

/** How long what is stored is held fast: by a header on every put, or by what the bucket does of itself. */
export type Lock = { readonly mode: 'compliance' | 'governance'; readonly days: number } | { readonly mode: 'bucket' };

/** What a body is known to be before it is read, as that of a backup whose manifest says it. */
export interface KnownBody extends PutResult {
  /** Opens the same bytes to be read without a pause. Where that fails, the body itself is read. */
  readonly open: () => Promise<AsyncIterable<Uint8Array>>;
}

export interface PutOptions {
  /** An upper estimate of the object's size, from which equal parts of one size are chosen. */
  readonly expectedBytes?: number;
  readonly contentType?: string;
  /** How many puts run at the same time, and share the memory for what is under way. */
  readonly atOnce?: number;
  /** It has to be there as soon as it is asked for: never of a storage class that puts things away. So is every document. */
  readonly isReadAtOnce?: boolean;
  /** With it, an object of some megabytes is sent as it comes, and nothing of it waits in memory. */
  readonly known?: KnownBody | undefined;
  /** Is told what was read, before the object exists: what it throws is what the put throws, and nothing is stored. */
  readonly check?: (read: PutResult) => void;
  readonly signal?: AbortSignal;
}

/** Some bytes of an object: of those, the ones that it has. */
export interface ByteRange {
  readonly from: number;
  /** The first byte that is no longer wanted; to the object's end without it. */
  readonly to?: number | undefined;
}

export interface GetOptions {
  readonly range?: ByteRange | undefined;
  /** It is read without a pause, and can be read anew: in one request, however large it is. */
  readonly isUnpaused?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface ListOptions {
  /** One object is enough, whichever: whether there is any is all that is to be known. */
  readonly isAnyEnough?: boolean;
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

  /**
   * A stream of the object's bytes, or of some of them. A connection that breaks before the last byte errors the stream.
   * @throws OperatorError NO_RANGES for a range, where the storage gives whole objects alone
   */
  get(key: string, options?: GetOptions): Promise<AsyncIterable<Uint8Array>>;

  /** Every object whose key starts with `prefix`, page by page, in the order of the keys' bytes. */
  list(prefix: string, options?: ListOptions): AsyncIterable<StoredObject>;

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

  /**
   * What somebody with these keys could destroy here, found out by trying it on an object made for that, under `key`.
   * Whatever could be deleted of it is gone afterwards; of a store that locks, it stays until the lock expires.
   */
  probe(key: string, options?: { signal?: AbortSignal }): Promise<Protection>;

  /** How an object is locked; undefined when it is not, or when it cannot be told. */
  lockOf?(key: string, options?: { signal?: AbortSignal }): Promise<ObjectLock | undefined>;

  /**
   * The storage as it was at that time, for reading: deleted objects are there again, overwritten ones are as they
   * were. What is put goes to the storage as it is now; nothing can be removed. Only where versions are kept.
   */
  asOf?(time: Date): Storage;

  /**
   * Keys of which there are versions that differ, one for each: somebody has written over them, which we never do.
   * Nothing where no versions are kept.
   */
  rewritten?(prefix: string, options?: { signal?: AbortSignal }): AsyncIterable<string>;

  /** Closes connections, so that the process can end. */
  close(): void;
}

/** How an object is held fast. */
export interface ObjectLock {
  readonly mode: 'compliance' | 'governance';
  readonly until: Date;
}

/** What a probe found. */
export interface Protection {
  /** Its bytes can be deleted for good. */
  readonly isDeletable: boolean;
  /** Its bytes can be replaced by others, with nothing left of them. */
  readonly isOverwritable: boolean;
  readonly keepsVersions: boolean;
  readonly lock: ObjectLock | undefined;
  /** Why it could not be destroyed, in the store's words; empty when it could. */
  readonly refusal: string;
}
