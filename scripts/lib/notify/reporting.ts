import { messageOf, OperatorError } from '../errors.ts';
import { logTail } from '../terminal/log.ts';
import { heartbeat } from './heartbeat.ts';
import { type Notice, type NoticeItem, notify, type Outcome } from './notify.ts';
import type { Target } from './target.ts';

/** What people are to be told of a run that came to its end. */
export interface Report {
  readonly outcome: Outcome;
  readonly items: readonly NoticeItem[];
}

/** Who is told, and of what. */
export interface ReportingSettings {
  readonly HEARTBEAT_URL: string | undefined;
  readonly NOTIFY_URL: readonly Target[] | undefined;
  readonly NOTIFY_ON: 'failure' | 'always';
}

/**
 * Runs the work of a verb and tells people how it ended, also when it throws. Telling never changes the outcome.
 *
 * @param options.pings the monitor behind HEARTBEAT_URL watches this verb: it hears of the start and the end
 * @param options.reportOf what is to be told of a result
 */
export async function reported<T>(
  settings: ReportingSettings,
  verb: Notice['verb'],
  options: { pings?: boolean; reportOf: (result: T) => Report | Promise<Report> },
  work: () => Promise<T>,
): Promise<T> {
  const monitor = heartbeat(options.pings ? settings.HEARTBEAT_URL : undefined);
  const tell = async ({ outcome, items }: Report) => {
    const notice: Notice = {
      verb,
      outcome,
      items,
      at: new Date(),
      ...(outcome === 'success' ? {} : { logTail: logTail() }),
    };
    await Promise.all([
      outcome === 'failure' ? monitor.fail() : monitor.success(),
      notify({ urls: settings.NOTIFY_URL, on: settings.NOTIFY_ON }, notice),
    ]);
  };
  void monitor.start();
  let result: T;
  try {
    result = await work();
  } catch (error) {
    const next = error instanceof OperatorError ? error.hint : '';
    await tell({
      outcome: 'failure',
      items: [{ source: 'all', what: messageOf(error), ...(next === '' ? {} : { next }) }],
    });
    throw error;
  }
  await tell(await options.reportOf(result));
  return result;
}
