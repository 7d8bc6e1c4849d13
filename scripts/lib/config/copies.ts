import { realpathSync } from 'node:fs';
import { basename, dirname, join, posix, resolve } from 'node:path';
import { distance } from 'fastest-levenshtein';
import { messageOf } from '../errors.ts';
import type { RetentionPolicy } from '../repository/retention.ts';
import type { StorageSettings } from '../storages/index.ts';
import type { Lock } from '../storages/storage.ts';
import { RULES } from './own-settings.ts';
import { assertKnown, decoded, ofQuery, urlOf } from './url.ts';
import * as value from './values.ts';

/** Another store that backups are copied to: a whole one, with a retention of its own. */
export interface CopySettings {
  /** From COPY_<NAME>: in lower case, `_` as `-`. */
  readonly name: string;
  readonly variable: string;
  readonly storage: StorageSettings;
  /** What its keys begin with, as S3_PREFIX does. */
  readonly prefix: string;
  readonly retention: RetentionPolicy;
  /** It names a rule of its own, which then holds for every source. */
  readonly hasOwnRules: boolean;
  /** Whether the log of servers (`wal/`, `base/`) is copied too. */
  readonly hasLog: boolean;
  /** What copying to it may take; undefined for as much as there is. */
  readonly uploadBytesPerSecond?: number;
  /** How old the newest backup in it may become; by default RPO_TARGET and two runs of COPY_SCHEDULE. */
  readonly rpoTargetMs?: number;
}

const PREFIX = 'COPY_';
/** Variables of the same prefix that are none of a copy's. */
const OTHERS = ['COPY_SCHEDULE'];
const KEYS = /_(ACCESS_KEY|SECRET_KEY)$/;

/** Whether a variable belongs to a copy: its address or one of its keys. */
export function isOfCopy(name: string): boolean {
  return name.startsWith(PREFIX) && name.length > PREFIX.length && !OTHERS.includes(name);
}

/** Whether it is a key of a copy's, which is never to be printed and may be read from `<NAME>_FILE`. */
export function isKeyOfCopy(name: string): boolean {
  return isOfCopy(name) && KEYS.test(name);
}

/** What of the other variables a copy falls back on. */
export interface CopyDefaults {
  readonly retention: RetentionPolicy;
  readonly connectTimeoutMs: number;
  readonly silenceMs: number;
  readonly region: string;
}

/** Every copy of the environment, by name. Wrong ones become problems. */
export function readCopies(
  env: Readonly<Record<string, string>>,
  defaults: CopyDefaults,
  problems: string[],
): CopySettings[] {
  const ignored = new Set((env.BACKUP_IGNORE_VARIABLES ?? '').split(/[\s,]+/));
  const names = Object.keys(env).filter((name) => isOfCopy(name) && !name.endsWith('_FILE') && !ignored.has(name));
  const urls = names.filter((name) => !KEYS.test(name));
  for (const name of names) {
    const of = name.replace(KEYS, '');
    if (of !== name && !urls.includes(of)) problems.push(`${name} is set, but ${of} is not`);
  }
  const copies: CopySettings[] = [];
  for (const variable of urls.sort()) {
    try {
      copies.push(readCopy(variable, env, defaults));
    } catch (error) {
      problems.push(`${variable}: ${messageOf(error)}`);
    }
  }
  return copies;
}

const COMMON = [...Object.keys(RULES), 'min-backups', 'wal', 'max-rate', 'rpo'];
const OF_S3 = ['endpoint', 'region', 'lock', 'path-style', 'storage-class', 'ca-file'];

function readCopy(variable: string, env: Readonly<Record<string, string>>, defaults: CopyDefaults): CopySettings {
  const text = env[variable] ?? '';
  const name = variable.slice(PREFIX.length).toLowerCase().replaceAll('_', '-');
  if (name === 'primary') throw new Error('is what the store of S3_* or BACKUP_DIR is called; take another name');
  // what stands there by mistake may be a secret: it is not printed
  const meant = OTHERS.find((other) => distance(other, variable) <= 2);
  const wanted = `wants s3://bucket/prefix?endpoint=https://… or file:///path${meant ? `; is ${meant} meant?` : ''}`;
  const url = urlOf(text);
  if (url === undefined) throw new Error(wanted);
  if (url.protocol !== 's3:' && url.protocol !== 'file:') throw new Error(wanted);
  if (url.username !== '' || url.password !== '')
    throw new Error(`holds keys, which would be shown; set ${variable}_ACCESS_KEY and ${variable}_SECRET_KEY`);
  if (url.hash !== '') throw new Error('holds a #; write %23 for one');
  const query = url.searchParams;
  for (const each of new Set(query.keys()))
    if (query.getAll(each).length > 1) throw new Error(`?${each} is there more than once`);
  const where =
    url.protocol === 'file:' ? folderOf(url, variable, env) : bucketOf(url, { variable, env, defaults, query });
  const rate = query.get('max-rate');
  const rpo = query.get('rpo');
  return {
    name,
    variable,
    ...where,
    retention: retentionOf(query, defaults.retention),
    hasOwnRules: ownRules(query).length > 0,
    hasLog: read(query, 'wal', value.flag) ?? true,
    ...(rate === null ? {} : { uploadBytesPerSecond: ofQuery('max-rate', value.byteRate)(rate) }),
    ...(rpo === null ? {} : { rpoTargetMs: ofQuery('rpo', value.durationMs)(rpo) }),
  };
}

