import { messageOf, OperatorError } from '../errors.ts';
import { isDamage, readSmall } from '../repository/read.ts';
import type { Repository } from '../repository/repository.ts';
import { isSealed, openText, requireIdentity, sealText } from '../repository/sealed-text.ts';
import type { PutOptions, PutResult, RemoveFailure, StoredObject } from '../storages/storage.ts';
import { log } from '../terminal/log.ts';
import { type BaseObject, baseManifestKey, basePrefix, parseBaseKey } from './base-keys.ts';
import { type BaseManifest, encodeBaseManifest, parseBaseManifest } from './base-manifest.ts';
import { type ChainLog, readChains } from './catalog.ts';
import { type ChainCause, chainPrefix, type LogObject, logKey, logPrefix, parseLogKey, serverPrefix } from './keys.ts';
import { damagedLog, LOG_COMPRESSION, pack, seal, unpack } from './packing.ts';
import type { LogBytes } from './segments.ts';

/** A base, told from the listing. */
export interface StoredBase {
  readonly stem: string;
  readonly server: string;
  readonly createdAt: Date;
  /** Without one it is no base: what a run that died has left, or one that is being taken. */
  readonly hasManifest: boolean;
  readonly archives: readonly (Extract<BaseObject, { role: 'archive' }> & { readonly key: string })[];
  /** Without the manifest's. */
  readonly sizeBytes: number;
}

interface OfChain {
  readonly server: string;
  readonly chain: string;
}

/** Where bytes of the log belong. */
export interface Place extends OfChain {
  readonly segment: string;
  /** Bytes in the segment, `end` exclusive. */
  readonly start: number;
  readonly end: number;
  readonly at: Date;
}

/** The log and the bases of servers, in a repository. Failures are the storage's, see Storage. */
export interface LogStore {
  /** S3_PREFIX; slots are named by it. */
  readonly prefix: string;

  /** Begins a chain: nothing of it may be stored before this. */
  begin(of: OfChain & { cause: ChainCause; segmentBytes: number }, signal: AbortSignal): Promise<void>;
  /** Stores how a timeline came about, as the server has it. One that is there already is left. */
  putHistory(of: OfChain & { timeline: number }, text: Uint8Array, signal: AbortSignal): Promise<void>;
  /** Stores that a place in the log has a name. */
  putMark(of: OfChain & { name: string; lsn: bigint; at: Date }, signal: AbortSignal): Promise<void>;
  /**
   * Stores bytes of a segment, compressed and encrypted. When the key is taken, what is there is compared, where it may be read.
   * @param segmentBytes bytes that fill their segment are stored under its own name
   * @throws OperatorError KEY_EXISTS when other bytes are stored there: two servers write one log
   */
  put(
    place: Place,
    raw: Uint8Array,
    segmentBytes: number,
    signal: AbortSignal,
  ): Promise<{ key: string; sizeBytes: number }>;
  /** Says that nothing is newer than this place. */
  heartbeat(place: Omit<Place, 'end'>, signal: AbortSignal): Promise<void>;

  /** Every chain, of one server or of all, told from the listing alone. */
  chains(of: { server?: string }, now: Date, signal: AbortSignal): Promise<ChainLog[]>;
  /** Whether anything of a server's log is stored. */
  hasAny(server: string, signal: AbortSignal): Promise<boolean>;
  /** Those of one segment alone. */
  ofSegment(
    of: OfChain & { segment: string },
    signal: AbortSignal,
  ): AsyncGenerator<{ key: string; sizeBytes: number; object: LogObject }>;
  /**
   * The bytes that were put, checked by the checksums inside and by their number.
   * @throws OperatorError BACKUP_DAMAGED naming the key, CONFIG for an encrypted one without an identity
   */
  read(bytes: LogBytes, segmentBytes: number, signal: AbortSignal): Promise<Uint8Array>;
  /** A timeline's history. */
  history(of: OfChain & { timeline: number }, signal: AbortSignal): Promise<string>;

