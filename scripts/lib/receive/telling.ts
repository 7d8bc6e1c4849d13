import type { Config } from '../config/config.ts';
import { CAUSES, type ChainCause } from '../log/keys.ts';
import { type NoticeItem, notify, type Outcome } from '../notify/notify.ts';
import type { LogServer } from '../source.ts';
import { command } from '../terminal/hints.ts';
import { logTail } from '../terminal/log.ts';
import { shownTime } from '../terminal/time.ts';

const LOOKED_AT_EVERY_MS = 5_000;

/** Tells people what becomes of the log while it is taken: nobody waits for a receiver to end, as for a run. */
export interface Telling {
  /** What is stored of a server's log is not continued by what is stored from here on. */
  broken(server: LogServer, cause: ChainCause, coveredUntil: Date | undefined): void;
  /**
   * From now on tells once when it does not go well, and once when it does again.
   * @param reasons why it does not go well, as the health check has it; none when it does
   * @returns what ends it
   */
  watch(reasons: () => readonly string[]): () => void;
  /** Resolves when all has been told. */
  done(): Promise<void>;
}

export function newTelling(values: Pick<Config['values'], 'NOTIFY_URL' | 'NOTIFY_ON'>): Telling {
  const underWay = new Set<Promise<void>>();
  const tell = (outcome: Outcome, items: readonly NoticeItem[]) => {
    const told = notify(
      { urls: values.NOTIFY_URL, on: values.NOTIFY_ON },
      { verb: 'receive', outcome, at: new Date(), items, ...(outcome === 'success' ? {} : { logTail: logTail() }) },
    ).finally(() => underWay.delete(told));
    underWay.add(told);
  };
  return {
    broken: ({ name }, cause, coveredUntil) => {
      const until = coveredUntil === undefined ? '' : `, which reaches to ${shownTime(coveredUntil)}`;
      const what = `the log does not continue what was stored before${until}: ${CAUSES[cause]}. It is begun anew, and moments until then cannot be restored`;
      const next = `A new base is taken as soon as the store takes the log. Look at ${command('status')} for how far back moments reach.`;
      tell('failure', [{ source: name, what, ...(coveredUntil === undefined ? {} : { since: coveredUntil }), next }]);
    },
    watch: (reasons) => {
      let isTold = false;
      const timer = setInterval(() => {
        const found = reasons();
        if (found.length > 0 === isTold) return;
        isTold = found.length > 0;
        const next = `What is written now is lost with the server. Look at ${command('status')}, the server, and the store.`;
        if (isTold)
          tell(
            'failure',
            found.map((what) => ({ source: 'the log', what, next })),
          );
        else tell('success', [{ source: 'the log', what: 'it is taken and stored again' }]);
      }, LOOKED_AT_EVERY_MS);
      return () => clearInterval(timer);
    },
    done: async () => {
      await Promise.all(underWay);
    },
  };
}
