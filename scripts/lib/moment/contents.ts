import { type ChainLog, readChains } from '../log/catalog.ts';
import { type LogBytes, type SegmentParts, segmentsFrom } from '../log/segments.ts';
import type { LogStore } from '../log/store.ts';
import type { StoredObject } from '../storages/storage.ts';

/** What of a chain is there to restore from. */
export interface ChainContents {
  /** As the listing of its objects has it: a receiver stores more of it all the time. */
  readonly chain: ChainLog;
  readonly segments: readonly SegmentParts[];
  readonly histories: ReadonlyMap<number, string>;
  readonly sizes: ReadonlyMap<string, number>;
}

/** Lists a chain once, so that all that is told of it is of one moment. */
export async function readContents(store: LogStore, chain: ChainLog, signal: AbortSignal): Promise<ChainContents> {
  const of = { server: chain.server, chain: chain.id.chain };
  const objects: LogBytes[] = [];
  const sizes = new Map<string, number>();
  const listed: StoredObject[] = [];
  for await (const { key, sizeBytes, object } of store.objects(of, signal)) {
    listed.push({ key, sizeBytes });
    if (object.kind !== 'segment' && object.kind !== 'part') continue;
    objects.push({ key, object });
    sizes.set(key, sizeBytes);
  }
  const [now = chain] = await readChains(listed, store.prefix, new Date());
  const histories = new Map<number, string>();
  for (const timeline of now.histories) histories.set(timeline, await store.history({ ...of, timeline }, signal));
  return { chain: now, segments: segmentsFrom(objects, now.segmentBytes), histories, sizes };
}
