import { standbyStatus } from '../engines/postgres/walsender/messages.ts';
import type { SlotSight } from '../engines/postgres/walsender/slot-sight.ts';
import type { WalStream } from '../engines/postgres/walsender/walsender.ts';
import { messageOf, OperatorError } from '../errors.ts';
import { formatLsn, offsetInSegment, segmentName } from '../log/lsn.ts';
import { formatDuration } from '../quantities.ts';
import { log } from '../terminal/log.ts';
import { newPeer } from './peer.ts';
import type { SessionSettings, Stream } from './stream.ts';

/** Long before wal_sender_timeout, whose default is a minute, and whatever the store does. */
const STATUS_EVERY_MS = 10_000;
const LOOK_EVERY_MS = 5_000;
const JUDGED_EVERY_MS = 1_000;
/** PostgreSQL's own patience with a peer that says nothing, wal_receiver_timeout; less, where the server has less with us. */
const PATIENCE_MS = 60_000;
/** A server that shuts down asks as often as it is answered. */
const ANSWER_EVERY_MS = 200;
/** An idle server's log says nothing: an empty object then tells that there was nothing to say. */
const HEARTBEAT_EVERY_MS = 300_000;
/** So soon after the last part is it told that nothing came after it: the moment after the last commit can then be restored. */
const FIRST_HEARTBEAT_MS = 3_000;

/** The server keeps more log for our slot than it may. */
export class SlotLimitPassed extends Error {
  override readonly name = 'SlotLimitPassed';
}

/** What happens by the clock while the log is streamed. */
export interface Timers {
  /** Bytes have come: they are cut when their time comes. */
  came(): void;
  /** Cuts what waits. */
  flush(): void;
  /** Tells the server how far its log is stored. */
  tell(): void;
  /** It sent a sign of life. @param wantsReply it wants one */
  alive(wantsReply: boolean): void;
  /** There is no room for what it sends, or is again. */
  unread(is: boolean): void;
  stop(): void;
  /** Never resolves. @throws SlotLimitPassed, OperatorError SOURCE_CONNECT for a server that is gone or is shutting down */
  readonly failed: Promise<never>;
}

export function startTimers(stream: Stream, settings: SessionSettings, source: WalStream): Timers {
  const { sender, cutter, coverage, pace, slot } = stream;
  const { monitor, walSenderTimeoutMs, isSynchronous, slotLimitBytes, onSight } = settings;
  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  // nobody may be waiting any more
  failed.catch(() => {});
  let cutTimer: NodeJS.Timeout | undefined;
  let beatAt = Date.now();
  let hasAdvanced = true;

  const patienceMs = walSenderTimeoutMs > 0 ? Math.min(PATIENCE_MS, walSenderTimeoutMs) : PATIENCE_MS;
  const peer = newPeer(patienceMs, Date.now());
  let toldAt = Number.NEGATIVE_INFINITY;
  let answerTimer: NodeJS.Timeout | undefined;
  const tell = (wantsReply = false) => {
    clearTimeout(answerTimer);
    answerTimer = undefined;
    toldAt = Date.now();
    source.send(standbyStatus(sender.stored, toldAt, wantsReply));
  };
  const flush = () => {
    clearTimeout(cutTimer);
    cutTimer = undefined;
    const part = cutter.cut();
    if (part) sender.add(part, coverage.reached(part.endLsn));
  };
  const alive = (wantsReply: boolean) => {
    const now = Date.now();
    peer.alive(now, wantsReply);
    if (!wantsReply) return;
    // it may be shutting down, and waits until all of its log is stored
    flush();
    if (now - toldAt >= ANSWER_EVERY_MS) tell();
    else answerTimer ??= setTimeout(tell, ANSWER_EVERY_MS);
  };
  const schedule = () => {
    if (cutter.waiting === 0) {
      clearTimeout(cutTimer);
      cutTimer = undefined;
    } else if (isSynchronous) {
      if (sender.isIdle) flush();
    } else {
      cutTimer ??= setTimeout(() => {
        pace.cut(Date.now());
        flush();
      }, pace.delayMs(Date.now()));
    }
  };
  sender.onAdvance = () => {
    beatAt = Date.now();
    hasAdvanced = true;
    tell();
    if (isSynchronous) schedule();
  };

  let isBeating = false;
  const beat = (sight: SlotSight) => {
    coverage.observe(sight.flushed, sight.at);
    const isCurrent = sight.flushed === sender.stored && cutter.received === sender.stored;
    const now = Date.now();
    const isFirst = hasAdvanced && pace.hasSpare(now);
    if (isBeating || !isCurrent || now - beatAt < (isFirst ? FIRST_HEARTBEAT_MS : HEARTBEAT_EVERY_MS)) return;
    if (isFirst) pace.cut(now);
    hasAdvanced = false;
    beatAt = now;
    const at = coverage.reached(sender.stored);
    const { server, store, signal } = settings;
    const place = {
      server: server.name,
      chain: sender.chain.chain,
      segment: segmentName(cutter.timeline, sender.stored, stream.segmentBytes),
      start: offsetInSegment(sender.stored, stream.segmentBytes),
      at,
    };
    // nobody waits for it: a store that hangs is not to keep us from looking at the slot
    isBeating = true;
    const end = formatLsn(sender.stored);
    void store
      .heartbeat(place, signal)
      .catch((error: unknown) => {
        if (!signal.aborted)
          log.warn(`that the log of ${server.name} is complete up to ${end} could not be stored: ${messageOf(error)}`);
      })
      .finally(() => {
        isBeating = false;
      });
  };
  let isLooking = false;
  const look = async () => {
    if (isLooking) return;
    isLooking = true;
    try {
      const sight = await monitor.look(slot);
      if (monitor.isShutDown) peer.endsSessions();
      if (!sight) return;
      onSight(sight);
      if (sight.retainedBytes > slotLimitBytes) fail(new SlotLimitPassed(`${sight.retainedBytes}`));
      beat(sight);
      // what broke while nothing came; nothing here waits for the store: with that away the slot's limit would go unseen
      sender.assertWell();
    } catch (error) {
      fail(error);
    } finally {
      isLooking = false;
    }
  };
  const judge = () => {
    const { name } = settings.server;
    switch (peer.judge(Date.now())) {
      case 'ask':
        return tell(true);
      case 'gone':
        return fail(new OperatorError('SOURCE_CONNECT', `${name} has not answered for ${formatDuration(patienceMs)}`));
      case 'ends':
        return fail(
          new OperatorError('SOURCE_CONNECT', `${name} is shutting down, and keeps what the store has not taken yet`),
        );
      default:
    }
  };
  const statusEvery = Math.min(STATUS_EVERY_MS, patienceMs / 3);
  const timers = [
    setInterval(tell, statusEvery),
    setInterval(() => void look(), LOOK_EVERY_MS),
    setInterval(judge, JUDGED_EVERY_MS),
  ];
  tell();

  return {
    came: () => {
      peer.sent(Date.now());
      schedule();
    },
    flush,
    tell,
    alive,
    unread: (is) => peer.unread(is, Date.now()),
    failed,
    stop: () => {
      sender.onAdvance = undefined;
      clearTimeout(cutTimer);
      clearTimeout(answerTimer);
      for (const timer of timers) clearInterval(timer);
    },
  };
}
