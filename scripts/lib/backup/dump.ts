import { dirname, join } from 'node:path/posix';
import { gzipSync } from 'node:zlib';
import type { DumpSession } from '../engines/engine.ts';
import { engineOf } from '../engines/index.ts';
import type { ObjectCompression } from '../formats.ts';
import { readChain, startChain } from '../pipeline/chain.ts';
import { encryptStages } from '../pipeline/codec.ts';
import { removeAbandoned } from '../repository/leftovers.ts';
import { encodeManifest, type Manifest } from '../repository/manifest.ts';
import {
  dataKey,
  extensionOf,
  folderKey,
  globalsKey,
  kindKey,
  manifestKey,
  nameBesideManifest,
  partKey,
  stemOf,
} from '../repository/object-key.ts';
import { sealText } from '../repository/sealed-text.ts';
import { withdraw } from '../repository/withdraw.ts';
import type { DumpOrder } from './order.ts';
import { type UploadedObject, uploadStreams } from './streams.ts';

/**
 * Dumps one source: what marks its kind, its object or objects, then the manifest, which makes it a backup.
 * Nothing remains of a dump that fails.
 */
export async function dumpToStorage(order: DumpOrder): Promise<{ key: string; manifest: Manifest }> {
  const { storage, prefix, encryption, source, kind, signal } = order;
  const startedAt = new Date();
  const engine = await engineOf(source.engine);
  const session = await engine.beginDump(source, signal, order.putAside);
  const before = { source: source.name, before: session.createdAt };
  const giveUp = new AbortController();
  const tidying = removeAbandoned(storage, prefix, before, AbortSignal.any([signal, giveUp.signal]));
  let marker: string | undefined;
  try {
    const compression: ObjectCompression = source.format === 'custom' ? 'none' : source.compression.method;
    const stem = stemOf(prefix, source.name, session.createdAt);
    const isEncrypted = encryption.recipients.length > 0;
    const keyOf = (part: string | undefined) =>
      part === undefined
        ? dataKey(stem, extensionOf(source.format, compression, isEncrypted))
        : partKey(stem, part, compression, isEncrypted);
    // before the dump: one that lost its marker would pass for an ordinary backup, and for the latest
    marker = kindKey(stem, kind);
    if (marker !== undefined) await storage.put(marker, bytes(new Uint8Array()), { signal });
    const { objects, rawBytes, contents } = await uploadStreams(order, session, keyOf).catch((error: unknown) => {
      throw session.explain?.(error) ?? error;
    });
    const key = source.format === 'folder' ? folderKey(stem) : keyOf(undefined);
    const beside = await putGlobals(order, session, stem, objects);
    const chosen = [session.chosen, source.compression.reason].filter((reason) => reason !== undefined);
    const manifest: Manifest = {
      version: 1,
      source: source.name,
      engine: source.engine,
      database: order.putAside ?? source.database,
      kind,
      createdAt: session.createdAt.toISOString(),
      startedAt: startedAt.toISOString(),
      finishedAt: new Date().toISOString(),
      ...session.facts,
      format: source.format,
      compression: source.compression.method,
      encryption: isEncrypted ? 'age' : null,
      ...(chosen.length > 0 ? { chosen } : {}),
      objects: [...objects, ...beside].map(({ key: at, ...put }) => ({ name: nameBesideManifest(stem, at), ...put })),
      rawBytes,
      ...contents,
    };
    await commit(order, stem, manifest);
    return { key, manifest };
  } catch (error) {
    giveUp.abort();
    if (marker !== undefined) await withdraw(storage, [marker], error);
    throw error;
  } finally {
    // under the lock that keeps others from what it removes
    await tidying;
    await session.close();
  }
}

async function commit({ storage, encryption, signal }: DumpOrder, stem: string, manifest: Manifest): Promise<void> {
  try {
    const plain = encodeManifest(manifest);
    const content = encryption.privateManifest
      ? Buffer.from(await sealText(plain.toString('utf8'), encryption.recipients, signal))
      : plain;
    await storage.put(manifestKey(stem), bytes(content), { contentType: 'application/json', signal });
  } catch (error) {
    const stored = manifest.objects.map(({ name }) => join(dirname(stem), name));
    await withdraw(storage, stored, error);
    throw error;
  }
}

/** Stores beside the dump what the database needs of its server. Takes the dump back when that fails. */
async function putGlobals(
  { storage, encryption, signal }: DumpOrder,
  session: DumpSession,
  stem: string,
  dump: readonly UploadedObject[],
): Promise<UploadedObject[]> {
  try {
    const sql = await session.globals();
    if (sql === undefined) return [];
    const key = globalsKey(stem, encryption.recipients.length > 0);
    const stored = await storage.put(key, sealed(gzipSync(sql), encryption.recipients, signal), { signal });
    return [{ key, ...stored }];
  } catch (error) {
    await withdraw(
      storage,
      dump.map(({ key }) => key),
      error,
    );
    throw error;
  }
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

async function* bytes(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content;
}