  /** Every base, the newest first, also those without a manifest. */
  bases(of: { server?: string }, signal: AbortSignal): Promise<StoredBase[]>;
  /** @throws OperatorError BACKUP_DAMAGED */
  baseManifest(base: { stem: string }, signal: AbortSignal): Promise<BaseManifest>;
  /** Stores one archive of a base, as it is. */
  putArchive(key: string, body: AsyncIterable<Uint8Array>, options: PutOptions): Promise<PutResult>;
  /** Stores the manifest, which makes it a base. */
  commitBase(stem: string, manifest: BaseManifest, signal: AbortSignal): Promise<void>;
  /** The stored bytes of an object. */
  get(key: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /** Deletes objects. Returns those that could not be. */
  remove(keys: readonly string[], signal: AbortSignal): Promise<RemoveFailure[]>;
}

/** The log and the bases in a repository. */
export function openLog({ shelf: { storage, prefix, encryption, distrust } }: Repository): LogStore {
  const encrypted = encryption.recipients.length > 0;
  const list = (under: string, signal: AbortSignal) => storage.list(under, { signal });
  const putOnce = async (key: string, bytes: Uint8Array, signal: AbortSignal) => {
    try {
      await storage.put(key, once(bytes), { expectedBytes: bytes.length, isReadAtOnce: true, signal });
    } catch (error) {
      if (!isTaken(error)) throw error;
    }
  };
  /** What is not what was stored is read from the next of several stores, and that is said. */
  const whole = async <T>(key: string, readIt: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await readIt();
      } catch (error) {
        const next = isDamage(error) ? distrust?.(key) : undefined;
        if (next === undefined) throw error;
        log.warn(`${messageOf(error)}: reading it from ${next}`);
      }
    }
  };
  const readOnce: LogStore['read'] = async ({ key, object }, segmentBytes, signal) => {
    const { compression } = object;
    const identity = object.encrypted ? requireIdentity(encryption.identity, key) : undefined;
    const stored = await readSmall(storage, key, signal);
    const raw = await unpack(stored, { key, compression, encrypted: object.encrypted, identity }, signal);
    const expected = object.kind === 'segment' ? segmentBytes : object.end - object.start;
    if (raw.length === expected) return raw;
    throw damagedLog(key, `it holds ${raw.length} bytes of the log, its name says ${expected}`);
  };
  const read: LogStore['read'] = (bytes, ...how) => whole(bytes.key, () => readOnce(bytes, ...how));

  return {
    prefix,
    begin: (of, signal) => putOnce(logKey(prefix, { ...of, kind: 'begun' }), new Uint8Array(), signal),
    putHistory: (of, text, signal) => putOnce(logKey(prefix, { ...of, kind: 'history' }), text, signal),
    putMark: (of, signal) => putOnce(logKey(prefix, { ...of, kind: 'mark' }), new Uint8Array(), signal),
    put: async (place, raw, segmentBytes, signal) => {
      const { server, chain, segment, start, end, at } = place;
      const how = { server, chain, segment, at, compression: LOG_COMPRESSION, encrypted };
      const isWhole = start === 0 && end === segmentBytes;
      const object: LogBytes['object'] = isWhole ? { ...how, kind: 'segment' } : { ...how, kind: 'part', start, end };
      const key = logKey(prefix, object);
      const bytes = await seal(await pack(raw), encryption.recipients, signal);
      const options = { expectedBytes: bytes.length, isReadAtOnce: true, signal };
      try {
        await storage.put(key, once(bytes), options);
        return { key, sizeBytes: bytes.length };
      } catch (error) {
        if (!isTaken(error)) throw error;
        const there = await read({ key, object }, segmentBytes, signal).catch(unlessUnreadable);
        if (there !== undefined && Buffer.compare(there, raw) === 0) return { key, sizeBytes: bytes.length };
        if (there !== undefined) throw error;
      }
      // it may not be read: what is stored twice does no harm, what is not stored does
      const part = { ...how, kind: 'part' as const, start, end, twin: randomTwin() };
      const second = logKey(prefix, part);
      await storage.put(second, once(bytes), options);
      return { key: second, sizeBytes: bytes.length };
    },
    heartbeat: (place, signal) => putOnce(logKey(prefix, { ...place, kind: 'heartbeat' }), new Uint8Array(), signal),

    chains: ({ server }, now, signal) =>
      readChains(list(server === undefined ? logPrefix(prefix) : serverPrefix(prefix, server), signal), prefix, now),
    hasAny: async (server, signal) => {
      for await (const _ of storage.list(serverPrefix(prefix, server), { isAnyEnough: true, signal })) return true;
      return false;
    },
    ofSegment: ({ segment, ...of }, signal) => parsed(list(`${chainPrefix(prefix, of)}${segment}`, signal), prefix),
    read,
    history: async (of, signal) =>
      (await readSmall(storage, logKey(prefix, { ...of, kind: 'history' }), signal)).toString('utf8'),

    bases: async ({ server }, signal) => {
      const all = await basesOf(list(basePrefix(prefix), signal), prefix);
      return server === undefined ? all : all.filter((base) => base.server === server);
    },
    baseManifest: ({ stem }, signal) => {
      const key = baseManifestKey(stem);
      return whole(key, async () => {
        const stored = await readSmall(storage, key, signal);
        const text = stored.toString('utf8');
        if (!isSealed(text)) return parseBaseManifest(key, stored);
        return parseBaseManifest(key, Buffer.from(await openText(text, key, encryption.identity, signal)));
      });
    },
    putArchive: (key, body, options) => storage.put(key, body, options),
    commitBase: async (stem, manifest, signal) => {
      const plain = encodeBaseManifest(manifest);
      const content = encryption.privateManifest
        ? Buffer.from(await sealText(plain.toString('utf8'), encryption.recipients, signal))
        : plain;
      await storage.put(baseManifestKey(stem), once(content), { contentType: 'application/json', signal });
    },
    get: (key, signal) => storage.get(key, { signal }),
    remove: (keys, signal) => storage.remove(keys, { signal }),
  };
}

