import { type Lsn, parseLsn } from './lsn.ts';

/** A stretch of a server's history: a timeline from where it began to where the next one left it. */
export interface Stretch {
  readonly timeline: number;
  /** Where it left its parent; 0 for the first. */
  readonly start: Lsn;
  /** Exclusive; undefined for the newest, which has no end yet. */
  readonly end: Lsn | undefined;
}

/**
 * The way that a timeline came, the oldest first and itself last, from its history file: one line for each parent, of its number,
 * the position where it was left, and why. https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-TIMELINES
 *
 * @param text of the timeline's history; undefined for one that has none: the first
 * @throws Error saying which line is none
 */
export function historyOf(timeline: number, text: string | undefined): Stretch[] {
  const stretches: Stretch[] = [];
  let start: Lsn = 0n;
  for (const line of (text ?? '').split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const match = /^\s*(\d+)\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)(\s|$)/.exec(line);
    const end = match?.[2] === undefined ? undefined : parseLsn(match[2]);
    if (!match || end === undefined || end < start) {
      throw new Error(`the history of timeline ${timeline} has a line that is none: ${JSON.stringify(line)}`);
    }
    stretches.push({ timeline: Number(match[1]), start, end });
    start = end;
  }
  return [...stretches, { timeline, start, end: undefined }];
}

/** Whether a position of a timeline lies in this history: what was written there led to its newest timeline. */
export function isInHistory(history: readonly Stretch[], timeline: number, lsn: Lsn): boolean {
  const stretch = history.find((each) => each.timeline === timeline);
  return stretch !== undefined && lsn >= stretch.start && (stretch.end === undefined || lsn <= stretch.end);
}
