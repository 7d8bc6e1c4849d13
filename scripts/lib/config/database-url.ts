import { availableParallelism } from 'node:os';
import { type Compression, type DumpFormat, type EngineName, readsFormat } from '../formats.ts';
import type { DatabaseSource, Source } from '../source.ts';
import { registerSecret } from '../terminal/log.ts';
import { EXCLUDING } from './leave-out.ts';
import { assertKnown, decoded, ofQuery, takePassedOver } from './url.ts';
import * as value from './values.ts';

/** What of the other variables a source falls back on. */
export interface Defaults {
  readonly POSTGRES_HOST: string;
  readonly POSTGRES_PORT: number;
  readonly POSTGRES_DB: string;
  readonly POSTGRES_USER: string;
  readonly POSTGRES_PASSWORD: string | undefined;
  readonly PGSSLMODE: string;
  readonly PGSSLROOTCERT: string | undefined;
  readonly PGSSLCERT: string | undefined;
  readonly PGSSLKEY: string | undefined;
  readonly CONNECT_TIMEOUT: number;
  readonly LOCK_TIMEOUT: number;
  readonly BLOCKING_TIMEOUT: number;
  readonly BACKUP_FORMAT: DumpFormat;
  readonly BACKUP_COMPRESSION: Compression;
  readonly BACKUP_JOBS: number | 'auto';
  readonly TZ?: string;
  /** BACKUP_COMPRESSION where it is set: without it, folders have a default of their own. */
  readonly explicitCompression: Compression | undefined;
}

const SCHEMES: Readonly<Record<string, { engine: DatabaseSource['engine']; port: number }>> = {
  'mariadb:': { engine: 'mariadb', port: 3306 },
  'mysql:': { engine: 'mariadb', port: 3306 },
  'postgres:': { engine: 'postgres', port: 5432 },
  'postgresql:': { engine: 'postgres', port: 5432 },
};

/**
 * A database by its URL.
 * @param of its name, the variable that holds the URL, and the password that stands elsewhere
 * @throws Error saying what is wrong with it
 */
export function databaseOf(
  url: URL,
  { name, variable, password }: { name: string; variable: string; password: string | undefined },
  defaults: Defaults,
  warnings: string[],
): DatabaseSource {
  warnings.push(...takePassedOver(url.searchParams, variable));
  const scheme = SCHEMES[url.protocol];
  if (!scheme)
    throw new Error(`${url.protocol}// is not a kind of source; there are postgres://, mariadb:// and file://`);
  const database = decoded(url.pathname.replace(/^\//, ''));
  if (database === '') throw new Error('names no database; write postgres://user@host:5432/database');
  if (url.hostname === '') throw new Error('names no host; write postgres://user@host:5432/database');
  if (url.hash !== '') throw new Error('holds a #, and what follows it would be left out; write %23 for one');
  const urlPassword = decoded(url.password);
  if (urlPassword !== '' && password !== undefined)
    throw new Error(`holds a password, and ${variable}_PASSWORD is set too; keep one`);
  if (urlPassword !== '') registerSecret(urlPassword);
  const secret = urlPassword === '' ? password : urlPassword;
  return {
    name,
    engine: scheme.engine,
    host: decoded(url.hostname).replace(/^\[|\]$/g, ''),
    port: url.port === '' ? scheme.port : Number(url.port),
    database,
    user: url.username === '' ? userOf(scheme.engine, defaults) : decoded(url.username),
    ...(secret === undefined ? {} : { password: secret }),
    ...(scheme.engine === 'mariadb' ? urlTls(url.searchParams, MARIADB_TLS) : urlTls(url.searchParams, tls(defaults))),
    ...limits(defaults),
    ...readQuery(scheme.engine, url.searchParams, defaults),
    ...jobsOf(defaults),
    variable,
  };
}

/** How a connection is kept from being read on its way. */
export type Tls = Pick<DatabaseSource, 'sslMode' | 'sslRootCert' | 'sslCert' | 'sslKey'>;

/** What PGSSLMODE and its like say. */
export function tls(defaults: Defaults): Tls {
  return {
    sslMode: defaults.PGSSLMODE,
    ...(defaults.PGSSLROOTCERT === undefined ? {} : { sslRootCert: defaults.PGSSLROOTCERT }),
    ...(defaults.PGSSLCERT === undefined ? {} : { sslCert: defaults.PGSSLCERT }),
    ...(defaults.PGSSLKEY === undefined ? {} : { sslKey: defaults.PGSSLKEY }),
  };
}

/** More streams than that are taken only when asked for: other databases share the server. */
const MOST_AUTO_JOBS = 4;

/** How many streams a source is dumped by. */
export function jobsOf({ BACKUP_JOBS: wanted }: Defaults): Pick<Source, 'jobs' | 'jobsBySize'> {
  if (wanted !== 'auto') return { jobs: wanted, jobsBySize: false };
  return { jobs: Math.min(availableParallelism(), MOST_AUTO_JOBS), jobsBySize: true };
}

/** How long a source is waited for. */
export function limits(defaults: Defaults): Pick<Source, 'connectTimeoutMs' | 'lockTimeoutMs' | 'blockingTimeoutMs'> {
  return {
    connectTimeoutMs: defaults.CONNECT_TIMEOUT,
    lockTimeoutMs: defaults.LOCK_TIMEOUT,
    blockingTimeoutMs: defaults.BLOCKING_TIMEOUT,
  };
}

function userOf(engine: DatabaseSource['engine'], defaults: Defaults): string {
  return engine === 'mariadb' ? 'root' : defaults.POSTGRES_USER;
}

/** PGSSLMODE and the like are for PostgreSQL: a MariaDB source says it in its URL. */
const MARIADB_TLS: Tls = { sslMode: 'prefer' };

/** What the URL says, in libpq's words, and the rest from elsewhere. */
function urlTls(query: URLSearchParams, otherwise: Tls): Tls {
  const modes = value.oneOf('disable', 'prefer', 'require', 'verify-ca', 'verify-full');
  for (const word of ['sslmode', 'sslrootcert', 'sslcert', 'sslkey'])
    if (query.getAll(word).length > 1)
      throw new Error(`?${word} is there more than once, and one would go unheard; keep one`);
  const mode = query.get('sslmode');
  const paths = { sslRootCert: query.get('sslrootcert'), sslCert: query.get('sslcert'), sslKey: query.get('sslkey') };
  return {
    ...otherwise,
    ...(mode === null ? {} : { sslMode: ofQuery('sslmode', modes)(mode) }),
    ...Object.fromEntries(Object.entries(paths).filter(([, path]) => path !== null)),
  };
}

function readQuery(
  engine: EngineName,
  query: URLSearchParams,
  defaults: Defaults,
): Pick<Source, 'format' | 'compression'> {
  const known = ['format', 'compression', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', ...EXCLUDING];
  assertKnown(query, known);
  const compression = query.get('compression');
  const format = ofQuery('format', value.databaseFormat)(query.get('format') ?? defaults.BACKUP_FORMAT);
  if (!readsFormat(engine, format))
    throw new Error(`the format ${format} is PostgreSQL's alone; write ?format=sql at the end of the URL`);
  return {
    format,
    compression:
      compression === null ? defaults.BACKUP_COMPRESSION : ofQuery('compression', value.compression)(compression),
  };
}
