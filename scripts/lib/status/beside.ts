import { asked } from '../engines/asking.ts';
import type { KeptDatabase, RunUnderWay } from '../engines/engine.ts';
import { engineOf } from '../engines/index.ts';
import type { ExpandedSource } from '../engines/sources.ts';
import { messageOf } from '../errors.ts';
import type { Source } from '../source.ts';

/** A source, and what was found beside it. */
export interface FoundBeside extends ExpandedSource {
  /** What restores and undos keep, the newest first; null when the server was not asked or did not answer. */
  readonly kept: readonly KeptDatabase[] | null;
  readonly underWay: readonly RunUnderWay[];
  readonly warnings: readonly string[];
}

type Found = Omit<FoundBeside, keyof ExpandedSource>;
const UNKNOWN: Found = { kept: null, underWay: [], warnings: [] };

/**
 * What is beside each of these sources, in their order. A server is asked once, however many of them lie on it: sessions are
 * few. One that does not answer is a warning here, for it is the next backup that will fail.
 */
export async function readBeside(sources: readonly ExpandedSource[], signal: AbortSignal): Promise<FoundBeside[]> {
  const found = new Map<Source, Found>();
  const askable = sources.filter(({ problem }) => problem === undefined).map(({ source }) => source);
  await Promise.all(
    [...byServer(askable).values()].map(async (ofServer) => {
      for (const [index, beside] of (await askServer(ofServer, signal)).entries()) {
        const source = ofServer[index];
        if (source) found.set(source, beside);
      }
    }),
  );
  return sources.map((each) => ({ ...each, ...(found.get(each.source) ?? UNKNOWN) }));
}

/** Together those that one session can be asked about. */
function byServer(sources: readonly Source[]): Map<string, Source[]> {
  const servers = new Map<string, Source[]>();
  for (const source of sources) {
    const key = serverKey(source);
    servers.set(key, [...(servers.get(key) ?? []), source]);
  }
  return servers;
}

function serverKey(source: Source): string {
  if (source.engine === 'files') return JSON.stringify([source.engine, source.name]);
  const { engine, host, port, user, password, sslMode, sslRootCert, sslCert, sslKey, connectTimeoutMs } = source;
  return JSON.stringify([engine, host, port, user, password, sslMode, sslRootCert, sslCert, sslKey, connectTimeoutMs]);
}

async function askServer(sources: readonly Source[], signal: AbortSignal): Promise<readonly Found[]> {
  const [first] = sources;
  if (!first) return [];
  try {
    const engine = await engineOf(first.engine);
    const found = await asked(signal, first, (limited) => engine.beside(sources, limited));
    return found.map((each) => ({ ...each, warnings: [] }));
  } catch (error) {
    signal.throwIfAborted();
    const why = messageOf(error);
    const start = `source ${first.name}: `;
    // the one that was asked stands for all of them
    return sources.map(({ name }) => ({
      ...UNKNOWN,
      warnings: [why.startsWith(start) ? `source ${name}: ${why.slice(start.length)}` : why],
    }));
  }
}
