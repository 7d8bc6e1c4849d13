import type { Compression, DumpFormat, EngineName } from './formats.ts';

/** A database or folder to back up, and how. */
export interface SourceConfig {
  /** What keys and reports call it. */
  readonly name: string;
  readonly engine: EngineName;
  /** Empty for a folder, as are the port, 0, and the user. */
  readonly host: string;
  readonly port: number;
  /** The database's name; `*` is every database of the server. Of a folder, its path. */
  readonly database: string;
  readonly user: string;
  readonly password?: string;
  readonly sslMode: string;
  readonly sslRootCert?: string;
  readonly sslCert?: string;
  readonly sslKey?: string;
  readonly format: DumpFormat;
  readonly compression: Compression;
  /** How long its server may take to answer a new connection. */
  readonly connectTimeoutMs: number;
  /** How long a dump waits for a table that somebody has locked. */
  readonly lockTimeoutMs: number;
  /** How long others may wait for a table that a dump holds. */
  readonly blockingTimeoutMs: number;
  /** Streams side by side, where the format has several. */
  readonly jobs: number;
  /** BACKUP_JOBS=auto: no more of them than a source of its size has use for. */
  readonly jobsBySize: boolean;
  /** The variable that defines it, for messages. */
  readonly variable: string;
}
