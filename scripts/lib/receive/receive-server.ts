import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../engines/postgres/server/connection.ts';
import { findingsOf, readServerFacts, type ServerFacts } from '../engines/postgres/walsender/server-facts.ts';
import type { SlotSight } from '../engines/postgres/walsender/slot-sight.ts';
import { openWalsender, type Walsender } from '../engines/postgres/walsender/walsender.ts';
import { messageOf, OperatorError } from '../errors.ts';
import { CAUSES, type ChainCause, slotFamily } from '../log/keys.ts';
import { formatLsn } from '../log/lsn.ts';
import type { LogStore } from '../log/store.ts';
import { formatBytes, formatDuration } from '../quantities.ts';
import type { LogServer } from '../source.ts';
import { log } from '../terminal/log.ts';
import { partsBeyond } from './beyond.ts';
import { newCoverage } from './coverage.ts';
import { type LastPart, newCutter, type Part } from './cutter.ts';
import { causeOf, isFinal, tellOfWaiting } from './failures.ts';
import { newMonitor } from './monitor.ts';
import { asTheOnlyOne } from './only-one.ts';
import { beginChain, dropSlots, judgeChain, type OpenChain } from './open-chain.ts';
import { newPace } from './pace.ts';
import { newSender, OtherBytesStored } from './sender.ts';
import { runSession } from './session.ts';
import { sessionOf } from './slots.ts';
import { keepState, notesName } from './state.ts';
import type { Stream } from './stream.ts';

const RETRY_FIRST_MS = 1_000;
const RETRY_LAST_MS = 30_000;

export interface ReceiveSettings {
  readonly store: LogStore;
  readonly intervalMs: number;
  readonly slotLimitBytes: number;
  readonly isSynchronous: boolean;
  /** Where what is to be known after a restart is noted. */
  readonly directory: string;
  /** Told to end: what has come is stored and acknowledged first. */
  readonly signal: AbortSignal;
  /** What is stored is not continued by what will be stored from here on. */
  onBreak(server: LogServer, cause: ChainCause, coveredUntil: Date | undefined): void;
  /** Part of a chain is stored: a base can be taken that it goes on from. */
  onChain(server: LogServer, chain: string, hasBase: boolean, baseTaken: () => void): void;
}

/** How a server's log is doing, for the health check. */
export interface Doing {
  state: 'connecting' | 'streaming';
  /** When the server last answered. */
  seenAt: Date | undefined;
  failingSince: Date | undefined;
  reason: string | undefined;
  /** Why its log cannot be taken, where that does not pass by itself. */
  refused: string | undefined;
}

/**
 * Takes one server's log until the signal aborts, whatever becomes of the connection, the server and the store meanwhile.
 * @throws OperatorError LOCKED for a second receiver; CONFIG, SOURCE_CONNECT or SOURCE_VERSION for what no waiting will mend, at the start
 */
export async function receiveServer(server: LogServer, settings: ReceiveSettings, doing: Doing): Promise<void> {
  const name = notesName(settings.store.prefix, server);
  await asTheOnlyOne(server, settings.directory, name, (isAlone) => run(server, settings, doing, name, isAlone));
}

