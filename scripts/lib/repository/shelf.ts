import type { Storage } from '../storages/storage.ts';
import type { Encryption } from './encryption.ts';

/** What a repository is made of, for the files of this room. */
export interface Shelf {
  readonly storage: Storage;
  /** S3_PREFIX without slashes at its ends; empty when there is none. */
  readonly prefix: string;
  readonly encryption: Encryption;
}
