import type { Config } from '../config/config.ts';
import { expandSources, sourceFilter } from '../engines/sources.ts';
import { forEachServer } from './cleanup.ts';

/**
 * Removes what restores have picked out of backups, whatever its age, and returns it; with a dry run, what would be removed.
 * @throws OperatorError USAGE for a source that is not configured
 */
export async function dropPicked(
  config: Config,
  { source: wanted, dryRun }: { source: string | undefined; dryRun: boolean },
  signal: AbortSignal,
): Promise<{ name: string; since: string }[]> {
  const isMeant = sourceFilter(wanted, config.sources, []);
  const sources = (await expandSources(config.sources, signal)).filter(({ source }) => isMeant(source.name));
  // one that is being made has its name from the end of its restore on, to the second
  const now = new Date(Date.now() + 1_000);
  return forEachServer(sources, signal, async (engine, source) =>
    dryRun
      ? (await engine.kept(source, signal)).filter(({ role }) => role === 'picked')
      : engine.dropKept(source, now, signal, 'picked'),
  );
}