/** @param isAlone no other receiver of this machine can be at it: the session that was noted is of one that has ended */
async function run(
  server: LogServer,
  settings: ReceiveSettings,
  doing: Doing,
  notes: string,
  isAlone: boolean,
): Promise<void> {
  const { store, signal, directory } = settings;
  // requests and sessions go on until what has come is stored
  const hard = new AbortController();
  const monitor = newMonitor(server, hard.signal);
  let stream: Stream | undefined;
  let chainBegun: { cause: ChainCause } | undefined;
  let isBreakTold = false;
  /** At once, and not when there is a new chain: that needs the store, which may be what is away. */
  const tellBreak = (cause: ChainCause) => {
    if (cause !== 'first' && !isBreakTold) settings.onBreak(server, cause, keeper.state?.at);
    isBreakTold = true;
  };
  const keeper = keepState(directory, notes);
  let lost = isAlone && keeper.state?.session ? [keeper.state.session] : [];
  let wasConnected = false;
  let failures = 0;

  const openStream = (
    open: OpenChain,
    { segmentBytes }: ServerFacts,
    last: LastPart | undefined,
    beyond: readonly LastPart[],
  ): Stream => {
    const { chain, timeline, stored, at } = open;
    const hasBase = keeper.state?.chain === chain.chain && keeper.state.hasBase;
    keeper.begin({ chain: chain.chain, timeline, stored, at, last, hasBase });
    let isFirst = true;
    const onStored = (part: Part, covered: Date) => {
      keeper.stored(part, covered, signal.aborted);
      if (isFirst) settings.onChain(server, chain.chain, hasBase, keeper.baseTaken);
      isFirst = false;
    };
    return {
      slot: open.slot,
      segmentBytes,
      sender: newSender({ store, server: server.name, chain, segmentBytes, stored, signal: hard.signal, onStored }),
      cutter: newCutter(segmentBytes, { timeline, stored, known: [...(last ? [last] : []), ...beyond] }),
      coverage: newCoverage(at),
      pace: newPace(settings.intervalMs, Date.now()),
    };
  };

  const settle = async (walsender: Walsender, facts: ServerFacts): Promise<Stream> => {
    const identity = await walsender.identify();
    const { slotLimitBytes } = settings;
    const context = { walsender, identity, server, store, lost, slotLimitBytes };
    const held = stream && {
      chain: stream.sender.chain.chain,
      timeline: stream.cutter.timeline,
      stored: stream.cutter.received,
      at: keeper.state?.at ?? stream.sender.chain.begunAt,
    };
    const known = held ?? keeper.state;
    const verdict = chainBegun ?? (await judgeChain(context, known));
    if ('goesOn' in verdict) {
      const { goesOn } = verdict;
      if (stream?.sender.chain.chain === goesOn.chain.chain) return stream;
      const { state } = keeper;
      const mine = state?.chain === goesOn.chain.chain && state.stored === goesOn.stored ? state.last : undefined;
      log.info(`the log of ${server.name} is taken on from ${formatLsn(goesOn.stored)}, timeline ${goesOn.timeline}`);
      const { segmentBytes } = facts;
      const of = { server: server.name, chain: goesOn.chain.chain, segmentBytes };
      return openStream(goesOn, facts, mine, await partsBeyond(store, { ...goesOn, ...of }, hard.signal));
    }
    // to be remembered until it is done: the next look would find another cause, or none
    chainBegun = verdict;
    tellBreak(verdict.cause);
    // first of all the server's disk
    await dropSlots(context);
    // what is in memory still belongs to the old chain, and reaches farther than what is stored of it
    await stream?.sender.drained(signal).catch((error: unknown) => {
      if (!(error instanceof OtherBytesStored)) throw error;
    });
    const before = stream ? [stream.sender.chain] : [];
    const { cause } = verdict;
    const open = await beginChain(context, { cause, segmentBytes: facts.segmentBytes, before }, signal);
    chainBegun = undefined;
    isBreakTold = false;
    log.info(
      `the log of ${server.name} is taken from ${formatLsn(open.stored)}, timeline ${open.timeline}: ${CAUSES[verdict.cause]}`,
    );
    return openStream(open, facts, undefined, []);
  };

  const connected = async (): Promise<void> => {
    const facts = await factsOf(server, settings, hard.signal);
    const walsender = await openWalsender(server.source, hard.signal);
    try {
      stream = await settle(walsender, facts);
      const session = await sessionOf(walsender);
      if (session) {
        lost = [...lost.slice(-3), session];
        keeper.streams(session);
      }
      wasConnected = true;
      failures = 0;
      Object.assign(doing, { state: 'streaming', seenAt: new Date() });
      const { slotLimitBytes, isSynchronous } = settings;
      const onSight = (sight: SlotSight) => {
        const { failingSince, failure } = stream?.sender ?? {};
        Object.assign(doing, { seenAt: new Date(), failingSince, reason: failure });
        tellOfWaiting(server, sight, isSynchronous);
      };
      const { walSenderTimeoutMs } = facts;
      const identity = await walsender.identify();
      await runSession(stream, {
        server,
        store,
        walsender,
        identity,
        monitor,
        slotLimitBytes,
        walSenderTimeoutMs,
        isSynchronous,
        signal,
        onSight,
      });
    } finally {
      await walsender.close();
    }
  };

  const stopConnecting = () => {
    // a session that streams ends by itself, when what has come is stored
    if (doing.state !== 'streaming') hard.abort(signal.reason);
  };
  signal.addEventListener('abort', stopConnecting, { once: true });
  try {
    while (!signal.aborted) {
      try {
        await connected();
      } catch (error) {
        if (signal.aborted) break;
        doing.state = 'connecting';
        const cause = causeOf(error);
        if (cause) {
          chainBegun = { cause };
          log.error(
            `the log of ${server.name} breaks off: ${CAUSES[cause]}${cause === 'slot-limit' ? ` (${formatBytes(settings.slotLimitBytes)})` : ''}`,
          );
          tellBreak(cause);
          continue;
        }
        if (isFinal(error, wasConnected)) throw error;
        doing.reason = messageOf(error);
        failures += 1;
        const waitMs = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(failures - 1, 5));
        log.warn(
          `the log of ${server.name} is not taken: ${messageOf(error)}; tried again in ${formatDuration(waitMs)}`,
        );
        await sleep(waitMs, undefined, { signal }).catch(() => {});
      }
    }
  } finally {
    signal.removeEventListener('abort', stopConnecting);
    await monitor.close();
    hard.abort(signal.reason);
  }
}

/** @throws OperatorError CONFIG naming what the server lacks */
async function factsOf(
  server: LogServer,
  { store, isSynchronous }: ReceiveSettings,
  signal: AbortSignal,
): Promise<ServerFacts> {
  const connection = await connect(server.source, server.source.database, signal);
  try {
    const facts = await readServerFacts(connection, slotFamily(store.prefix, server.name));
    const lacking = findingsOf(facts, server.source, isSynchronous).filter(({ kind }) => kind === 'lacks');
    if (lacking.length === 0) return facts;
    throw new OperatorError(
      'CONFIG',
      `the log of ${server.name} cannot be taken: ${lacking.map(({ what }) => what).join('; ')}`,
      {
        hint: `${lacking.map(({ how }) => how).join(' ')} Or go without its log: PITR=false.`,
      },
    );
  } finally {
    await connection.close();
  }
}
