import type { Config } from '../config/config.ts';
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
  if (now.getTime() - runningSince(now).getTime() < config.rpoTargetMs) return missed;
  try {
    const recent = await repository.sourcesSince(new Date(now.getTime() - config.rpoTargetMs), now, signal);
    const stale = config.sources
      .filter((source) => !recent.some((name) => belongsTo(source, name)))
      .map((source) => `${source.name}: no backup in the last ${formatDuration(config.rpoTargetMs)}`);
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
