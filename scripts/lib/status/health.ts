import type { Config } from '../config/config.ts';
import { OperatorError } from '../errors.ts';
import { processAgeMs } from '../machine/process-age.ts';
import { formatDuration } from '../quantities.ts';
import { LAST_PART, normalizePrefix, parseKey } from '../repository/object-key.ts';
import type { SourceConfig } from '../source.ts';
import type { Storage } from '../storages/storage.ts';

const DAY_MS = 86_400_000;
/** Beyond so many listings of a day each, one of everything is cheaper. */
const MOST_DAYS = 40;

/**
 * Whether every source has a backup younger than RPO_TARGET, as reasons why not: the question of a container's health
 * check, answered by listing the days in question and nothing else. A container that has just been created has
 * RPO_TARGET for its first backup, and credentials that may not list cannot tell.
 */
export async function readHealth(config: Config, storage: Storage, now: Date, signal: AbortSignal): Promise<string[]> {
  if (now.getTime() - runningSince(now).getTime() < config.rpoTargetMs) return [];
  try {
    const recent = await recentSources(config, storage, now, signal);
    return config.sources
      .filter((source) => !recent.some((name) => belongsTo(source, name)))
      .map((source) => `${source.name}: no backup in the last ${formatDuration(config.rpoTargetMs)}`);
  } catch (error) {
    if (error instanceof OperatorError && error.code === 'STORAGE_DENIED') return [];
    throw error;
  }
}

function belongsTo(source: SourceConfig, name: string): boolean {
  return source.database === '*' ? name.startsWith(`${source.name}.`) : name === source.name;
}

async function recentSources(config: Config, storage: Storage, now: Date, signal: AbortSignal): Promise<string[]> {
  const since = now.getTime() - config.rpoTargetMs;
  const recent = new Set<string>();
  for (const prefix of dayPrefixes(config.prefix, since, now.getTime())) {
    for await (const { key } of storage.list(prefix, { signal })) {
      const parsed = parseKey(config.prefix, key);
      const isBackup = parsed?.role === 'data' || (parsed?.role === 'part' && parsed.part === LAST_PART);
      if (isBackup && parsed.createdAt.getTime() >= since) recent.add(parsed.source);
    }
  }
  return [...recent];
}

function dayPrefixes(prefix: string, fromMs: number, toMs: number): string[] {
  const start = normalizePrefix(prefix);
  const days = Math.floor(toMs / DAY_MS) - Math.floor(fromMs / DAY_MS) + 1;
  if (days > MOST_DAYS) return [start];
  return Array.from({ length: days }, (_, i) => {
    const day = new Date((Math.floor(toMs / DAY_MS) - i) * DAY_MS);
    return `${start}${day.toISOString().slice(0, 10).replaceAll('-', '/')}/`;
  });
}

/** When the container's first process began; where that cannot be told, the beginning of time. */
function runningSince(now: Date): Date {
  const ageMs = processAgeMs(1);
  return ageMs === undefined ? new Date(0) : new Date(now.getTime() - ageMs);
}
