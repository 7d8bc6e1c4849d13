import type { Encryption } from '../config/config.ts';
import type { Kind } from '../repository/object-key.ts';
import type { SourceConfig } from '../source.ts';
import type { Storage } from '../storages/storage.ts';

/** What is to be dumped, where to, and as what. */
export interface DumpOrder {
  readonly storage: Storage;
  readonly prefix: string;
  readonly encryption: Encryption;
  readonly source: SourceConfig;
  readonly kind: Kind;
  /** Dump this database, which a restore has put aside, in the place of the source's own. */
  readonly putAside?: string;
  readonly signal: AbortSignal;
}
