import type { ChainLog } from '../log/catalog.ts';
import { type SegmentParts, segmentOf } from '../log/segments.ts';
import type { LogStore } from '../log/store.ts';

/** What of a chain is there to restore from, as the listing that told of the chain has it: a receiver stores more of it all the time. */
export interface ChainContents {
  readonly chain: ChainLog;
  /** A segment by its name; undefined where it, or its beginning, is not stored. */
  segment(name: string): SegmentParts | undefined;
  /** The texts of the chain's histories, by timeline. */
  readonly histories: ReadonlyMap<number, string>;
}

/** Reads the histories of a chain's timelines. */
export async function readContents(store: LogStore, chain: ChainLog, signal: AbortSignal): Promise<ChainContents> {
  const of = { server: chain.server, chain: chain.id.chain };
  const histories = new Map<number, string>();
  for (const timeline of chain.histories) histories.set(timeline, await store.history({ ...of, timeline }, signal));
  return { chain, segment: (name) => segmentOf(chain.contents, name, chain.segmentBytes), histories };
}
