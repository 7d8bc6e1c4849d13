import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, OperatorError } from '../errors.ts';
import { formatDuration } from '../quantities.ts';
import type { Repository } from '../repository/repository.ts';
import type { LogServer } from '../source.ts';
import { command } from '../terminal/hints.ts';
import { log } from '../terminal/log.ts';
import { dropServersSlots } from './pitr.ts';
import { forgetState, notesName, readState } from './state.ts';

const RETRY_FIRST_MS = 1_000;
const RETRY_LAST_MS = 60_000;
/** A receiver that was ended a moment ago may still have its session; one that stays is somebody else's. */
const OF_ANOTHER_AFTER = 6;

/**
 * Gives up the log of servers that is not taken any more, where an earlier receiver of this installation took it: a slot that
 * nobody reads by would only fill the server's disk. What is stored stays. Never throws; tried until it is done.
 *
 * @param of.directory where an earlier receiver has noted what it took
 */
export async function giveUp(
  servers: readonly LogServer[],
  of: { repository: Repository; directory: string; signal: AbortSignal },
): Promise<void> {
  await Promise.all(servers.map((server) => giveUpOne(server, of)));
}

async function giveUpOne(
  server: LogServer,
  { repository, directory, signal }: { repository: Repository; directory: string; signal: AbortSignal },
): Promise<void> {
  const notes = notesName(repository.shelf.prefix, server);
  if (readState(directory, notes) === undefined) return;
  for (let failures = 1; !signal.aborted; failures += 1) {
    try {
      await dropServersSlots([server], repository, signal);
      forgetState(directory, notes);
      log.info(`${server.name} keeps no log for us any more: it is not to be taken`);
      return;
    } catch (error) {
      if (signal.aborted) return;
      const what = `${server.name} may still keep log for us, which is not to be taken any more: ${messageOf(error)}`;
      if (error instanceof OperatorError && error.code === 'LOCKED' && failures === OF_ANOTHER_AFTER) {
        log.warn(`${what}. Stop that one, then: ${command('pitrOff')}`);
        return;
      }
      const waitMs = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** (Math.min(failures, 7) - 1));
      log.warn(`${what}; tried again in ${formatDuration(waitMs)}`);
      await sleep(waitMs, undefined, { signal }).catch(() => {});
    }
  }
}
