import { messageOf, OperatorError } from '../errors.ts';
import type { SourceConfig } from '../source.ts';
import { asked } from './asking.ts';
import { engineOf } from './index.ts';

/** A source to work on, or one that could not be looked into. */
export interface ExpandedSource {
  readonly source: SourceConfig;
  /** Why a `/*` source's databases could not be listed; it then stands for itself. */
  readonly problem?: string;
  readonly cause?: unknown;
}

/** The configured sources, each `/*` one as the databases that its server has now. */
export async function expandSources(sources: readonly SourceConfig[], signal: AbortSignal): Promise<ExpandedSource[]> {
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
export function selectSources(sources: readonly SourceConfig[], names: readonly string[]): SourceConfig[] {
  const known = sources.map((source) => source.name).join(', ');
  for (const name of names) {
    if (sources.some((source) => source.name === name)) continue;
    throw new OperatorError('USAGE', `there is no source ${JSON.stringify(name)}`, { hint: `Configured: ${known}.` });
  }
  return sources.filter((source) => names.length === 0 || names.includes(source.name));
}
