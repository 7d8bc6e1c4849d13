/** A transaction at the border of what was restored, as the server's log tells it. */
export interface BorderTransaction {
  readonly xid?: string;
  /** When it was committed, by the source's clock: ISO 8601. */
  readonly at?: string;
}

/** What a recovering server has said of how far it came. */
export interface RecoverySaid {
  /** The last transaction that is in. */
  lastIn?: BorderTransaction;
  /** The first one that is not, where the recovery stopped before the end of the log. */
  firstOut?: BorderTransaction;
  /** It stopped where it was told to. */
  hasStopped: boolean;
  /** That was where the transaction was rolled back by which it was told to stop. */
  isRolledBack?: boolean;
  /** It came to the end of the log without having found where to stop. */
  hasMissedTarget: boolean;
  /** The last fatal word. */
  fatal?: string;
}

/** `2026-11-25 14:02:59.123456+00` as ISO 8601, the microseconds kept. */
function isoOf(text: string): string {
  return text
    .trim()
    .replace(' ', 'T')
    .replace(/(\+00(:00)?| (UTC|GMT))$/, 'Z');
}

const STOPPING =
  /recovery stopping (before|after) (?:commit|abort)(?: of (?:prepared )?transaction)? (?:(\d+), )?time (.+?)$/;
/** What is answered to a session that asks too early or too late: no cause of anything. */
const TO_A_CLIENT =
  /is starting up|not yet accepting|not accepting connections|shutting down|in recovery mode|too many clients/;
const LAST_COMPLETED = /last completed transaction was at log time (.+?)$/;

/**
 * Takes in a line of a recovering server's log. Its messages are the server's own (lc_messages=C), of `xlogrecovery.c`.
 */
export function takeIn(said: RecoverySaid, line: string): void {
  const stopping = STOPPING.exec(line);
  if (stopping) {
    const [, side, xid, time = ''] = stopping;
    const transaction = { ...(xid === undefined ? {} : { xid }), at: isoOf(time) };
    said.hasStopped = true;
    if (/stopping after abort/.test(line)) said.isRolledBack = true;
    if (side === 'before') said.firstOut = transaction;
    else said.lastIn = transaction;
    return;
  }
  if (/recovery stopping (at restore point|before WAL location|after WAL location)/.test(line)) said.hasStopped = true;
  const completed = LAST_COMPLETED.exec(line)?.[1];
  if (completed !== undefined) said.lastIn = { ...said.lastIn, at: isoOf(completed) };
  if (/recovery ended before configured recovery target was reached/.test(line)) said.hasMissedTarget = true;
  const fatal = /(?:FATAL|PANIC): {1,2}(.+)$/.exec(line)?.[1];
  if (fatal !== undefined && !TO_A_CLIENT.test(fatal)) said.fatal = fatal;
}
