import { basename, dirname, join } from 'node:path/posix';
import { gzipSync } from 'node:zlib';
import { compressStages, encryptStages } from './codec.ts';
import type { Config, Encryption, SourceConfig } from './config.ts';
import { guardAgainstDrift } from './drift-guard.ts';
import type { DumpSession } from './engines/engine.ts';
import { engineOf } from './engines/index.ts';
import { messageOf, OperatorError } from './errors.ts';
import { withTimeout } from './interrupt.ts';
import { log } from './log.ts';
import { type Contents, dumpBytes, encodeManifest, type Manifest } from './manifest.ts';
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
import { assertAllRead, meterStage, readChain, readMeter, startChain } from './process-stream.ts';
import { formatBytes, formatDuration } from './quantities.ts';
import { sealText } from './sealed-text.ts';
import { expandSources, selectSources } from './sources.ts';
import type { PutResult, Storage } from './storages/storage.ts';

/** What came of one source. A failed one is data: the run goes on. */
export interface BackupResult {
  readonly source: string;
  readonly ok: boolean;
  readonly key: string | null;
  readonly sizeBytes: number | null;
  readonly rawBytes: number | null;
  readonly durationMs: number;
  /** What is unlike the backups before: told, never a failure. */
  readonly warnings?: readonly string[];
  readonly error?: string;
  /** The error as it was thrown, for the exit code. */
  readonly cause?: unknown;
}

const METER = 'meter';
/** At the end of the pipes: what it counted has to arrive here, to the byte. */
const LAST_METER = 'last meter';

/**
 * Backs up the given sources one after the other. Never throws for a source that failed.
 *
 * @param names the sources wanted; none means all
 * @throws OperatorError USAGE for a name that is not configured
 */
export async function backUp(
  config: Config,
  storage: Storage,
  names: readonly string[],
  signal: AbortSignal,
): Promise<BackupResult[]> {
  const results: BackupResult[] = [];
  for (const { source, problem, cause } of await expandSources(selectSources(config.sources, names), signal)) {
    results.push(
      problem === undefined ? await backUpSource(config, storage, source, signal) : failure(source, Date.now(), cause),
    );
  }
  return results;
}

function failure(source: SourceConfig, started: number, error: unknown): BackupResult {
  const hint = error instanceof OperatorError && error.hint !== '' ? `. ${error.hint}` : '';
  log.error(`backup of ${source.name} failed: ${messageOf(error)}${hint}`);
  return {
    source: source.name,
    ok: false,
    key: null,
    sizeBytes: null,
    rawBytes: null,
    durationMs: Date.now() - started,
    error: `${messageOf(error)}${hint}`,
    cause: error,
  };
}

async function backUpSource(
  config: Config,
  storage: Storage,
  source: SourceConfig,
  signal: AbortSignal,
): Promise<BackupResult> {
  const started = Date.now();
  try {
    const what = `the backup of ${source.name}`;
    const { key, manifest } = await withTimeout(signal, config.values.BACKUP_TIMEOUT, what, (limited) =>
      dumpToStorage({
        storage,
        prefix: config.prefix,
        encryption: config.encryption,
        source,
        kind: 'backup',
        signal: limited,
      }),
    );
    const sizeBytes = dumpBytes(manifest);
    const durationMs = Date.now() - started;
    log.info(
      `backed up ${source.name}: ${key} (${formatBytes(sizeBytes)}, ${formatBytes(manifest.rawBytes)} before compression, ${manifest.tables.length} tables) in ${formatDuration(durationMs)}`,
    );
    const warnings = await guardAgainstDrift(
      storage,
      config.prefix,
      { manifest, identity: config.encryption.identity },
      signal,
    );
    for (const warning of warnings) log.warn(`${source.name}: ${warning}`);
    return { source: source.name, ok: true, key, sizeBytes, rawBytes: manifest.rawBytes, durationMs, warnings };
  } catch (error) {
    return failure(source, started, error);
  }
}

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
 * Dumps one source: the object, then what marks its kind, then the manifest, which makes it a backup.
 * Nothing remains of a dump that fails.
 */
export async function dumpToStorage(order: DumpOrder): Promise<{ key: string; manifest: Manifest }> {
  const { prefix, encryption, source, kind, signal } = order;
  const startedAt = new Date();
  const engine = await engineOf(source.engine);
  const session = await engine.beginDump(source, signal, order.putAside);
  try {
    const compression: ObjectCompression = source.format === 'custom' ? 'none' : source.compression.method;
    const stem = stemOf(prefix, source.name, session.createdAt);
    const key = dataKey(stem, extensionOf(source.format, compression, encryption.recipients.length > 0));
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
  } finally {
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
  const chain = startChain(
    [
      session.stage,
      meterStage(METER),
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

async function commit(
  { storage, encryption, kind, signal }: DumpOrder,
  stem: string,
  manifest: Manifest,
): Promise<void> {
  const marker = kindKey(stem, kind);
  try {
    if (marker !== undefined) await storage.put(marker, bytes(new Uint8Array()), { signal });
    const plain = encodeManifest(manifest);
    const content = encryption.privateManifest
      ? Buffer.from(await sealText(plain.toString('utf8'), encryption.recipients, signal))
      : plain;
    await storage.put(manifestKey(stem), bytes(content), { contentType: 'application/json', signal });
  } catch (error) {
    const stored = manifest.objects.map(({ name }) => join(dirname(stem), name));
    await withdraw(storage, [...stored, ...(marker === undefined ? [] : [marker])], error);
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
