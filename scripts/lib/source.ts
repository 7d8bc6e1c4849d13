import type { Compression, DumpFormat } from './formats.ts';

/** What a source says for itself, where it is to be otherwise than all others. */
export interface OwnSettings {
  /** When it is backed up, by a job of its own. */
  readonly schedule?: {
    readonly text: string;
    /** As Ofelia takes it. */
    readonly ofelia: string;
    next(from: Date): Date | undefined;
    /** In milliseconds. */
    longestIntervalMs(): number;
  };
  /** Of a retention policy: rules that it names take the place of all common ones. */
  readonly retention?: Readonly<Record<string, number>>;
  readonly rpoTargetMs?: number;
  readonly rtoTargetMs?: number;
  /** Whether it is among what is drilled. */
  readonly isDrilled?: boolean;
}

/** What every source has. */
interface AnySource {
  /** What keys and reports call it. */
  readonly name: string;
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
  readonly own?: OwnSettings;
}

/** What backups of a database leave out, as patterns of its engine. */
export interface LeaveOut {
  readonly tables: readonly string[];
  /** Of these the rows alone. */
  readonly data: readonly string[];
  readonly schemas: readonly string[];
}

/** A database to back up, or every database of a server, and how. */
export interface DatabaseSource extends AnySource {
  readonly engine: 'postgres' | 'mariadb';
  readonly host: string;
  readonly port: number;
  /** The database's name; `*` is every database of the server. */
  readonly database: string;
  readonly user: string;
  readonly password?: string;
  readonly sslMode: string;
  readonly sslRootCert?: string;
  readonly sslCert?: string;
  readonly sslKey?: string;
  readonly leaveOut?: LeaveOut;
  /**
   * Of PostgreSQL: dumped part by part in short transactions of one snapshot, none of which holds every table. What is altered
   * meanwhile is found out at the end.
   */
  readonly holdsNoTables?: true;
  /** Of a rehearsal's server: the source's own user, by whose settings a load goes as well. */
  readonly loadsAs?: string;
}

/** A folder or file to back up, and how. */
export interface FilesSource extends AnySource {
  readonly engine: 'files';
  /** Absolute. */
  readonly path: string;
  /** What is left out, as patterns of gitignore. */
  readonly exclude?: readonly string[];
  /** DRILL_DIR, where copies of its databases lie until the backup has ended. */
  readonly roomIn: string;
}

/** What is backed up, and how. */
export type Source = DatabaseSource | FilesSource;

/** The name of its database, or its path. */
export function placeOf(source: Source): string {
  return source.engine === 'files' ? source.path : source.database;
}

/** Whether it stands for every database of its server, each a source of its own. */
export function isServer(source: Source): source is DatabaseSource {
  return source.engine !== 'files' && source.database === '*';
}

/** The source that one database of a server is. */
export function expanded(server: DatabaseSource, database: string): DatabaseSource {
  return { ...server, database, name: `${server.name}.${database}` };
}

/** Whether backups of this name are of this source, or of a database of this server. */
export function belongsTo(source: Source, name: string): boolean {
  return isServer(source) ? name.startsWith(`${source.name}.`) : name === source.name;
}

/**
 * The source whose backups have this name: the configured one, or the database of a configured server that is meant.
 * @returns undefined when none is configured that they could be of
 */
export function sourceNamed(sources: readonly Source[], name: string): Source | undefined {
  const exact = sources.find((source) => source.name === name);
  if (exact) return exact;
  const server = sources.find((source) => isServer(source) && belongsTo(source, name));
  return server && isServer(server) ? expanded(server, name.slice(server.name.length + 1)) : undefined;
}

/** A source of the same engine that stands in for one of another name, where nothing of it but its kind is used. */
export function standIn(source: Source, name: string): Source {
  return source.engine === 'files' ? { ...source, name } : { ...source, name, database: name };
}

/** A server whose log is taken, and as whom. A log belongs to a server, not to one of its databases. */
export interface LogServer {
  /** What keys and reports call it. */
  readonly name: string;
  readonly engine: 'postgres';
  /** Its database `postgres`, which every server has and which is never restored over. */
  readonly source: DatabaseSource;
}

/** The server that a source lies on, if its log is taken. */
export function serverOf(servers: readonly LogServer[], source: Source): LogServer | undefined {
  if (source.engine !== 'postgres') return undefined;
  return servers.find(({ source: { host, port } }) => host === source.host && port === source.port);
}

/** Where the password of a source stands that its URL does not have. @param variable that holds the URL */
export const passwordVariable = (variable: string): string =>
  variable === '--target' ? 'RESTORE_TARGET_PASSWORD' : `${variable}_PASSWORD`;
