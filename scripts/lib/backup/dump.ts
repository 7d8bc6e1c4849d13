import type { DumpSession } from '../engines/dumping.ts';
import { engineOf } from '../engines/index.ts';
import { compressedByUs } from '../formats.ts';
import type { Contents, Manifest } from '../repository/manifest.ts';
import type { DumpShape, NewBackup } from '../repository/new-backup.ts';
import type { Repository } from '../repository/repository.ts';
import { sealText } from '../repository/sealed-text.ts';
import { placeOf } from '../source.ts';
import { log } from '../terminal/log.ts';
import type { DumpOrder } from './order.ts';
import { type Uploaded, uploadStreams } from './streams.ts';

/** What others do to the source meanwhile may be in the way of this many dumps, one after the other. */
const ATTEMPTS = 4;

/**
 * Dumps one source: what marks its kind, its object or objects, then the manifest, which makes it a backup.
 * Nothing remains of a dump that fails. One that was in the way of others is begun again, in another way if need be.
 */
export async function dump(order: DumpOrder): Promise<{ key: string; manifest: Manifest }> {
  const engine = await engineOf(order.source.engine);
  let { source } = order;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await dumpOnce({ ...order, source });
    } catch (error) {
      order.signal.throwIfAborted();
      const next = attempt < ATTEMPTS ? engine.another?.(source, error) : undefined;
      if (next === undefined) throw error;
      log.warn(`${source.name}: ${next.why}`);
      source = next.source;
    }
  }
}

/** A manifest that is not private is in clear, and a sum of few values could be guessed. */
async function sealedContents(
  { derived, ...contents }: Contents,
  { encryption: { recipients, privateManifest } }: Repository,
  signal: AbortSignal,
): Promise<Contents & Pick<Manifest, 'sealedDerived'>> {
  if (derived === undefined) return contents;
  if (recipients.length === 0 || privateManifest) return { ...contents, derived };
  return { ...contents, sealedDerived: await sealText(JSON.stringify(derived), recipients, signal) };
}

/**
 * Stores the dump, and reads meanwhile what the database needs of its server. When one of them fails the other is ended; none is
 * under way any more when this rejects.
 */
async function dumpAndGlobals(
  order: DumpOrder,
  { session, backup, shape }: { session: DumpSession; backup: NewBackup; shape: DumpShape },
): Promise<Uploaded & { readonly globals: string | undefined }> {
  const failed = new AbortController();
  const signal = AbortSignal.any([order.signal, failed.signal]);
  const dumping = uploadStreams({ ...order, signal }, { session, backup, shape });
  // a folder is also what a server has room for that has few locks, and these take some more
  const reading = shape.format === 'folder' ? dumping.then(() => session.globals()) : session.globals();
  for (const part of [dumping, reading]) part.catch((error) => failed.abort(error));
  const [dumped, globals] = await Promise.allSettled([dumping, reading]);
  if (dumped.status === 'fulfilled' && globals.status === 'fulfilled')
    return { ...dumped.value, globals: globals.value };
  const error = order.signal.aborted ? order.signal.reason : failed.signal.reason;
  throw session.explain?.(error) ?? error;
}

async function dumpOnce(order: DumpOrder): Promise<{ key: string; manifest: Manifest }> {
  const { repository, source, kind, signal } = order;
  const startedAt = new Date();
  const engine = await engineOf(source.engine);
  const session = await engine.beginDump(source, { kept: order.kept, signal });
  const { createdAt } = session;
  const giveUp = new AbortController();
  const tidying = repository.removeLeftoversOf(
    { source: source.name, before: createdAt },
    AbortSignal.any([signal, giveUp.signal]),
  );
  const backup = repository.begin({ source: source.name, createdAt, kind });
  try {
    const shape: DumpShape = {
      format: source.format,
      compression: compressedByUs(source.format, source.compression.method),
    };
    await backup.mark(signal);
    const { objects, rawBytes, contents, globals } = await dumpAndGlobals(order, { session, backup, shape });
    // of a dump that fails nothing is to be left that names roles
    const beside = globals === undefined ? [] : [await backup.putGlobals(globals, signal)];
    const chosen = [session.chosen, source.compression.reason].filter((reason) => reason !== undefined);
    const manifest: Manifest = {
      version: 1,
      source: source.name,
      engine: source.engine,
      database: order.kept ?? placeOf(source),
      kind,
      createdAt: createdAt.toISOString(),
      startedAt: startedAt.toISOString(),
      finishedAt: new Date().toISOString(),
      ...session.facts,
      format: shape.format,
      compression: source.compression.method,
      encryption: repository.encryption.recipients.length > 0 ? 'age' : null,
      ...(chosen.length > 0 ? { chosen } : {}),
      objects: [...objects, ...beside].map((object, i) => {
        const { key: _, ...stored } = object;
        const tables = session.streams[i]?.tables;
        return { name: backup.nameOf(object), ...stored, ...(tables ? { tables: [...tables] } : {}) };
      }),
      rawBytes,
      ...(await sealedContents(contents, repository, signal)),
    };
    await backup.commit(manifest, signal);
    return { key: backup.keyOf(shape), manifest };
  } catch (error) {
    giveUp.abort();
    await backup.withdraw(error);
    throw error;
  } finally {
    // under the lock that keeps others from what it removes
    await tidying;
    await session.close();
  }
}
