import type { Stage } from '../pipeline/child-process.ts';
import { decompressStages, decryptStages, encryptStages } from '../pipeline/codec.ts';
import { openStorage, type StorageSettings } from '../storages/index.ts';
import { namedBy } from '../storages/named.ts';
import { rekeyed } from '../storages/rekeyed.ts';
import type { RemoveFailure, Storage } from '../storages/storage.ts';
import {
  type Backup,
  type Leftover,
  readCatalog,
  readCatalogAndLeftovers,
  type Selection,
  selectBackup,
} from './catalog.ts';
import type { DrillRecord, StoredDrill } from './drill-record.ts';
import type { Encryption } from './encryption.ts';
import { hold, release, whyHeld } from './hold.ts';
import { type Inventory, readInventory } from './inventory.ts';
import { endUnfinishedUploads, removeLeftovers, removeLeftoversOf } from './leftovers.ts';
import type { Manifest, ObjectMember } from './manifest.ts';
import { membersOf } from './members.ts';
import { type NewBackup, newBackup } from './new-backup.ts';
import { type Kind, normalizePrefix } from './object-key.ts';
import { manifestFrom, readAll, readGlobals, readManifest, readObject, type Wanted } from './read.ts';
import { earlierBackups, recentSources } from './recent.ts';
import { removeBackups } from './remove.ts';
import { requireIdentity } from './sealed-text.ts';
import type { Shelf } from './shelf.ts';
import type { VerifyRecord } from './verify-record.ts';

/** Which storage, where in it, and how what lies there is encrypted. */
export interface RepositorySettings {
  readonly storage: StorageSettings;
  /** S3_PREFIX without slashes at its ends; empty when there is none. */
  readonly prefix: string;
  readonly encryption: Encryption;
  /** What all uploads of this process together may take; undefined for as much as there is. */
  readonly uploadBytesPerSecond?: number;
  /** The variable that defines it, where that is not S3_* or BACKUP_DIR: failures are to name it. */
  readonly variable?: string;
}

/**
 * A storage with our keys in it: backups, and the records of drills. Its users need to know neither the prefix
 * nor the keys to what is encrypted. Two of them share nothing.
 */
export interface Repository {
  /** For messages: the storage's. Never a secret. */
  readonly description: string;
  readonly encryption: Encryption;
  /** What it is made of, for the rooms that keep other things than backups in it: the log of servers. */
  readonly shelf: Shelf;

  /** Its objects by their names: keys without the prefix, which are the same in every copy. */
  readonly objects: Storage;
  /** What is stored, by names. @throws OperatorError when the listing fails */
  inventory(signal: AbortSignal): Promise<Inventory>;

  /** Every backup, the newest first, told from the listing alone. @throws OperatorError when the listing fails */
  backups(signal: AbortSignal): Promise<Backup[]>;
  /** As backups, with what killed runs left and no backup is. */
  catalog(signal: AbortSignal): Promise<{ backups: Backup[]; leftovers: Leftover[] }>;
  /** The newest ten or so backups of a source before a time, the newest first, however many there are in all. */
  recent(of: { source: string; before: Date }, signal: AbortSignal): Promise<Backup[]>;
  /** The sources that have a backup younger than this. */
  sourcesSince(since: Date, now: Date, signal: AbortSignal): Promise<string[]>;
  /** The backup that is meant. @throws OperatorError NO_SUCH_BACKUP, offering the keys that come nearest */
  select(backups: readonly Backup[], selection: Selection): Backup;

  /** @throws OperatorError CONFIG for an encrypted backup whose key is not at hand */
  assertReadable(backup: Backup): void;
  /** Undefined for a backup that has none. @throws OperatorError BACKUP_DAMAGED, CONFIG */
  manifestOf(backup: Backup, signal: AbortSignal): Promise<Manifest | undefined>;
  /** The manifest as it is in its object's bytes. @throws OperatorError BACKUP_DAMAGED, CONFIG */
  manifestFrom(backup: Backup, bytes: Buffer, signal: AbortSignal): Promise<Manifest>;
  /** What the database needs of its server, as it was stored beside the dump; undefined when nothing was. */
  globalsOf(backup: Backup, manifest: Manifest | undefined, signal: AbortSignal): Promise<string | undefined>;
  /** The bytes of one object, or of a member, compared with the manifest at their end. @throws OperatorError BACKUP_DAMAGED */
  read(backup: Backup, wanted: Wanted, manifest: Manifest | undefined, signal: AbortSignal): AsyncGenerator<Uint8Array>;
  /** What of an object can be read by itself; undefined where it is to be read as a whole. See membersOf. */
  membersOf(
    backup: Backup,
    key: string,
    manifest: Manifest | undefined,
    signal: AbortSignal,
  ): Promise<readonly ObjectMember[] | undefined>;
  /** Every byte of a backup, one object after the other. */
  readAll(backup: Backup, manifest: Manifest | undefined, signal: AbortSignal): AsyncGenerator<Uint8Array>;
  /** The processes that make a dump of what read yields. */
  openingStages(backup: Backup): Stage[];
  /** The process that encrypts what is to be stored; none without recipients. */
  sealingStages(): Stage[];

