import { parseNotifyUrls } from '../notify/channels/index.ts';
import { parseHeartbeatUrl } from '../notify/heartbeat.ts';
import { isKeyOfCopy } from './copies.ts';
import * as value from './values.ts';

/** How a variable is read. */
export interface Variable<T> {
  readonly parse: value.Parse<T>;
  /** As it would stand in .env; without one the variable is optional. */
  readonly default?: string;
  /** Read from `<NAME>_FILE` too, and never printed. */
  readonly secret?: true;
  /** No secret, but what it holds by mistake may be one: a wrong value is not printed. */
  readonly discreet?: true;
}

const required = <T>(parse: value.Parse<T>, defaultText: string) => ({ parse, default: defaultText });
const optional = <T>(parse: value.Parse<T>) => ({ parse });
const discreet = <T>(parse: value.Parse<T>) => ({ parse, discreet: true as const });
const secretOf = <T>(parse: value.Parse<T>) => ({ parse, secret: true as const });
const secret = () => secretOf(value.text);

/** Every variable there is, except BACKUP_SOURCE_*, PITR_SERVER_* and COPY_<NAME>. .env.example says what each means. */
export const VARIABLES = {
  POSTGRES_VERSION: required(value.integer(10, 99), '18'),
  POSTGRES_IMAGE: optional(value.text),
  POSTGRES_HOST: required(value.text, 'postgres'),
  POSTGRES_PORT: required(value.integer(1, 65_535), '5432'),
  POSTGRES_DB: required(value.text, 'myapp'),
  POSTGRES_USER: required(value.text, 'postgres'),
  POSTGRES_PASSWORD: secret(),
  PGSSLMODE: required(value.oneOf('disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'), 'prefer'),
  PGSSLROOTCERT: optional(value.text),
  PGSSLCERT: optional(value.text),
  PGSSLKEY: optional(value.text),
  BACKUP_SCHEDULE: required(value.schedule, '@hourly'),
  CLEANUP_SCHEDULE: required(value.scheduleOrOff, '0 0 1 * * *'),
  DRILL_SCHEDULE: required(value.scheduleOrOff, '0 0 4 * * 0'),
  COPY_SCHEDULE: required(value.scheduleOrOff, '0 20 * * * *'),
  VERIFY_SCHEDULE: required(value.scheduleOrOff, '0 0 5 * * 6'),
  S3_ENDPOINT: optional(value.httpUrl),
  S3_REGION: required(value.text, 'garage'),
  S3_BUCKET: required(value.bucketName, 'backups'),
  S3_PREFIX: optional(value.keyPrefix),
  S3_ACCESS_KEY: secret(),
  S3_SECRET_KEY: secret(),
  S3_CA_FILE: optional(value.text),
  S3_FORCE_PATH_STYLE: optional(value.flag),
  S3_STORAGE_CLASS: optional(value.storageClass),
  S3_LOCK: optional(value.lock),
  BACKUP_DIR: optional(value.folder),
  RETENTION_KEEP_LAST: required(value.keepCount, '3'),
  RETENTION_KEEP_HOURLY: required(value.keepCount, '24'),
  RETENTION_KEEP_DAILY: required(value.keepCount, '7'),
  RETENTION_KEEP_WEEKLY: required(value.keepCount, '4'),
  RETENTION_KEEP_MONTHLY: required(value.keepCount, '6'),
  RETENTION_KEEP_YEARLY: required(value.keepCount, '2'),
  RETENTION_MIN_BACKUPS: required(value.integer(0), '1'),
  RETENTION_DRY_RUN: required(value.flag, 'false'),
  BACKUP_FORMAT: required(value.databaseFormat, 'sql'),
  BACKUP_EXCLUDE_TABLE: optional(value.text),
  BACKUP_EXCLUDE_TABLE_DATA: optional(value.text),
  BACKUP_EXCLUDE_SCHEMA: optional(value.text),
  BACKUP_COMPRESSION: required(value.compression, 'gzip'),
  BACKUP_JOBS: required(value.jobs, '1'),
  BACKUP_PARALLEL_SOURCES: required(value.integer(1, 64), '1'),
  BACKUP_TIMEOUT: required(value.timeoutMs, '6h'),
  RESTORE_TIMEOUT: required(value.timeoutMs, '24h'),
  LOOK_TIMEOUT: required(value.timeoutMs, '8h'),
  CONNECT_TIMEOUT: required(value.timeoutMs, '15s'),
  STORAGE_TIMEOUT: required(value.timeoutMs, '2m'),
  LOCK_TIMEOUT: required(value.timeoutMs, '30m'),
  BLOCKING_TIMEOUT: required(value.timeoutMs, '30s'),
  BACKUP_NICE: required(value.integer(0, 19), '0'),
  BACKUP_MAX_RATE: optional(value.byteRate),
  BACKUP_ON_START: required(value.flag, 'false'),
  BACKUP_AGE_RECIPIENTS: discreet(value.ageRecipients),
  BACKUP_AGE_IDENTITY: secretOf(value.ageIdentity),
  BACKUP_MANIFEST_PRIVATE: required(value.flag, 'false'),
  PITR: required(value.flag, 'false'),
  PITR_INTERVAL: required(value.logInterval, '5s'),
  PITR_WINDOW: required(value.durationMs, '7d'),
  PITR_RPO_TARGET: required(value.durationMs, '1m'),
  PITR_SLOT_LIMIT: required(value.slotLimit, '10G'),
  PITR_SYNCHRONOUS: required(value.flag, 'false'),
  BASE_SCHEDULE: required(value.scheduleOrOff, '0 0 2 * * *'),
  BASE_COMPRESSION: required(value.baseCompression, 'zstd'),
  RPO_TARGET: optional(value.durationMs),
  RTO_TARGET: required(value.durationMs, '1h'),
  DRILL_CHECKS: required(value.text, 'drill-checks'),
  DRILL_DIR: optional(value.text),
  DRILL_SERVER_URL: secret(),
  DRILL_MAX_AGE: required(value.durationMs, '8d'),
  RESTORE_TARGET_PASSWORD: secret(),
  RESTORE_PROTECT_DAYS: required(value.integer(0, 36_500), '7'),
  HEARTBEAT_URL: secretOf(parseHeartbeatUrl),
  NOTIFY_URL: secretOf(parseNotifyUrls),
  NOTIFY_ON: required(value.oneOf('failure', 'always'), 'failure'),
  TZ: required(value.timeZone, 'UTC'),
  BACKUP_IGNORE_VARIABLES: optional(value.text),
  LOG_FORMAT: required(value.oneOf('text', 'json'), 'text'),
} as const satisfies Record<string, Variable<unknown>>;

type Name = keyof typeof VARIABLES;
type ValueOf<V> = V extends { parse: value.Parse<infer T> }
  ? V extends { default: string }
    ? T
    : T | undefined
  : never;
/** The variables' values, by their names. */
export type Values = { readonly [N in Name]: ValueOf<(typeof VARIABLES)[N]> };

/** Whether a variable's value is never to be printed, and may be read from `<NAME>_FILE`. */
export function isSecret(name: string): boolean {
  if (/^(BACKUP_SOURCE|PITR_SERVER)_.+_PASSWORD$/.test(name) || isKeyOfCopy(name)) return true;
  const variable: Variable<unknown> | undefined = Object.hasOwn(VARIABLES, name) ? VARIABLES[name as Name] : undefined;
  return variable?.secret === true;
}

/** Whether a variable of ours has a value that holds no secret: of addresses of databases and of other stores, a part may be one. */
export function isOpen(name: string): boolean {
  return Object.hasOwn(VARIABLES, name) && !isSecret(name);
}
