import { basename, dirname, join } from 'node:path/posix';
import { gzipSync } from 'node:zlib';
import { removeAbandoned } from './abandoned.ts';
import { compressStages, encryptStages } from './codec.ts';
import type { Encryption, SourceConfig } from './config.ts';
import type { DumpSession } from './engines/engine.ts';
import { engineOf } from './engines/index.ts';
import { messageOf } from './errors.ts';
import { log } from './log.ts';
import { type Contents, encodeManifest, type Manifest } from './manifest.ts';
import { assertAllRead, meterStage, readMeter } from './meter.ts';
import {
  dataKey,
  extensionOf,
  globalsKey,
  type Kind,
  kindKey,
  manifestKey,
  type ObjectCompression,
  stemOf,
} from './object-key.ts';
import { readChain, startChain } from './process-stream.ts';
import { startProgress } from './progress.ts';
import { sealText } from './sealed-text.ts';
import type { PutResult, Storage } from './storages/storage.ts';

const METER = 'meter';
/** At the end of the pipes: what it counted has to arrive here, to the byte. */
const LAST_METER = 'last meter';

/** What is to be dumped, where to, and as what. */
export interface DumpOrder {
  readonly storage: Storage;
  readonly prefix: string;
  readonly encryption: Encryption;
  readonly source: SourceConfig;
  readonly kind: Kind;
  /** Dump this database, which a restore has put aside, in the place of the source's own. */
  readonly putAside?: string;
  readonly signal: AbortSignal;
}

/**
 * Dumps one source: what marks its kind, the object, then the manifest, which makes it a backup.
 * Nothing remains of a dump that fails.
 */
export async function dumpToStorage(order: DumpOrder): Promise<{ key: string; manifest: Manifest }> {
  const { storage, prefix, encryption, source, kind, signal } = order;
  const startedAt = new Date();
  const engine = await engineOf(source.engine);
  const session = await engine.beginDump(source, signal, order.putAside);
  const before = { source: source.name, before: session.createdAt };
  const tidying = removeAbandoned(storage, prefix, before, signal);
  let marker: string | undefined;
  try {
    const compression: ObjectCompression = source.format === 'custom' ? 'none' : source.compression.method;
    const stem = stemOf(prefix, source.name, session.createdAt);
    const key = dataKey(stem, extensionOf(source.format, compression, encryption.recipients.length > 0));
    // before the object: one that lost its marker would pass for an ordinary backup, and for the latest
    marker = kindKey(stem, kind);
    if (marker !== undefined) await storage.put(marker, bytes(new Uint8Array()), { signal });
    const { put, rawBytes, contents } = await upload(order, session, key);
    const beside = await putGlobals(order, session, stem, key);
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
      encryption: encryption.recipients.length > 0 ? 'age' : null,
      objects: [{ name: basename(key), ...put }, ...beside],
      rawBytes,
      ...contents,
    };
    await commit(order, stem, manifest);
    return { key, manifest };
  } catch (error) {
    if (marker !== undefined) await withdraw(storage, [marker], error);
    throw error;
  } finally {
    // under the lock that keeps others from what it removes
    await tidying;
    await session.close();
  }
}

/** Streams the dump into the storage while the engine counts what it holds. */
async function upload(
  { storage, source, encryption, signal: outer }: DumpOrder,
  session: DumpSession,
  key: string,
): Promise<{ put: PutResult; rawBytes: number; contents: Contents }> {
  // a failed count has to end the upload, and a failed upload the count
  const failed = new AbortController();
  const signal = AbortSignal.any([outer, failed.signal]);
  let rawBytes = 0;
  const progress = startProgress({
    what: `backup of ${source.name}`,
    totalBytes: session.facts.tableBytes,
    isEstimate: true,
  });
  const chain = startChain(
    [
      session.stage,
      meterStage(METER, { onProgress: progress.reached }),
      ...(source.format === 'custom' ? [] : compressStages(source.compression)),
      ...encryptStages(encryption.recipients),
      meterStage(LAST_METER),
    ],
    { stdout: true, signal },
  );
  const body = readChain(chain, {
    signal,
    verify: (results, sizeBytes) => {
      assertAllRead(results, LAST_METER, sizeBytes);
      for (const warning of warningsOf(results[0]?.stderr ?? '')) log.warn(`${source.name}: ${warning}`);
      const meter = readMeter(results, METER);
      rawBytes = meter.sizeBytes;
      session.verifyEnd(meter.tail, results);
    },
  });
  const put = storage.put(key, body, { expectedBytes: session.expectedBytes, signal });
  const contents = session.contents(chain.finished);
  for (const part of [put, contents]) part.catch((error) => failed.abort(error));
  const [stored, counted] = await Promise.allSettled([put, contents]);
  progress.end();
  outer.throwIfAborted();
  // the first failure aborted the other with itself as the reason
  if (failed.signal.aborted) {
    if (stored.status === 'fulfilled') await withdraw(storage, [key], failed.signal.reason);
    throw failed.signal.reason;
  }
  if (stored.status === 'rejected') throw stored.reason;
  if (counted.status === 'rejected') throw counted.reason;
  return { put: stored.value, rawBytes, contents: counted.value };
}

function warningsOf(stderr: string): string[] {
  return stderr.split('\n').filter((line) => line.trim() !== '');
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
  dump: string,
): Promise<Manifest['objects']> {
  try {
    const sql = await session.globals();
    if (sql === undefined) return [];
    const key = globalsKey(stem, encryption.recipients.length > 0);
    const stored = await storage.put(key, sealed(gzipSync(sql), encryption.recipients, signal), { signal });
    return [{ name: basename(key), ...stored }];
  } catch (error) {
    await withdraw(storage, [dump], error);
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

/** Takes back what a failed run has stored; says so where it has no right to. */
async function withdraw(storage: Storage, keys: string[], reason: unknown): Promise<void> {
  const failures = await storage
    .remove(keys)
    .catch((error: unknown) => keys.map((key) => ({ key, reason: messageOf(error) })));
  for (const { key, reason: why } of failures) {
    log.warn(
      `${key} was stored, but its backup failed (${messageOf(reason)}) and it could not be deleted: ${why}. It will be listed as a backup without a manifest.`,
    );
  }
}
