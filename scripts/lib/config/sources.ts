import { availableParallelism } from 'node:os';
import { messageOf } from '../errors.ts';
import { type Compression, type DumpFormat, type EngineName, readsFormat } from '../formats.ts';
import { drillDirectory } from '../machine/run-notes.ts';
import type { DatabaseSource, Source } from '../source.ts';
import { registerSecret } from '../terminal/log.ts';
import { readFolder } from './files.ts';
import { assertPatterns, EXCLUDING, isOption, optionOf, readFolderPatterns, readLeaveOut } from './leave-out.ts';
import { isOwnSetting, sourceOfSetting, takeOwnSettings } from './own-settings.ts';
import { passwordFromPassfile } from './pgpass.ts';
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

const PREFIX = 'BACKUP_SOURCE_';
const SCHEMES: Readonly<Record<string, { engine: DatabaseSource['engine']; port: number }>> = {
  'mariadb:': { engine: 'mariadb', port: 3306 },
  'mysql:': { engine: 'mariadb', port: 3306 },
  'postgres:': { engine: 'postgres', port: 5432 },
  'postgresql:': { engine: 'postgres', port: 5432 },
};

/** Every source of the environment: the BACKUP_SOURCE_* ones, or the one of POSTGRES_*. Wrong ones become problems. */
export function readSources(
  env: Readonly<Record<string, string>>,
  defaults: Defaults,
  problems: string[],
  warnings: string[] = [],
): Source[] {
  const names = Object.keys(env).filter((name) => name.startsWith(PREFIX));
  const urls = names.filter((name) => !/_PASSWORD(_FILE)?$/.test(name) && !isOfAnother(name, env[name] ?? ''));
  for (const name of names) {
    const of = definedBy(name, env[name] ?? '');
    if (of !== name && !urls.includes(of)) problems.push(`${name} is set, but ${of} is not`);
  }
  if (urls.length === 0) {
    if (defaults.POSTGRES_DB.includes(',')) {
      problems.push(
        `POSTGRES_DB ${JSON.stringify(defaults.POSTGRES_DB)}: is one database; write a line BACKUP_SOURCE_<NAME>=postgres://user@host:5432/database for each of several`,
      );
    }
    const leaveOut = readLeaveOut(env, 'BACKUP');
    const source = { ...defaultSource(defaults), ...(leaveOut === undefined ? {} : { leaveOut }) };
    try {
      assertPatterns('postgres', leaveOut);
    } catch (error) {
      problems.push(`BACKUP_EXCLUDE_*: ${messageOf(error)}`);
    }
    return [withPassfile(source, env.PGPASSFILE)];
  }
  const sources: Source[] = [];
  for (const variable of urls.sort()) {
    try {
      const source = readSource(variable, env, defaults, warnings);
      sources.push(withPassfile(source, env.PGPASSFILE));
    } catch (error) {
      problems.push(`${variable}: ${messageOf(error)}`);
    }
  }
  for (const source of sources) {
    const twin = sources.find((other) => other !== source && other.name === source.name);
    if (twin && twin.variable < source.variable) {
      problems.push(`${source.variable} and ${twin.variable} are both named ${source.name}; rename one`);
    }
  }
  return sources;
}

const isOfAnother = (name: string, text: string) => isOption(name, text) || isOwnSetting(name, text);

/** The variable of the source that a variable of the family is about. */
function definedBy(name: string, text: string): string {
  if (isOption(name, text)) return optionOf(name);
  return isOwnSetting(name, text) ? sourceOfSetting(name) : name.replace(/_PASSWORD(_FILE)?$/, '');
}

/** What libpq does for a connection without a password. */
export function withPassfile<S extends Source>(source: S, path: string | undefined): S {
  if (source.engine !== 'postgres' || source.password !== undefined || path === undefined) return source;
  const password = passwordFromPassfile(path, source);
  if (password === undefined) return source;
  registerSecret(password);
  return { ...source, password };
}

function defaultSource(defaults: Defaults): Source {
  return {
    name: defaults.POSTGRES_DB,
    engine: 'postgres',
    host: defaults.POSTGRES_HOST,
    port: defaults.POSTGRES_PORT,
    database: defaults.POSTGRES_DB,
    user: defaults.POSTGRES_USER,
    ...(defaults.POSTGRES_PASSWORD === undefined ? {} : { password: defaults.POSTGRES_PASSWORD }),
    ...tls(defaults),
    ...limits(defaults),
    format: defaults.BACKUP_FORMAT,
    compression: defaults.BACKUP_COMPRESSION,
    ...jobsOf(defaults),
    variable: 'POSTGRES_DB',
  };
}

