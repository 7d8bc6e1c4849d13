import type { Config } from '../config/config.ts';
import { PRIMARY, type Store } from '../copy/stores.ts';
import { type ReadFrom, readTogether } from '../copy/together.ts';
import { sourceFilter } from '../engines/sources.ts';
import { FORMATS } from '../formats.ts';
import { inParallel } from '../parallel.ts';
import type { Backup } from '../repository/catalog.ts';
import { storedOrder } from '../repository/keys-of.ts';
import type { LeftOut } from '../repository/manifest.ts';
import { placeOf, sourceNamed } from '../source.ts';

/** What is stored, the newest first. */
export interface Listed {
  /** The description of the storage. */
  readonly where: string;
  readonly backups: readonly Backup[];
  /** One a backup, in the same order, made as they are asked for: there may be half a million of them. */
  rows(): Iterable<ReturnType<typeof row>>;
  /** The names of the stores that hold it. */
  storesOf(backup: Backup): readonly string[];
  /** What it was made without, where that is known. */
  leftOutOf(backup: Backup): LeftOut | undefined;
  /** Why those that are held are, by key. */
  whyHeld(): Promise<Map<string, string | undefined>>;
}

/**
 * Lists the backups of all stores as one, or of one of them.
 * @throws OperatorError USAGE for a source that is not known, and as the listing fails
 */
export async function listBackups(
  config: Config,
  stores: { primary: Store; copies: readonly Store[] },
  { source, readFrom, leftOut: asks }: { source: string | undefined; readFrom: ReadFrom; leftOut: boolean },
  signal: AbortSignal,
): Promise<Listed> {
  const together = readTogether(stores, readFrom);
  const all = await together.backups(signal);
  const isMeant = sourceFilter(source, config.sources, all);
  const backups = source === undefined ? all : all.filter((backup) => isMeant(backup.source));
  // a manifest is read where something may have been left out: a listing alone does not tell
  const leftOut = new Map<string, LeftOut>();
  const asked = backups.filter(({ hasManifest, source: name }) => hasManifest && (asks || leavesOut(config, name)));
  await inParallel(asked, READ_AT_ONCE, async (backup) => {
    const manifest = await together.manifestOf(backup, signal).catch(() => undefined);
    signal.throwIfAborted();
    if (manifest?.leftOut) leftOut.set(backup.key, manifest.leftOut);
  });
  const storesOf = (backup: Backup) => {
    const holders = together.holders(lastKeyOf(backup));
    return holders.length === 0 ? [readFrom.from ?? PRIMARY] : holders;
  };
  return {
    where: together.description,
    backups,
    storesOf,
    leftOutOf: ({ key }) => leftOut.get(key),
    *rows() {
      for (const backup of backups) yield row(backup, config, storesOf(backup), leftOut.get(backup.key));
    },
    async whyHeld() {
      const why = new Map<string, string | undefined>();
      for (const backup of backups) if (backup.isHeld) why.set(backup.key, await together.whyHeld(backup, signal));
      return why;
    },
  };
}

const READ_AT_ONCE = 16;

function leavesOut(config: Config, name: string): boolean {
  const source = sourceNamed(config.sources, name);
  return source !== undefined && 'leaveOut' in source && source.leaveOut !== undefined;
}

/** The object that says that a backup is whole: a store that has it has the backup. */
function lastKeyOf(backup: Backup): string {
  return storedOrder(backup).at(-1) ?? backup.key;
}

/** What the key does not tell, the configuration of the source does: a listing asks nothing of the single backup. */
export function row(backup: Backup, config: Config, stores: readonly string[], leftOut?: LeftOut) {
  const source = sourceNamed(config.sources, backup.source);
  return {
    key: backup.key,
    source: backup.source,
    database: source ? placeOf(source) : backup.source,
    engine: source?.engine ?? FORMATS[backup.format].engines[0],
    kind: backup.kind,
    createdAt: backup.createdAt.toISOString(),
    sizeBytes: backup.sizeBytes,
    manifest: backup.hasManifest,
    format: backup.format,
    compression: backup.compression,
    encrypted: backup.encrypted,
    held: backup.isHeld,
    stores,
    leftOut: leftOut ?? null,
  };
}
