import type { Recovered } from '../engines/postgres/recovery/recover.ts';
import { baseManifestKey } from '../log/base-keys.ts';
import { formatLsn } from '../log/lsn.ts';
import { formatBytes } from '../quantities.ts';
import { log } from '../terminal/log.ts';
import { shownTime } from '../terminal/time.ts';
import type { MomentPlan } from './plan.ts';
import { roomFor } from './recover.ts';
import { describeTarget, type MomentTarget } from './target.ts';

/** Says what will be done, before anything is fetched. */
export function sayPlan(plan: MomentPlan, target: MomentTarget | undefined): void {
  const { server, base, manifest, path, logBytes, storedLogBytes } = plan;
  const to = target === undefined ? 'the end of its log' : describeTarget(target);
  log.info(`restoring ${server} to ${to}`);
  log.info(
    `  from the base ${baseManifestKey(base.stem)} of ${shownTime(new Date(manifest.endedAt))} (${formatBytes(base.sizeBytes)}, ${formatBytes(manifest.rawBytes)} unpacked)`,
  );
  log.info(
    path.segments.length === 0
      ? '  with no log after it'
      : `  with ${formatBytes(logBytes)} of log after it, in ${path.segments.length} segments (${formatBytes(storedLogBytes)} as stored)`,
  );
  log.info(`  room for it: ${formatBytes(roomFor(plan))}, until it is over`);
  log.info(`  the log of this path is stored up to ${shownTime(path.coverage)} (${formatLsn(path.end)})`);
}

/** The last transaction that is in, and the first one that is not. */
export interface Border {
  readonly lastIn: string | null;
  readonly firstOut: string | null;
  readonly firstOutXid: string | null;
  readonly sentence: string;
}

/** Tells the border from what the server said. */
export function borderOf({ lastIn, firstOut }: Pick<Recovered, 'lastIn' | 'firstOut'>): Border {
  const inside =
    lastIn?.at === undefined ? 'nothing was committed since the base' : `the last commit in it is of ${lastIn.at}`;
  const xid = firstOut?.xid === undefined ? '' : ` (transaction ${firstOut.xid})`;
  const outside = firstOut?.at === undefined ? '' : `, the first one that is not is of ${firstOut.at}${xid}`;
  return {
    lastIn: lastIn?.at ?? null,
    firstOut: firstOut?.at ?? null,
    firstOutXid: firstOut?.xid ?? null,
    sentence: `${inside}${outside}`,
  };
}
