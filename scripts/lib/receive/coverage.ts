import type { Lsn } from '../log/lsn.ts';

/**
 * A commit's time is taken before its record is written and flushed, and only then is it seen in the log: so much earlier than
 * we were told of a position counts what was committed before it.
 */
const COMMIT_SETTLES_MS = 200;

/**
 * Which moment a position in the log covers: everything that the server had committed before that moment lies below the position.
 * Told from what the server says of itself: at that moment, its log had been flushed up to there.
 */
export interface Coverage {
  /** The server's log was flushed up to `lsn` at this moment, by its clock. */
  observe(lsn: Lsn, at: Date): void;
  /** The moment that a position covers. Positions must not go back. */
  reached(lsn: Lsn): Date;
}

/** @param from a moment that every position covers: one of before the log that is to come */
export function newCoverage(from: Date): Coverage {
  const ahead: { lsn: Lsn; at: number }[] = [];
  let covered = from.getTime();
  return {
    observe: (lsn, at) => {
      const time = at.getTime() - COMMIT_SETTLES_MS;
      const last = ahead.at(-1);
      // a server that is far ahead tells of many positions; one in a while is enough
      if (last && (last.lsn === lsn || time - last.at < COMMIT_SETTLES_MS)) {
        if (last.lsn === lsn) last.at = Math.max(last.at, time);
        return;
      }
      if (!last || lsn > last.lsn) ahead.push({ lsn, at: time });
    },
    reached: (lsn) => {
      let passed = 0;
      for (const { lsn: position, at } of ahead) {
        if (position > lsn) break;
        covered = Math.max(covered, at);
        passed += 1;
      }
      // the last one stays: the same position may be told of again, later
      const keep = ahead[passed - 1]?.lsn === lsn ? 1 : 0;
      ahead.splice(0, Math.max(0, passed - keep));
      return new Date(covered);
    },
  };
}
