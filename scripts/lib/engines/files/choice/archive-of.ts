import { basename, join } from 'node:path';
import type { SourceFacts } from '../../../repository/manifest.ts';
import type { FilesSource } from '../../../source.ts';
import type { DumpStream } from '../../dumping.ts';
import { type Copies, copyDatabases } from '../sqlite/copies.ts';
import type { Place } from '../swap/place.ts';
import { archiveStage, treeMeter } from '../tar/archive.ts';
import { type NameOrder, nameLister } from '../tree/name-order.ts';
import type { Found } from './choice.ts';

/** How a folder or a file is archived, and what is known of it before. */
export interface ArchivedTree {
  readonly stages: Pick<DumpStream, 'feed' | 'stage' | 'meter'>;
  readonly facts: Pick<SourceFacts, 'leftOut' | 'sqlite'>;
  /** Once the archive has been written. */
  remove(): Promise<void>;
}

/** Copies the databases that are in it, and says how the rest is read: all of it, or by the names of what is not left out. */
export async function archiveOf(
  source: FilesSource,
  { place, found, report, signal }: { place: Place; found: Found; report: string; signal: AbortSignal },
): Promise<ArchivedTree> {
  const patterns = source.exclude ?? [];
  const isFolder = place.kind === 'folder';
  const copies = await copyDatabases(source, { live: place.live, isFolder, databases: found.databases, signal });
  return {
    stages: stagesOf(place, { patterns, copies, report }),
    facts: {
      ...(patterns.length === 0 ? {} : { leftOut: { tables: [], data: [], schemas: [], patterns: [...patterns] } }),
      ...(copies === undefined ? {} : { sqlite: [...copies.made] }),
    },
    remove: async () => copies?.remove(),
  };
}

function stagesOf(
  { live, kind, reserved }: Place,
  { patterns, copies, report }: { patterns: readonly string[]; copies: Copies | undefined; report: string },
): ArchivedTree['stages'] {
  const isFolder = kind === 'folder';
  const meter = treeMeter(report, undefined, copies?.owners);
  const isCopied = copies !== undefined && copies.copied.length > 0;
  if (!isFolder) {
    const path = isCopied ? join(copies.folder, basename(live)) : live;
    return { stage: archiveStage(path, { isFolder, report }), meter };
  }
  if (patterns.length === 0 && !isCopied) {
    return { stage: archiveStage(live, { isFolder, report, excluded: reserved }), meter };
  }
  const order: NameOrder = {
    folder: live,
    reserved,
    patterns,
    copies: copies?.folder ?? '',
    copied: copies?.copied ?? [],
    skipped: copies?.skipped ?? [],
  };
  return { feed: nameLister(order, report), stage: archiveStage(live, { isFolder, report, readsNames: true }), meter };
}
