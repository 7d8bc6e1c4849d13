import type { RetentionPolicy } from '../repository/retention.ts';
import type { StorageSettings } from '../storages/index.ts';
import { SESSION_TOKEN, type Settings } from './settings.ts';
import type { Values } from './variables.ts';

/** RETENTION_*. */
export function retentionOf(values: Values): RetentionPolicy {
  return {
    keepLast: values.RETENTION_KEEP_LAST,
    keepHourly: values.RETENTION_KEEP_HOURLY,
    keepDaily: values.RETENTION_KEEP_DAILY,
    keepWeekly: values.RETENTION_KEEP_WEEKLY,
    keepMonthly: values.RETENTION_KEEP_MONTHLY,
    keepYearly: values.RETENTION_KEEP_YEARLY,
    minBackups: values.RETENTION_MIN_BACKUPS,
    protectDays: values.RESTORE_PROTECT_DAYS,
  };
}

/** The store that backups are written to: S3_*, or BACKUP_DIR. */
export function storageSettings(values: Values, env: Settings['env'], origins: Settings['origins']): StorageSettings {
  if (values.BACKUP_DIR !== undefined) return { kind: 'directory', path: values.BACKUP_DIR };
  const sessionToken = origins.get('S3_ACCESS_KEY')?.where.startsWith('AWS_') ? env[SESSION_TOKEN] : undefined;
  return {
    kind: 's3',
    region: values.S3_REGION,
    connectTimeoutMs: values.CONNECT_TIMEOUT,
    silenceMs: values.STORAGE_TIMEOUT,
    bucket: values.S3_BUCKET,
    ...(values.S3_ENDPOINT === undefined ? {} : { endpoint: values.S3_ENDPOINT }),
    ...(values.S3_CA_FILE === undefined ? {} : { caFile: values.S3_CA_FILE }),
    ...(values.S3_ACCESS_KEY === undefined ? {} : { accessKey: values.S3_ACCESS_KEY }),
    ...(values.S3_SECRET_KEY === undefined ? {} : { secretKey: values.S3_SECRET_KEY }),
    ...(sessionToken === undefined ? {} : { sessionToken }),
    ...(values.S3_FORCE_PATH_STYLE === undefined ? {} : { forcePathStyle: values.S3_FORCE_PATH_STYLE }),
    ...(values.S3_STORAGE_CLASS === undefined ? {} : { storageClass: values.S3_STORAGE_CLASS }),
    ...(values.S3_LOCK === undefined ? {} : { lock: values.S3_LOCK }),
  };
}

/** With the bucket in the address as well, objects would be put below a name of its own, and never be found again. */
export function endpointProblems({ S3_ENDPOINT, S3_BUCKET, BACKUP_DIR }: Values): string[] {
  if (S3_ENDPOINT === undefined || BACKUP_DIR !== undefined) return [];
  const { hostname, pathname } = new URL(S3_ENDPOINT);
  if (!hostname.startsWith(`${S3_BUCKET}.`) && pathname !== `/${S3_BUCKET}`) return [];
  return [
    `S3_ENDPOINT ${JSON.stringify(S3_ENDPOINT)}: holds the bucket, which is named by S3_BUCKET alone; leave ${S3_BUCKET} out of the address`,
  ];
}