async function* parsed(objects: AsyncIterable<StoredObject>, prefix: string) {
  for await (const { key, sizeBytes } of objects) {
    const object = parseLogKey(prefix, key);
    if (object) yield { key, sizeBytes, object };
  }
}

const randomTwin = () =>
  Math.floor(Math.random() * 0x1_0000)
    .toString(16)
    .padStart(4, '0');

const isTaken = (error: unknown) => error instanceof OperatorError && error.code === 'KEY_EXISTS';

/** A right, or an identity, that the receiver need not have. */
function unlessUnreadable(error: unknown): undefined {
  const { code } = error instanceof OperatorError ? error : { code: undefined };
  if (code === 'STORAGE_DENIED' || code === 'CONFIG') return undefined;
  throw error;
}

async function basesOf(objects: AsyncIterable<StoredObject>, prefix: string): Promise<StoredBase[]> {
  type Growing = Omit<StoredBase, 'archives' | 'hasManifest' | 'sizeBytes'> & {
    hasManifest: boolean;
    sizeBytes: number;
    archives: StoredBase['archives'][number][];
  };
  const bases = new Map<string, Growing>();
  for await (const { key, sizeBytes } of objects) {
    const object = parseBaseKey(prefix, key);
    if (!object) continue;
    const { stem, server, createdAt } = object;
    const base = bases.get(stem) ?? { stem, server, createdAt, hasManifest: false, archives: [], sizeBytes: 0 };
    bases.set(stem, base);
    if (object.role === 'manifest') base.hasManifest = true;
    else {
      base.archives.push({ ...object, key });
      base.sizeBytes += sizeBytes;
    }
  }
  return [...bases.values()].sort(
    (a, b) => b.createdAt.getTime() - a.createdAt.getTime() || (a.stem < b.stem ? 1 : -1),
  );
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
