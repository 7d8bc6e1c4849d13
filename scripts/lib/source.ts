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

/** Whether it stands for every database of its server, each a source of its own. */
export function isServer({ database, engine }: SourceConfig): boolean {
  return engine !== 'files' && database === '*';
}

/** The source that one database of a server is. */
export function expanded(server: SourceConfig, database: string): SourceConfig {
  return { ...server, database, name: `${server.name}.${database}` };
}

/** Whether backups of this name are of this source, or of a database of this server. */
export function belongsTo(source: SourceConfig, name: string): boolean {
  return isServer(source) ? name.startsWith(`${source.name}.`) : name === source.name;
}

/**
 * The source whose backups have this name: the configured one, or the database of a configured server that is meant.
 * @returns undefined when none is configured that they could be of
 */
export function sourceNamed(sources: readonly SourceConfig[], name: string): SourceConfig | undefined {
  const exact = sources.find((source) => source.name === name);
  if (exact) return exact;
  const server = sources.find((source) => belongsTo(source, name));
  return server && expanded(server, name.slice(server.name.length + 1));
}
