import type { Config } from '../config/config.ts';
import { rpoTargetFor } from '../config/own-settings.ts';
import { OperatorError } from '../errors.ts';
import { processAgeMs } from '../machine/process-age.ts';
import { formatDuration } from '../quantities.ts';
import type { Repository } from '../repository/repository.ts';
import { belongsTo } from '../source.ts';
import { readJobs } from './jobs.ts';

/**
 * Whether every source has a backup younger than RPO_TARGET and every job ran when it was due, as reasons why not: the question of a container's health
 * check, answered by listing the days in question and nothing else. A container that has just been created has
 * RPO_TARGET for its first backup, and credentials that may not list cannot tell.
 */
export async function readHealth(
  config: Config,
  repository: Repository,
  now: Date,
  signal: AbortSignal,
): Promise<string[]> {
  const missed = readJobs(config, now).flatMap(({ reasons }) => [...reasons]);
  const runningMs = now.getTime() - runningSince(now).getTime();
  const targets = new Set(config.sources.map((source) => rpoTargetFor(config, source)));
  const stale: string[] = [];
  try {
    for (const targetMs of targets) {
      if (runningMs < targetMs) continue;
      const recent = await repository.sourcesSince(new Date(now.getTime() - targetMs), now, signal);
      for (const source of config.sources)
        if (rpoTargetFor(config, source) === targetMs && !recent.some((name) => belongsTo(source, name)))
          stale.push(`${source.name}: no backup in the last ${formatDuration(targetMs)}`);
    }
    return [...missed, ...stale];
  } catch (error) {
    if (error instanceof OperatorError && error.code === 'STORAGE_DENIED') return missed;
    throw error;
  }
}

/** When the container's first process began; where that cannot be told, the beginning of time. */
function runningSince(now: Date): Date {
  const ageMs = processAgeMs(1);
  return ageMs === undefined ? new Date(0) : new Date(now.getTime() - ageMs);
}
