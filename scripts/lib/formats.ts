/** What backs a source up: the kind of thing that it is. */
export type EngineName = 'files' | 'mariadb' | 'postgres';

/** What a dump is written as. `folder` is a dump of several objects. */
export type DumpFormat = 'sql' | 'custom' | 'folder' | 'tar';

/** How an object is compressed, beyond what its format does by itself. */
export type ObjectCompression = 'gzip' | 'zstd' | 'none';

/** A compression and its level; without a level, the fastest that still compresses well. */
export interface Compression {
  readonly method: ObjectCompression;
  readonly level?: number;
  /** `auto`: to be chosen for this machine, and why it was chosen. See chooseCompression. */
  readonly isAuto?: true;
  readonly reason?: string;
}
