import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, OperatorError } from '../errors.ts';
import { formatDuration } from '../quantities.ts';
import { log } from '../terminal/log.ts';
import type { Doing } from './receive-server.ts';

/** What keeps a log from being taken is mended by people. */
const RETRY_MS = 60_000;

/**
 * Takes the logs of several servers, until the signal aborts. One that cannot be taken does not keep the others from it: that is said,
 * and it is tried again. When it is the only one, or none of the others can be taken either, it ends.
 *
 * @param take takes the log of one until the signal aborts; throws what no waiting mends
 * @throws what `take` threw
 */
export async function takeSeveral(
  doings: readonly Doing[],
  take: (index: number) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const refused = new Set<number>();
  const takeOne = async (index: number, doing: Doing): Promise<void> => {
    while (!signal.aborted) {
      try {
        return await take(index);
      } catch (error) {
        refused.add(index);
        if (signal.aborted || !(error instanceof OperatorError) || refused.size === doings.length) throw error;
        doing.refused = messageOf(error);
        const hint = error.hint === '' ? '' : ` ${error.hint}`;
        log.error(
          `${doing.refused}.${hint} The logs of other servers are taken meanwhile; this one is tried again in ${formatDuration(RETRY_MS)}`,
        );
        await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
        doing.refused = undefined;
        refused.delete(index);
      }
    }
  };
  await Promise.all(doings.map((doing, index) => takeOne(index, doing)));
}
