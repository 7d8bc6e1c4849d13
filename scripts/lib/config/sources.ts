import { messageOf } from '../errors.ts';
import { drillDirectory } from '../machine/run-notes.ts';
import type { Source } from '../source.ts';
import { registerSecret } from '../terminal/log.ts';
import { type Defaults, databaseOf, jobsOf, limits, tls } from './database-url.ts';
import { readFolder } from './files.ts';
import { assertPatterns, isOption, optionOf, readFolderPatterns, readLeaveOut } from './leave-out.ts';
import { isOwnSetting, sourceOfSetting, takeOwnSettings } from './own-settings.ts';
import { passwordFromPassfile } from './pgpass.ts';
import { urlOf } from './url.ts';

const PREFIX = 'BACKUP_SOURCE_';
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
  const url = urlOf(text);
  if (url === undefined) throw new Error('wants a URL such as postgres://user@host:5432/database');
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

function sourceName(variable: string): string {
  return variable.slice(PREFIX.length).toLowerCase().replaceAll('_', '-');
}
