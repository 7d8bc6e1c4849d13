import type { Stage } from '../pipeline/child-process.ts';
import { decompressStages, decryptStages, encryptStages } from '../pipeline/codec.ts';
import { openStorage, type StorageSettings } from '../storages/index.ts';
import type { RemoveFailure } from '../storages/storage.ts';
import {
  type Backup,
  type Leftover,
  readCatalog,
  readCatalogAndLeftovers,
  type Selection,
  selectBackup,
} from './catalog.ts';
import { type DrillRecord, keepDrill, newestDrills, readDrill, type StoredDrill } from './drill-record.ts';
import type { Encryption } from './encryption.ts';
import { endUnfinishedUploads, removeLeftovers, removeLeftoversOf } from './leftovers.ts';
import type { Manifest } from './manifest.ts';
import { type NewBackup, newBackup } from './new-backup.ts';
import type { Kind } from './object-key.ts';
import { readAll, readGlobals, readManifest, readObject } from './read.ts';
import { earlierBackups, recentSources } from './recent.ts';
import { removeBackups } from './remove.ts';
import { requireIdentity } from './sealed-text.ts';
import type { Shelf } from './shelf.ts';

/** Which storage, where in it, and how what lies there is encrypted. */
export interface RepositorySettings {
  readonly storage: StorageSettings;
  /** S3_PREFIX without slashes at its ends; empty when there is none. */
  readonly prefix: string;
  readonly encryption: Encryption;
  /** What all uploads of this process together may take; undefined for as much as there is. */
  readonly uploadBytesPerSecond?: number;
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
  /** What the database needs of its server, as it was stored beside the dump; undefined when nothing was. */
  globalsOf(backup: Backup, manifest: Manifest | undefined, signal: AbortSignal): Promise<string | undefined>;
  /** The bytes of one object, compared with the manifest at their end. @throws OperatorError BACKUP_DAMAGED */
  read(backup: Backup, key: string, manifest: Manifest | undefined, signal: AbortSignal): AsyncGenerator<Uint8Array>;
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

  /** Closes connections, so that the process can end. */
  close(): void;
}

/**
 * Opens a repository. Nothing is connected to yet.
 * @throws OperatorError CONFIG for settings that cannot work
 */
export async function openRepository(settings: RepositorySettings): Promise<Repository> {
  const storage = await openStorage(settings.storage, settings.uploadBytesPerSecond);
  return repositoryOn({ storage, prefix: settings.prefix, encryption: settings.encryption });
}

/** The repository on a storage that is open already. It closes it. */
export function repositoryOn(shelf: Shelf): Repository {
  const { storage, prefix, encryption } = shelf;
  return {
    description: storage.description,
    encryption,
    shelf,
    backups: (signal) => readCatalog(storage, prefix, signal),
    catalog: (signal) => readCatalogAndLeftovers(storage, prefix, signal),
    recent: (of, signal) => earlierBackups(shelf, of, signal),
    sourcesSince: (since, now, signal) => recentSources(shelf, since, now, signal),
    select: (backups, selection) => selectBackup(backups, prefix, selection),
    assertReadable: (backup) => {
      if (backup.encrypted) requireIdentity(encryption.identity, backup.key);
    },
    manifestOf: (backup, signal) => readManifest(shelf, backup, signal),
    globalsOf: (backup, manifest, signal) => readGlobals(shelf, backup, manifest, signal),
    read: (backup, key, manifest, signal) => readObject(shelf, backup, key, manifest, signal),
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
    newestDrills: (signal) => newestDrills(shelf, signal),
    drill: (stored, signal) => readDrill(shelf, stored, signal),
    keepDrill: (record, signal) => keepDrill(shelf, record, signal),
    close: () => storage.close(),
  };
}