type Tls = Pick<DatabaseSource, 'sslMode' | 'sslRootCert' | 'sslCert' | 'sslKey'>;

function tls(defaults: Defaults): Tls {
  return {
    sslMode: defaults.PGSSLMODE,
    ...(defaults.PGSSLROOTCERT === undefined ? {} : { sslRootCert: defaults.PGSSLROOTCERT }),
    ...(defaults.PGSSLCERT === undefined ? {} : { sslCert: defaults.PGSSLCERT }),
    ...(defaults.PGSSLKEY === undefined ? {} : { sslKey: defaults.PGSSLKEY }),
  };
}

/** More streams than that are taken only when asked for: other databases share the server. */
const MOST_AUTO_JOBS = 4;

function jobsOf({ BACKUP_JOBS: wanted }: Defaults): Pick<Source, 'jobs' | 'jobsBySize'> {
  if (wanted !== 'auto') return { jobs: wanted, jobsBySize: false };
  return { jobs: Math.min(availableParallelism(), MOST_AUTO_JOBS), jobsBySize: true };
}

function limits(defaults: Defaults): Pick<Source, 'connectTimeoutMs' | 'lockTimeoutMs' | 'blockingTimeoutMs'> {
  return {
    connectTimeoutMs: defaults.CONNECT_TIMEOUT,
    lockTimeoutMs: defaults.LOCK_TIMEOUT,
    blockingTimeoutMs: defaults.BLOCKING_TIMEOUT,
  };
}

function readSource(
  variable: string,
  env: Readonly<Record<string, string>>,
  defaults: Defaults,
  warnings: string[],
): Source {
  const text = env[variable] ?? '';
  const password = env[`${variable}_PASSWORD`];
  const name = variable.slice(PREFIX.length);
  if (!/^[A-Za-z0-9]+(_[A-Za-z0-9]+)*$/.test(name))
    throw new Error('the name after BACKUP_SOURCE_ wants letters, digits and single _');
  if (!URL.canParse(text)) throw new Error('wants a URL such as postgres://user@host:5432/database');
  const url = new URL(text);
  const own = takeOwnSettings(env, variable, url.searchParams, defaults.TZ ?? 'UTC');
  const ownSettings = Object.keys(own).length === 0 ? {} : { own };
  if (url.protocol === 'file:') {
    if (password !== undefined) throw new Error(`is a folder, which has no password; remove ${variable}_PASSWORD`);
    return {
      name: sourceName(variable),
      ...readFolder(url, defaults.explicitCompression),
      ...excludedFrom(readFolderPatterns(env, variable, url.searchParams)),
      roomIn: drillDirectory(env.DRILL_DIR || undefined),
      ...limits(defaults),
      // an archive is one stream
      jobs: 1,
      jobsBySize: false,
      variable,
      ...ownSettings,
    };
  }
  const leaveOut = readLeaveOut(env, variable, url.searchParams);
  const source = {
    ...databaseOf(url, { name: sourceName(variable), variable, password }, defaults, warnings),
    ...ownSettings,
  };
  assertPatterns(source.engine, leaveOut);
  return leaveOut === undefined ? source : { ...source, leaveOut };
}

const excludedFrom = (exclude: readonly string[]) => (exclude.length === 0 ? {} : { exclude });

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

function sourceName(variable: string): string {
  return variable.slice(PREFIX.length).toLowerCase().replaceAll('_', '-');
}

function userOf(engine: DatabaseSource['engine'], defaults: Defaults): string {
  return engine === 'mariadb' ? 'root' : defaults.POSTGRES_USER;
}

/** PGSSLMODE and the like are for PostgreSQL: a MariaDB source says it in its URL. */
const MARIADB_TLS: Tls = { sslMode: 'prefer' };

/** What the URL says, in libpq's words, and the rest from elsewhere. */
function urlTls(query: URLSearchParams, otherwise: Tls): Tls {
  const modes = value.oneOf('disable', 'prefer', 'require', 'verify-ca', 'verify-full');
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
