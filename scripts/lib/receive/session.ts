import { setTimeout as sleep } from 'node:timers/promises';
import { readWalMessage } from '../engines/postgres/walsender/messages.ts';
import type { WalStream } from '../engines/postgres/walsender/walsender.ts';
import { segmentStart } from '../log/lsn.ts';
import { log } from '../terminal/log.ts';
import { putHistories } from './open-chain.ts';
import type { SessionSettings, Stream } from './stream.ts';
import { startTimers, type Timers } from './timers.ts';

/** How long the last parts may take to be stored when the receiver is told to end: less than Compose waits. */
const LAST_PARTS_MS = 20_000;
/** What was committed before the receiver was told to end is still on its way for some moments. */
const LAST_BYTES_MS = 3_000;
const LOOK_EVERY_MS = 20;

/**
 * Streams the log into the store until the signal aborts, and acknowledges to the server only what the store has answered for.
 * @throws OperatorError when the connection ends, OtherBytes, OtherBytesStored, SlotLimitPassed
 */
export async function runSession(stream: Stream, settings: SessionSettings): Promise<void> {
  const { server, walsender, signal } = settings;
  const { sender, cutter } = stream;
  for (;;) {
    await putHistories(settings, sender.chain, cutter.timeline, signal);
    const source = walsender.stream({ slot: stream.slot, start: cutter.wanted, timeline: cutter.timeline });
    const timers = startTimers(stream, settings, source);
    const stopped = new AbortController();
    try {
      const taken = take(source, stream, timers, stopped.signal);
      await Promise.race([taken, timers.failed, aborted(signal)]);
      if (signal.aborted) {
        await Promise.race([lastBytes(stream, settings), taken, timers.failed, sleep(LAST_BYTES_MS)]).catch(() => {});
        stopped.abort();
        timers.flush();
        // the server hears of it, so that it need not keep what is stored
        await sender.drained(AbortSignal.timeout(LAST_PARTS_MS)).catch(() => {});
        timers.tell();
        return;
      }
    } finally {
      stopped.abort();
      timers.stop();
    }
    if (source.next === undefined) throw new Error('the server ended the stream of its log');
    timers.flush();
    const { timeline, start } = source.next;
    log.info(`the log of ${server.name} goes on with timeline ${timeline}`);
    // the server has copied what lies before into the segment
    cutter.follow(timeline, segmentStart(start, stream.segmentBytes));
  }
}

async function take(source: WalStream, { cutter, coverage, sender }: Stream, timers: Timers, signal: AbortSignal) {
  for await (const bytes of source) {
    if (signal.aborted) return;
    const message = readWalMessage(bytes);
    if (message.kind === 'keepalive') {
      timers.alive(message.wantsReply);
      continue;
    }
    coverage.observe(message.serverEnd, message.sentAt);
    for (const part of cutter.append(message.start, message.bytes)) sender.add(part, coverage.reached(part.endLsn));
    timers.came();
    timers.unread(true);
    await sender.room(signal);
    timers.unread(false);
  }
}

/** Resolves when all has come that the server had flushed by now. */
async function lastBytes({ slot, cutter }: Stream, { monitor }: SessionSettings): Promise<void> {
  const flushed = (await monitor.look(slot))?.flushed;
  if (flushed === undefined) return;
  for (const deadline = Date.now() + LAST_BYTES_MS; cutter.received < flushed && Date.now() < deadline; )
    await sleep(LOOK_EVERY_MS);
}

/** Resolves when the signal has aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
