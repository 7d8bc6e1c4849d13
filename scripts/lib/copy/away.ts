import type { Config } from '../config/config.ts';
import { messageOf, OperatorError } from '../errors.ts';
import { drillDirectory } from '../machine/run-notes.ts';
import { noteSeen, readSeen } from '../machine/seen-notes.ts';
import { formatDuration } from '../quantities.ts';
import type { StoredBackup } from '../repository/inventory.ts';
import { belongsTo } from '../source.ts';
import { isAway, PRIMARY, type Store } from './stores.ts';

/** Notes what a copy holds now, for when it is away. */
export function noteHeld(config: Config, { name }: Store, backups: readonly StoredBackup[], now: Date): void {
  const newest: Record<string, string> = {};
  for (const { backup } of backups) {
    const at = backup.createdAt.toISOString();
    if (backup.kind === 'backup' && at > (newest[backup.source] ?? '')) newest[backup.source] = at;
  }
  noteSeen(drillDirectory(config.values.DRILL_DIR), name, { at: now, newest });
}

/** Whether a copy held backups when it was last seen from here. */
export function heldBackups(config: Config, { name }: Store): boolean {
  const seen = readSeen(drillDirectory(config.values.DRILL_DIR), name);
  return seen !== undefined && Object.keys(seen.newest).length > 0;
}

/** What it means that a store could not be worked with. */
export interface Failure {
  /** It does not answer; it does not refuse, and nothing of it is wrong. */
  readonly isAway: boolean;
  /** It is a copy that is away, and its own target is not over yet: no failure. */
  readonly isLate: boolean;
  /** What went wrong, and, of a copy that has been away for too long, why that is a failure. */
  readonly message: string;
  /** As message, with what to do about it. */
  readonly text: string;
}

/** What it means that a store threw this. */
export function failureOf(config: Config, store: Store, error: unknown, now: Date): Failure {
  const why = isAway(error) && store.name !== PRIMARY ? tooLongAway(config, store, now) : '';
  const message = why ? `${messageOf(error)} (${why})` : messageOf(error);
  const hint = error instanceof OperatorError ? error.hint : '';
  return {
    isAway: isAway(error),
    isLate: why === undefined,
    message,
    text: hint === '' ? message : `${message}. ${hint}`,
  };
}

/**
 * Why it is a failure that a copy is away: its newest backup of a source, as it was last seen, is older than its target.
 * Until then it is late, and undefined is returned.
 */
function tooLongAway(config: Config, store: Store, now: Date): string | undefined {
  const seen = readSeen(drillDirectory(config.values.DRILL_DIR), store.name);
  if (!seen) return 'it has never been reached from here';
  const ages = config.sources.map((source) => {
    const times = Object.entries(seen.newest).flatMap(([name, at]) =>
      belongsTo(source, name) ? [Date.parse(at)] : [],
    );
    return times.length === 0 ? Number.POSITIVE_INFINITY : now.getTime() - Math.max(...times);
  });
  const oldestMs = Math.max(0, ...ages);
  if (oldestMs <= store.rpoTargetMs) return undefined;
  const held = Number.isFinite(oldestMs) ? `its newest backup is ${formatDuration(oldestMs)} old` : 'it lacks a source';
  return `last seen ${formatDuration(now.getTime() - seen.at.getTime())} ago, ${held}, and the target is ${formatDuration(store.rpoTargetMs)}`;
}
