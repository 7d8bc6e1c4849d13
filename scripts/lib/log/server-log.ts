import { messageOf } from '../errors.ts';
import type { Repository } from '../repository/repository.ts';
import type { BaseManifest } from './base-manifest.ts';
import type { ChainLog } from './catalog.ts';
import { type Gap, gapsOf, type Range, type Reach, rangesOf, reachesOf } from './ranges.ts';
import { type LogStore, openLog, type StoredBase } from './store.ts';

/** A base that counts, and what its manifest says. */
export type KnownBase = StoredBase & BaseManifest;

/** Everything that is stored of one server, as far as listings and the manifests of bases tell. */
export interface ServerLog {
  readonly server: string;
  /** The oldest first. */
  readonly chains: readonly ChainLog[];
  /** The newest first. */
  readonly bases: readonly KnownBase[];
  /** Bases whose manifest cannot be read, and why. Nothing may be deleted that they could need. */
  readonly unread: readonly { readonly base: StoredBase; readonly why: string }[];
  /** Objects of bases without a manifest: left by a run that died, or being stored. */
  readonly unfinished: readonly StoredBase[];
  readonly reaches: readonly Reach<KnownBase>[];
  readonly ranges: readonly Range[];
  readonly gaps: readonly Gap[];
}

/** Reads what is stored of every server: two listings, and a manifest for each base. */
export async function readServerLogs(store: LogStore, now: Date, signal: AbortSignal): Promise<ServerLog[]> {
  const [chains, bases] = await Promise.all([store.chains({}, now, signal), store.bases({}, signal)]);
  const names = new Set([...chains, ...bases].map(({ server }) => server));
  return Promise.all(
    [...names].sort().map(async (server) => {
      const ofServer = chains.filter((chain) => chain.server === server);
      const stored = bases.filter((base) => base.server === server);
      const read = await Promise.all(
        stored.filter(({ hasManifest }) => hasManifest).map((base) => readBase(store, base, signal)),
      );
      const known = read.flatMap((one) => ('why' in one ? [] : [one]));
      const restorable = reachesOf(known, ofServer, { withHistories: true });
      const ranges = rangesOf(restorable);
      return {
        server,
        chains: ofServer,
        bases: known,
        unread: read.flatMap((one) => ('why' in one ? [one] : [])),
        unfinished: stored.filter(({ hasManifest }) => !hasManifest),
        // what a lost history kept from being restored is needed all the same: a copy may have it
        reaches: reachesOf(known, ofServer),
        ranges,
        gaps: gapsOf(ranges, ofServer, restorable),
      };
    }),
  );
}

async function readBase(
  store: LogStore,
  base: StoredBase,
  signal: AbortSignal,
): Promise<KnownBase | { base: StoredBase; why: string }> {
  try {
    return { ...(await store.baseManifest(base, signal)), ...base };
  } catch (error) {
    signal.throwIfAborted();
    return { base, why: messageOf(error) };
  }
}

/** What is stored of every server in a repository, now. */
export function logsIn(repository: Repository, signal: AbortSignal): Promise<ServerLog[]> {
  return readServerLogs(openLog(repository), new Date(), signal);
}