  /** Begins a backup, of which nothing is listed before commit. */
  begin(of: { source: string; createdAt: Date; kind: Kind }): NewBackup;
  /** Deletes backups, of each the manifest first. Returns what could not be deleted. */
  remove(backups: readonly Backup[], signal: AbortSignal): Promise<RemoveFailure[]>;
  /** Deletes what catalog called leftovers. */
  removeLeftovers(leftovers: readonly Leftover[], signal: AbortSignal): Promise<RemoveFailure[]>;
  /** Removes what killed runs of a source left before a time, for the run that holds the source's lock. Never throws. */
  removeLeftoversOf(of: { source: string; before: Date }, signal: AbortSignal): Promise<void>;
  /** Ends the uploads that began before this moment. Never throws for a storage that cannot tell. */
  endUnfinishedUploads(before: Date, signal: AbortSignal): Promise<void>;

  /** The newest drill of each source, told from the listing alone. */
  newestDrills(signal: AbortSignal): Promise<Map<string, StoredDrill>>;
  /** A drill's record; undefined when it cannot be read. */
  drill(stored: StoredDrill, signal: AbortSignal): Promise<DrillRecord | undefined>;
  /** Stores a drill's record. @returns its key */
  keepDrill(record: DrillRecord, signal: AbortSignal): Promise<string>;

  /** The records of what was read back since a time, the newest first; and the newest one whatever its time. */
  verified(since: Date, signal: AbortSignal): Promise<VerifyRecord[]>;
  /** Stores such a record. @returns its key */
  keepVerified(record: VerifyRecord, signal: AbortSignal): Promise<string>;

  /** Keeps retention from a backup. */
  hold(backup: Backup, why: string, signal: AbortSignal): Promise<void>;
  /** Lets retention have it again. */
  release(backup: Backup, signal: AbortSignal): Promise<void>;
  /** Why it is held. */
  whyHeld(backup: Backup, signal: AbortSignal): Promise<string | undefined>;

  /** Of several stores that are read as one: which of them hold a key. */
  holders(key: string): readonly string[];
  /**
   * What was read of this key is not what was stored: from now on it is read from the next store that has it.
   * @returns that store's name; undefined when there is none
   */
  distrust(key: string): string | undefined;

  /** Closes connections, so that the process can end. */
  close(): void;
}

/**
 * Opens a repository. Nothing is connected to yet.
 * @throws OperatorError CONFIG for settings that cannot work
 */
export async function openRepository(settings: RepositorySettings): Promise<Repository> {
  const storage = await openStorage(settings.storage, settings.uploadBytesPerSecond);
  return repositoryOn({
    storage: settings.variable === undefined ? storage : namedBy(storage, settings.variable),
    prefix: settings.prefix,
    encryption: settings.encryption,
  });
}

// the library that checks records takes a quarter of a verb's start: see read.ts
const drillRecords = () => import('./drill-record.ts');
const verifyRecords = () => import('./verify-record.ts');

/** The repository on a storage that is open already. It closes it. */
export function repositoryOn(shelf: Shelf): Repository {
  const { storage, prefix, encryption } = shelf;
  return {
    description: storage.description,
    encryption,
    shelf,
    objects: rekeyed(storage, { shown: '', stored: normalizePrefix(prefix) }),
    inventory: (signal) => readInventory(shelf, signal),
    backups: (signal) => readCatalog(storage, prefix, signal),
    catalog: (signal) => readCatalogAndLeftovers(storage, prefix, signal),
    recent: (of, signal) => earlierBackups(shelf, of, signal),
    sourcesSince: (since, now, signal) => recentSources(shelf, since, now, signal),
    select: (backups, selection) => selectBackup(backups, prefix, selection),
    assertReadable: (backup) => {
      if (backup.encrypted) requireIdentity(encryption.identity, backup.key);
    },
    manifestOf: (backup, signal) => readManifest(shelf, backup, signal),
    manifestFrom: (backup, bytes, signal) => manifestFrom(shelf, backup, bytes, signal),
    globalsOf: (backup, manifest, signal) => readGlobals(shelf, backup, manifest, signal),
    read: (backup, wanted, manifest, signal) => readObject(shelf, backup, wanted, manifest, signal),
    membersOf: (backup, key, manifest, signal) => membersOf(shelf, backup, key, manifest, signal),
    readAll: (backup, manifest, signal) => readAll(shelf, backup, manifest, signal),
    openingStages: (backup) => [
      ...(backup.encrypted ? decryptStages(requireIdentity(encryption.identity, backup.key)) : []),
      ...decompressStages(backup.compression),
    ],
    sealingStages: () => encryptStages(encryption.recipients),
    begin: (of) => newBackup(shelf, of),
    remove: (backups, signal) => removeBackups(storage, backups, signal),
    removeLeftovers: (leftovers, signal) => removeLeftovers(storage, leftovers, signal),
    removeLeftoversOf: (of, signal) => removeLeftoversOf(shelf, of, signal),
    endUnfinishedUploads: (before, signal) => endUnfinishedUploads(shelf, before, signal),
    newestDrills: async (signal) => (await drillRecords()).newestDrills(shelf, signal),
    drill: async (stored, signal) => (await drillRecords()).readDrill(shelf, stored, signal),
    keepDrill: async (record, signal) => (await drillRecords()).keepDrill(shelf, record, signal),
    verified: async (since, signal) => (await verifyRecords()).readVerified(shelf, since, signal),
    keepVerified: async (record, signal) => (await verifyRecords()).keepVerified(shelf, record, signal),
    hold: (backup, why, signal) => hold(shelf, backup, why, signal),
    release: (backup, signal) => release(shelf, backup, signal),
    whyHeld: (backup, signal) => whyHeld(shelf, backup, signal),
    holders: (key) => shelf.holders?.(key) ?? [],
    distrust: (key) => shelf.distrust?.(key),
    close: () => storage.close(),
  };
}