function folderOf(url: URL, variable: string, env: Readonly<Record<string, string>>) {
  if (url.hostname !== '') throw new Error('wants an absolute path, after three slashes: file:///mnt/nas');
  assertKnown(url.searchParams, COMMON);
  for (const key of ['ACCESS_KEY', 'SECRET_KEY'])
    if (env[`${variable}_${key}`] !== undefined) throw new Error(`is a folder, which takes no ${variable}_${key}`);
  const path = posix.resolve(decoded(url.pathname));
  if (path === '/' || path.includes('\0')) throw new Error('wants a folder such as file:///mnt/nas');
  return { storage: { kind: 'directory', path }, prefix: '' } as const;
}

function bucketOf(
  url: URL,
  {
    variable,
    env,
    defaults,
    query,
  }: {
    variable: string;
    env: Readonly<Record<string, string>>;
    defaults: CopyDefaults;
    query: URLSearchParams;
  },
): Pick<CopySettings, 'storage' | 'prefix'> {
  assertKnown(query, [...COMMON, ...OF_S3]);
  if (url.hostname === '') throw new Error('names no bucket: s3://bucket/prefix');
  if (url.port !== '')
    throw new Error('has a port where the bucket stands; the store’s address goes into ?endpoint=http://host:port');
  const path = decoded(url.pathname).replace(/^\/+|\/+$/g, '');
  const accessKey = env[`${variable}_ACCESS_KEY`];
  const secretKey = env[`${variable}_SECRET_KEY`];
  if ((accessKey === undefined) !== (secretKey === undefined))
    throw new Error(
      `only one of ${variable}_ACCESS_KEY and ${variable}_SECRET_KEY is set; set both, or neither for a role`,
    );
  const endpoint = read(query, 'endpoint', value.httpUrl);
  const lock = read(query, 'lock', value.lock);
  const forcePathStyle = read(query, 'path-style', value.flag);
  const storageClass = read(query, 'storage-class', value.storageClass);
  const caFile = query.get('ca-file');
  return {
    storage: {
      kind: 's3',
      region: query.get('region') ?? (endpoint === undefined ? 'us-east-1' : defaults.region),
      bucket: decoded(url.hostname),
      connectTimeoutMs: defaults.connectTimeoutMs,
      silenceMs: defaults.silenceMs,
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(accessKey === undefined ? {} : { accessKey }),
      ...(secretKey === undefined ? {} : { secretKey }),
      ...(forcePathStyle === undefined ? {} : { forcePathStyle }),
      ...(storageClass === undefined ? {} : { storageClass }),
      ...(caFile === null ? {} : { caFile }),
      ...(lock === undefined ? {} : { lock }),
    },
    prefix: path === '' ? '' : value.keyPrefix(path),
  };
}

const ownRules = (query: URLSearchParams) => Object.entries(RULES).filter(([name]) => query.has(name));

/** Naming a rule of its own takes the place of all rules of the primary's. */
function retentionOf(query: URLSearchParams, defaults: RetentionPolicy): RetentionPolicy {
  const own = ownRules(query);
  const policy = own.length === 0 ? { ...defaults } : { ...defaults, ...NONE };
  for (const [name, rule] of own) policy[rule] = ofQuery(name, value.keepCount)(query.get(name) ?? '');
  policy.minBackups = read(query, 'min-backups', value.integer(0)) ?? policy.minBackups;
  return policy;
}

const NONE = { keepLast: 0, keepHourly: 0, keepDaily: 0, keepWeekly: 0, keepMonthly: 0, keepYearly: 0 };

function read<T>(query: URLSearchParams, name: string, parse: value.Parse<T>): T | undefined {
  const text = query.get(name);
  return text === null ? undefined : ofQuery(name, parse)(text);
}

/** A store of backups, to be told apart from others. */
export interface Place {
  readonly variable: string;
  readonly storage: StorageSettings;
  readonly prefix: string;
}

/**
 * A sentence for every two stores that are one, or of which one lies in the other.
 * @param primary the store of S3_* or BACKUP_DIR
 */
export function overlapProblems(primary: Place, copies: readonly Place[]): string[] {
  const all = [primary, ...copies];
  return copies.flatMap((copy, index) =>
    all.slice(0, index + 1).flatMap((other) => {
      const [a, b] = [addressOf(copy), addressOf(other)];
      if (a === b) return [`${copy.variable}: is the very store of ${other.variable}, and no copy of it`];
      if (a.startsWith(b)) return [`${copy.variable}: lies inside the store of ${other.variable}, and goes with it`];
      if (b.startsWith(a)) return [`${copy.variable}: holds the store of ${other.variable}, and goes with it`];
      return [];
    }),
  );
}

/** Where the keys of a store begin, so that what lies below begins with it. */
function addressOf({ storage, prefix }: Place): string {
  if (storage.kind === 'directory') return `${resolveLinks(join(resolve(storage.path), prefix))}/`.replace('//', '/');
  const { endpoint, bucket } = storage;
  return `${storeOf(endpoint)}/${bucket}/${prefix === '' ? '' : `${prefix}/`}`;
}

/** The store's own name: Amazon's has an address in each region, and a bucket's name is there once in all of them. */
function storeOf(endpoint: string | undefined): string {
  if (endpoint === undefined) return 'amazonaws.com';
  const { host, hostname } = new URL(endpoint);
  return /^s3[.-].*amazonaws\.com$/.test(hostname) ? 'amazonaws.com' : host;
}

/** The path as the system sees it, also of what is not there yet. */
function resolveLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path === '/' ? path : join(resolveLinks(dirname(path)), basename(path));
  }
}

/** The lock that an operator asked for, as a variable's text has it. */
export function lockText(lock: Lock): string {
  return lock.mode === 'bucket' ? 'bucket' : `${lock.mode}:${lock.days}d`;
}
