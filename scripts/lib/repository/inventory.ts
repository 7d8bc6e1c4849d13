import { type Backup, objectsOfYears } from './catalog.ts';
import { storedOrder } from './keys-of.ts';
import { Listing } from './listed.ts';
import { normalizePrefix } from './object-key.ts';
import type { Shelf } from './shelf.ts';

/** What is stored, told from one listing. Names are keys without the prefix: the same in every copy. */
export interface Inventory {
  readonly backups: readonly StoredBackup[];
  /** Of every object of a backup, and foreign ones beside them, in bytes. */
  readonly sizes: ReadonlyMap<string, number>;
}

/** A backup, and its objects by their names in the order in which they are stored. */
export interface StoredBackup {
  readonly name: string;
  readonly backup: Backup;
  readonly objects: readonly string[];
}

/** @throws OperatorError when the listing fails; it never returns a part */
export async function readInventory({ storage, prefix }: Shelf, signal: AbortSignal): Promise<Inventory> {
  const start = normalizePrefix(prefix).length;
  const sizes = new Map<string, number>();
  const listing = new Listing(prefix);
  for await (const object of objectsOfYears(storage, prefix, signal)) {
    sizes.set(object.key.slice(start), object.sizeBytes);
    listing.add(object);
  }
  const backups = listing.end().backups.map((backup) => ({
    name: backup.key.slice(start),
    backup,
    objects: storedOrder(backup).map((key) => key.slice(start)),
  }));
  return { backups, sizes };
}
