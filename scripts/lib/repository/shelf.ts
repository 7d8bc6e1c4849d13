import type { Storage } from '../storages/storage.ts';
import type { Encryption } from './encryption.ts';

/** What a repository is made of, for the files of this room. */
export interface Shelf {
  readonly storage: Storage;
  /** S3_PREFIX without slashes at its ends; empty when there is none. */
  readonly prefix: string;
  readonly encryption: Encryption;
  /** Of several stores that are read as one: see UnitedStorage. */
  readonly holders?: (key: string) => readonly string[];
  readonly distrust?: (key: string) => string | undefined;
}
