import { gzipSync } from 'node:zlib';
import { messageOf } from '../errors.ts';
import { type DumpFormat, isSplit, type ObjectCompression } from '../formats.ts';
import { readChain, startChain } from '../pipeline/chain.ts';
import { encryptStages } from '../pipeline/codec.ts';
import type { PutOptions, PutResult } from '../storages/storage.ts';
import { log } from '../terminal/log.ts';
import type { Manifest, StoredObjectFacts } from './manifest.ts';
import { encodeManifest } from './manifest-text.ts';
import {
  dataKey,
  extensionOf,
  folderKey,
  globalsKey,
  type Kind,
  kindKey,
  manifestKey,
  nameBesideManifest,
  partKey,
  stemOf,
} from './object-key.ts';
import { sealText } from './sealed-text.ts';
import type { Shelf } from './shelf.ts';

/** An object of a backup as it was stored. */
export interface StoredBackupObject extends PutResult, Pick<StoredObjectFacts, 'members' | 'settings'> {
  readonly key: string;
}

/** How the objects of a dump are named. */
export interface DumpShape {
  readonly format: DumpFormat;
  readonly compression: ObjectCompression;
}

/** A backup under way. It knows what it has stored, and can take all of it back. */
export interface NewBackup {
  /** The key that the backup will have. */
  keyOf(shape: DumpShape): string;
  /**
   * Stores what marks the backup's kind. To be called before the dump: one that lost its marker would pass for an
   * ordinary backup, and for the latest.
   */
  mark(signal: AbortSignal): Promise<void>;
  /** Stores one object of the dump. @param part which of a folder's; undefined for a dump of a single object */
  put(
    part: string | undefined,
    shape: DumpShape,
    body: AsyncIterable<Uint8Array>,
    options: PutOptions,
  ): Promise<StoredBackupObject>;
  /** Stores beside the dump what the database needs of its server, as SQL. */
  putGlobals(sql: string, signal: AbortSignal): Promise<StoredBackupObject>;
  /** An object's name as the manifest has it. */
  nameOf(object: StoredBackupObject): string;
  /** Stores the manifest, which makes it a backup. */
  commit(manifest: Manifest, signal: AbortSignal): Promise<void>;
  /** Takes back what was stored; says so where it has no right to. */
  withdraw(reason: unknown): Promise<void>;
}

/** See Repository.begin. */
export function newBackup(
  { storage, prefix, encryption }: Shelf,
  { source, createdAt, kind }: { source: string; createdAt: Date; kind: Kind },
): NewBackup {
  const stem = stemOf(prefix, source, createdAt);
  const isEncrypted = encryption.recipients.length > 0;
  const marker = kindKey(stem, kind);
  const stored: string[] = [];

  const objectKey = (part: string | undefined, { format, compression }: DumpShape) =>
    part === undefined
      ? dataKey(stem, extensionOf(format, compression, isEncrypted))
      : partKey(stem, part, compression, isEncrypted);
  const store = async (key: string, body: AsyncIterable<Uint8Array>, options: PutOptions) => {
    const object = { key, ...(await storage.put(key, body, options)) };
    stored.push(key);
    return object;
  };

  return {
    keyOf: (shape) => (isSplit(shape.format) ? folderKey(stem) : objectKey(undefined, shape)),
    mark: async (signal) => {
      if (marker !== undefined) await storage.put(marker, once(new Uint8Array()), { signal });
    },
    put: (part, shape, body, options) => store(objectKey(part, shape), body, options),
    putGlobals: (sql, signal) =>
      store(globalsKey(stem, isEncrypted), sealed(gzipSync(sql), encryption.recipients, signal), { signal }),
    nameOf: ({ key }) => nameBesideManifest(stem, key),
    commit: async (manifest, signal) => {
      const plain = encodeManifest(manifest);
      const content = encryption.privateManifest
        ? Buffer.from(await sealText(plain.toString('utf8'), encryption.recipients, signal))
        : plain;
      await storage.put(manifestKey(stem), once(content), { contentType: 'application/json', signal });
    },
    withdraw: async (reason) => {
      // the marker last: a dump that cannot be deleted stays what it was marked as
      for (const keys of [stored, marker === undefined ? [] : [marker]]) {
        if (keys.length === 0) continue;
        const failures = await storage
          .remove(keys)
          .catch((error: unknown) => keys.map((key) => ({ key, reason: messageOf(error) })));
        for (const { key, reason: why } of failures) {
          log.warn(
            `${key} was stored, but its backup failed (${messageOf(reason)}) and it could not be deleted: ${why}. It will be listed as a backup without a manifest.`,
          );
        }
      }
    },
  };
}

async function* sealed(
  content: Uint8Array,
  recipients: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const stages = encryptStages(recipients);
  if (stages.length === 0) {
    yield content;
    return;
  }
  const chain = startChain(stages, { stdin: true, stdout: true, signal });
  chain.stdin?.end(content);
  yield* readChain(chain, { signal });
}

async function* once(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content;
}
