import { engineOf } from '../engines/index.ts';
import { compressedByUs } from '../formats.ts';
import type { Contents, Manifest } from '../repository/manifest.ts';
import type { DumpShape } from '../repository/new-backup.ts';
import type { Repository } from '../repository/repository.ts';
import { sealText } from '../repository/sealed-text.ts';
import { placeOf } from '../source.ts';
import { log } from '../terminal/log.ts';
import type { DumpOrder } from './order.ts';
import { uploadStreams } from './streams.ts';

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
    const { objects, rawBytes, contents } = await uploadStreams(order, { session, backup, shape }).catch(
      (error: unknown) => {
        throw session.explain?.(error) ?? error;
      },
    );
    const globals = await session.globals();
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
