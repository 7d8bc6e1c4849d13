import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerIdentity, Walsender } from '../engines/postgres/walsender/walsender.ts';
import { OperatorError } from '../errors.ts';
import { type ChainCause, type ChainId, newChain, slotFamily, slotName } from '../log/keys.ts';
import { type Lsn, segmentStart } from '../log/lsn.ts';
import type { LogStore } from '../log/store.ts';
import { historyOf, isInHistory } from '../log/timeline.ts';
import type { LogServer } from '../source.ts';
import { endLostSession, ourSlots, type Session } from './slots.ts';
import type { ReceiverState } from './state.ts';

/** The chain that a session goes on with, and where. */
export interface OpenChain {
  readonly chain: ChainId;
  readonly slot: string;
  readonly timeline: number;
  /** Where its stored log ends, as far as is known. */
  readonly stored: Lsn;
  /** A moment that `stored` covers. */
  readonly at: Date;
}

/** Why the chain that there was cannot be gone on with. */
export type Verdict = { readonly goesOn: OpenChain } | { readonly cause: ChainCause };

interface Context {
  readonly walsender: Walsender;
  readonly identity: ServerIdentity;
  readonly server: LogServer;
  readonly store: LogStore;
  /** Sessions of ours that stream no more: of this run, and of an earlier one where no other can be running. */
  readonly lost: readonly Session[];
  /** PITR_SLOT_LIMIT. */
  readonly slotLimitBytes: number;
}

/** What is known of the chain before the server is asked: by the state of the last run, or by this one. */
export type Known = Pick<ReceiverState, 'chain' | 'timeline' | 'stored' | 'at'>;

/**
 * Looks whether the server still has the chain's place, and the same history.
 * @throws OperatorError LOCKED when somebody else streams by its slot
 */
export async function judgeChain(of: Context, known: Known | undefined): Promise<Verdict> {
  const { walsender, identity, server, store } = of;
  const slots = await ourSlots(walsender, slotFamily(store.prefix, server.name), identity.systemIdentifier);
  const [slot] = slots;
  const before = known?.chain.split('-')[1];
  if (before !== undefined && before !== identity.systemIdentifier) return { cause: 'system' };
  if (!slot) return { cause: known === undefined ? await causeOfFirst(of) : await causeOfMissing(of, known) };
  if (!(await endLostSession(walsender, slot, of.lost))) {
    throw new OperatorError(
      'LOCKED',
      `another receiver takes the log of ${server.name}: the server's process ${slot.activePid} streams by the slot ${slot.name}`,
      {
        hint: 'One is enough. If it was killed with its machine, the server notices within wal_sender_timeout; then start this one again.',
      },
    );
  }
  // its slot of then: a later chain, which was taken since, had dropped it
  if (known !== undefined && known.chain > slot.chain.chain) return { cause: 'set-back' };
  if (slot.isLost) return { cause: 'slot-lost' };
  const place = await walsender.readSlot(slot.name);
  if (!place) return { cause: 'slot-lost' };
  // whatever it is that keeps us from streaming: the server's disk comes first
  if (identity.flushed - place.lsn > BigInt(of.slotLimitBytes)) return { cause: 'slot-limit' };
  // a state of another chain says nothing of this one
  const mine = known?.chain === slot.chain.chain ? known : undefined;
  // what the slot acknowledges is stored, whatever the state says
  const isBehind = mine === undefined || mine.stored < place.lsn;
  const stored = isBehind ? place.lsn : mine.stored;
  const timeline = isBehind ? place.timeline : mine.timeline;
  if (stored > identity.flushed) return { cause: 'set-back' };
  if (!(await isSameHistory(of, timeline, stored))) return { cause: 'history' };
  return {
    goesOn: { chain: slot.chain, slot: slot.name, timeline, stored, at: mine?.at ?? slot.chain.begunAt },
  };
}

