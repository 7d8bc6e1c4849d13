import { messageOf, OperatorError } from '../errors.ts';
import { belongsTo, isServer, type Source } from '../source.ts';
import { asked } from './asking.ts';
import { engineOf } from './index.ts';

/** A source to work on, or one that could not be looked into. */
export interface ExpandedSource {
  readonly source: Source;
  /** Why a `/*` source's databases could not be listed; it then stands for itself. */
  readonly problem?: string;
  readonly cause?: unknown;
}

/** The configured sources, each `/*` one as the databases that its server has now. */
export async function expandSources(sources: readonly Source[], signal: AbortSignal): Promise<ExpandedSource[]> {
  const expanded: ExpandedSource[] = [];
  for (const source of sources) {
    try {
      const engine = await engineOf(source.engine);
      const each = await asked(signal, source, (limited) => engine.expand(source, limited));
      expanded.push(...each.map((one) => ({ source: one })));
    } catch (error) {
      signal.throwIfAborted();
      expanded.push({ source, problem: messageOf(error), cause: error });
    }
  }
  return expanded;
}

/**
 * The configured sources of these names, or all.
 * @throws OperatorError USAGE for a name that is not configured
 */
export function selectSources(sources: readonly Source[], names: readonly string[]): Source[] {
  const known = sources.map((source) => source.name).join(', ');
  for (const name of names) {
    if (sources.some((source) => source.name === name)) continue;
    throw new OperatorError('USAGE', `there is no source ${JSON.stringify(name)}`, { hint: `Configured: ${known}.` });
  }
  return sources.filter((source) => names.length === 0 || names.includes(source.name));
}

/**
 * Whether what is stored under a source's name is meant by the one that somebody named: that source, every database of it
 * when it is a `/*` one, or everything when nobody was named. One that is no longer configured may still have backups.
 *
 * @throws OperatorError USAGE for a name that is neither configured nor stored
 */
export function sourceFilter(
  named: string | undefined,
  sources: readonly Source[],
  stored: readonly { readonly source: string }[],
): (source: string) => boolean {
  if (named === undefined) return () => true;
  const server = sources.find((source) => source.name === named && isServer(source));
  const isMeant = (source: string) => source === named || (server !== undefined && belongsTo(server, source));
  if (!stored.some(({ source }) => isMeant(source)) && !server) selectSources(sources, [named]);
  return isMeant;
}