/** A server that was restored has no slots: they are not in its files. What it then is tells more than that the slot is gone. */
async function causeOfMissing(of: Context, { timeline, stored }: Known): Promise<ChainCause> {
  if (timeline !== of.identity.timeline)
    return (await isSameHistory(of, timeline, stored)) ? 'slot-missing' : 'history';
  return stored > of.identity.flushed ? 'set-back' : 'slot-missing';
}

/** A repository that has the server's log already has lost its slot; where it may not be read, it is the first. */
async function causeOfFirst({ store, server }: Context): Promise<ChainCause> {
  try {
    return (await store.hasAny(server.name, AbortSignal.timeout(60_000))) ? 'slot-missing' : 'first';
  } catch {
    return 'first';
  }
}

async function isSameHistory(
  { walsender, identity }: Pick<Context, 'walsender' | 'identity'>,
  timeline: number,
  lsn: Lsn,
): Promise<boolean> {
  if (timeline === identity.timeline) return true;
  const history = await walsender.history(identity.timeline);
  return isInHistory(historyOf(identity.timeline, history?.text), timeline, lsn);
}

/** Drops the slots by which the server's log was taken. Returns the chains that they were of. */
export async function dropSlots({
  walsender,
  server,
  store,
  identity,
  lost,
}: Omit<Context, 'store' | 'slotLimitBytes'> & { store: Pick<LogStore, 'prefix'> }): Promise<ChainId[]> {
  const slots = await ourSlots(walsender, slotFamily(store.prefix, server.name), identity.systemIdentifier);
  for (const slot of slots) {
    await endLostSession(walsender, slot, lost);
    await walsender.dropSlot(slot.name);
  }
  return slots.map(({ chain }) => chain);
}

/**
 * Begins a chain: its first object, the slot that holds its place, and no other slot of ours.
 * Waits for the store: without it a slot would only fill the server's disk.
 */
export async function beginChain(
  of: Context,
  { cause, segmentBytes, before }: { cause: ChainCause; segmentBytes: number; before: readonly ChainId[] },
  signal: AbortSignal,
): Promise<OpenChain> {
  const { walsender, server, store, identity } = of;
  const old = [...(await dropSlots(of)), ...before];
  let begunAt = await serverTime(walsender);
  // two chains of one second would have one name
  while (old.some((chain) => chain.begunAt.getTime() >= Math.floor(begunAt.getTime() / 1_000) * 1_000)) {
    await sleep(200, undefined, { signal });
    begunAt = await serverTime(walsender);
  }
  const chain = newChain(begunAt, identity.systemIdentifier);
  await store.begin({ server: server.name, chain: chain.chain, cause, segmentBytes }, signal);
  const slot = slotName(store.prefix, server.name, chain);
  await walsender.createSlot(slot);
  const place = await walsender.readSlot(slot);
  if (!place) throw new OperatorError('PROCESS_FAILED', `the slot ${slot} was made, and is not there`);
  return {
    chain,
    slot,
    timeline: place.timeline,
    // from the segment's beginning: recovery reads segments from there
    stored: segmentStart(place.lsn, segmentBytes),
    at: chain.begunAt,
  };
}

async function serverTime(walsender: Walsender): Promise<Date> {
  const [row] = await walsender.query('select extract(epoch from clock_timestamp()) * 1000 as ms');
  return new Date(Math.floor(Number(row?.ms)));
}

/** Stores how the server's timelines came about, before log of them: without that no other timeline can be restored. */
export async function putHistories(
  of: Omit<Context, 'lost'>,
  chain: ChainId,
  timeline: number,
  signal: AbortSignal,
): Promise<void> {
  const { walsender, server, store } = of;
  const history = await walsender.history(timeline);
  if (!history) return;
  const known = historyOf(timeline, history.text);
  for (const { timeline: each } of known) {
    const file = each === timeline ? history : await walsender.history(each).catch(() => undefined);
    if (file) {
      await store.putHistory(
        { server: server.name, chain: chain.chain, timeline: each },
        Buffer.from(file.text),
        signal,
      );
    }
  }
}
