import { command } from '../terminal/hints.ts';
import type { VARIABLES } from './variables.ts';

type OurName = keyof typeof VARIABLES;

/** What is done about a variable of another program that is set. */
export type Treatment =
  /** Read in place of ours where ours is not set. `whenBoth`: what is done when ours is set to something else. */
  | {
      readonly kind: 'alias';
      readonly ours: OurName;
      readonly whenBoth: 'refuse' | 'warn' | 'ours';
      /** Say so whenever it is read. */
      readonly isTold?: true;
      /** Only where all of these are set, and nothing of ours that they are read as: half a pair of keys is nobody's. */
      readonly together?: readonly string[];
      /** Not where this holds of what is set. */
      readonly except?: (env: Readonly<Record<string, string>>) => boolean;
      readonly convert?: (text: string) => string;
    }
  /** What it stands for would be lost, and its owner believes in it. `unless` ours is set, which does the same. */
  | { readonly kind: 'refuse'; readonly advice: string; readonly unless?: readonly (OurName | 'BACKUP_SOURCE_*')[] }
  | { readonly kind: 'warn'; readonly advice: string; readonly unless?: readonly (OurName | 'BACKUP_SOURCE_*')[] }
  /** Somebody else's by right, and nothing is lost. */
  | { readonly kind: 'pass' };

export interface ForeignName {
  /** In capitals; the whole name, or a pattern of whole names. */
  readonly name: string | RegExp;
  /** Whose it is, as a reader knows it; of what is not built yet nobody's. */
  readonly of?: string;
  /** Only while its value is like this; by default anything but a plain no. */
  readonly when?: RegExp;
  readonly what: Treatment;
}

const PLAIN_NO = /^(false|no|off|0|none|\*\*none\*\*)$/i;
const ANYTHING = /^/;

const LIBPQ = 'libpq';
const AWS = 'the AWS SDKs';
const OFFEN = 'offen/docker-volume-backup';
const PRODRIGESTIVILL = 'prodrigestivill/postgres-backup-local';
const EESHUGERMAN = 'eeshugerman/postgres-backup-s3';
const ITBM = 'itbm/postgres-backup-s3';
const TIREDOFIT = 'tiredofit/db-backup';
const DATABACKER = 'databacker/mysql-backup';

const libpq = (name: string, ours: OurName): ForeignName => ({
  name,
  of: LIBPQ,
  when: ANYTHING,
  what: { kind: 'alias', ours, whenBoth: 'ours' },
});
const sdk = (
  name: string,
  ours: OurName,
  more: Pick<Treatment & { kind: 'alias' }, 'together' | 'except'> = {},
): ForeignName => ({
  name,
  of: AWS,
  when: ANYTHING,
  what: { kind: 'alias', ours, whenBoth: 'ours', ...more },
});
const same = (name: string, of: string, ours: OurName): ForeignName => ({
  name,
  of,
  when: ANYTHING,
  what: { kind: 'alias', ours, whenBoth: 'refuse' },
});
const told = (name: string, of: string, ours: OurName, convert?: (text: string) => string): ForeignName => ({
  name,
  of,
  what: { kind: 'alias', ours, whenBoth: 'warn', isTold: true, ...(convert === undefined ? {} : { convert }) },
});
const retention = (name: string, of: string, ours: OurName): ForeignName => ({
  name,
  of,
  what: { kind: 'warn', advice: `has no effect: here it is ${ours}`, unless: [ours] },
});
const encryption = (name: string | RegExp, of: string): ForeignName => ({
  name,
  of,
  what: {
    kind: 'refuse',
    advice: `encrypts nothing here, and backups would be stored as plain text; set BACKUP_AGE_RECIPIENTS (${command('keygen')} makes a key pair), or remove it`,
    unless: ['BACKUP_AGE_RECIPIENTS'],
  },
});
const allDatabases = (name: string, of: string): ForeignName => ({
  name,
  of,
  what: {
    kind: 'refuse',
    advice:
      "has no effect: one database would be backed up. For all of a server write BACKUP_SOURCE_ALL='postgres://user@host:5432/*'",
    unless: ['BACKUP_SOURCE_*'],
  },
});
const later = (name: string | RegExp, advice: string, when?: RegExp): ForeignName => ({
  name,
  ...(when === undefined ? {} : { when }),
  what: { kind: 'warn', advice: `is not available yet: ${advice}` },
});

const KEY_PAIR = { together: ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'] } as const;
/** The store of this project's compose file, which has a region of its own. */
const isGarage = (env: Readonly<Record<string, string>>) =>
  /^https?:\/\/(garage\b|[^/]*:3900\b)/i.test(env.S3_ENDPOINT ?? '');
const withScheme = (host: string) => (/^https?:\/\//i.test(host) ? host : `https://${host}`);

/**
 * Variables that people have in their `.env` for other programs, the first row that fits decides; and names that are
 * taken by what is not built yet.
 */
export const FOREIGN_NAMES: readonly ForeignName[] = [
  // ---- encryption first: who sets one of these believes that nobody can read the backups
  encryption(/^(BACKUP_)?PASSPHRASE$/, EESHUGERMAN),
  encryption(/^(GPG|PGP)_(PASSPHRASE|PASSWORD|PUBLIC_KEYS?(_RING)?|RECIPIENTS?|KEYS?)$/, OFFEN),
  encryption(/^AGE_(PASSPHRASE|PASSWORD|PUBLIC_KEYS?|RECIPIENTS?|KEYS?)$/, OFFEN),
  encryption(/^(DEFAULT|DB\d*)_ENCRYPT(ION)?(_\w+)?$/, TIREDOFIT),
  encryption(/^DB_DUMP_ENCRYPT\w*$/, DATABACKER),
  encryption(/^ENCRYPT(ION)?_(PASSPHRASE|PASSWORD|PUBLIC_KEYS?|RECIPIENTS?)$/, 'another tool'),

  // ---- the database
  same('POSTGRES_DATABASE', `${EESHUGERMAN}, ${ITBM}`, 'POSTGRES_DB'),
  allDatabases('POSTGRES_BACKUP_ALL', ITBM),
  allDatabases('POSTGRES_CLUSTER', PRODRIGESTIVILL),
  libpq('PGHOST', 'POSTGRES_HOST'),
  libpq('PGPORT', 'POSTGRES_PORT'),
  libpq('PGDATABASE', 'POSTGRES_DB'),
  libpq('PGUSER', 'POSTGRES_USER'),
  libpq('PGPASSWORD', 'POSTGRES_PASSWORD'),
  {
    name: /^PG(SSLCRL|SSLCRLDIR|SSLMINPROTOCOLVERSION|SSLCERTMODE|REQUIRESSL|REQUIREAUTH|CHANNELBINDING|GSSENCMODE)$/,
    of: LIBPQ,
    what: { kind: 'warn', advice: 'has no effect here; PGSSLMODE=verify-full checks the server' },
  },
  {
    name: /^PG(HOSTADDR|SERVICE|SERVICEFILE|PASSFILE|OPTIONS|APPNAME|TZ|DATESTYLE|GEQO|CLIENTENCODING|CONNECT_TIMEOUT|DATA|SYSCONFDIR|LOCALEDIR|TARGETSESSIONATTRS|LOADBALANCEHOSTS|KRBSRVNAME|GSSLIB|GSSDELEGATION|REQUIREPEER|SSLCOMPRESSION|SSLSNI|SSLNEGOTIATION|SSLMAXPROTOCOLVERSION)$/,
    of: LIBPQ,
    what: { kind: 'pass' },
  },
  {
    name: 'POSTGRES_EXTRA_OPTS',
    of: PRODRIGESTIVILL,
    what: {
      kind: 'warn',
      advice: 'has no effect: options of pg_dump are not taken; BACKUP_FORMAT and BACKUP_COMPRESSION choose',
    },
  },
  {
    name: /^MYSQL_(HOST|DATABASE|URL)$/,
    of: 'MySQL and MariaDB',
    what: {
      kind: 'warn',
      advice:
        "has no effect: a MariaDB database is backed up by BACKUP_SOURCE_NAME='mariadb://user@host:3306/database'",
      unless: ['BACKUP_SOURCE_*'],
    },
  },
  {
    name: /^DB\d\d_\w+$/,
    of: TIREDOFIT,
    what: { kind: 'warn', advice: 'has no effect: each database is a line BACKUP_SOURCE_<NAME> here' },
  },
  {
    name: /^DB_DUMP_(?!RETENTION)\w+$/,
    of: DATABACKER,
    what: {
      kind: 'warn',
      advice: 'has no effect: each database is a line BACKUP_SOURCE_<NAME> here, and BACKUP_SCHEDULE says when',
    },
  },
  {
    name: 'BACKUP_SOURCES',
    of: OFFEN,
    what: {
      kind: 'refuse',
      advice: 'has no effect, and nothing of it would be backed up; write BACKUP_SOURCE_FILES=file:///path',
    },
  },

  // ---- the store
  same('S3_ACCESS_KEY_ID', `${EESHUGERMAN}, ${ITBM}`, 'S3_ACCESS_KEY'),
  same('S3_SECRET_ACCESS_KEY', `${EESHUGERMAN}, ${ITBM}`, 'S3_SECRET_KEY'),
  same('S3_KEY_ID', TIREDOFIT, 'S3_ACCESS_KEY'),
  same('S3_KEY_SECRET', TIREDOFIT, 'S3_SECRET_KEY'),
  told('S3_BUCKET_NAME', 'other tools', 'S3_BUCKET'),
  told('S3_PATH', TIREDOFIT, 'S3_PREFIX'),
  { name: /^S3_(S3V4|IAMROLE)$/, of: `${EESHUGERMAN}, ${ITBM}`, what: { kind: 'pass' } },
  sdk('AWS_ACCESS_KEY_ID', 'S3_ACCESS_KEY', KEY_PAIR),
  sdk('AWS_SECRET_ACCESS_KEY', 'S3_SECRET_KEY', KEY_PAIR),
  sdk('AWS_ENDPOINT_URL_S3', 'S3_ENDPOINT'),
  sdk('AWS_ENDPOINT_URL', 'S3_ENDPOINT'),
  told('AWS_ENDPOINT', OFFEN, 'S3_ENDPOINT', withScheme),
  sdk('AWS_REGION', 'S3_REGION', { except: isGarage }),
  sdk('AWS_DEFAULT_REGION', 'S3_REGION', { except: isGarage }),
  told('AWS_S3_BUCKET_NAME', OFFEN, 'S3_BUCKET'),
  told('AWS_S3_PATH', OFFEN, 'S3_PREFIX'),

  // ---- when, how long, whom to tell
  told('SCHEDULE', `${PRODRIGESTIVILL}, ${EESHUGERMAN}`, 'BACKUP_SCHEDULE'),
  told('BACKUP_CRON_EXPRESSION', OFFEN, 'BACKUP_SCHEDULE'),
  retention('BACKUP_KEEP_MINS', PRODRIGESTIVILL, 'RETENTION_KEEP_LAST'),
  retention('BACKUP_KEEP_DAYS', `${PRODRIGESTIVILL}, ${EESHUGERMAN}`, 'RETENTION_KEEP_DAILY'),
  retention('BACKUP_KEEP_WEEKS', PRODRIGESTIVILL, 'RETENTION_KEEP_WEEKLY'),
  retention('BACKUP_KEEP_MONTHS', PRODRIGESTIVILL, 'RETENTION_KEEP_MONTHLY'),
  retention('BACKUP_RETENTION_DAYS', OFFEN, 'RETENTION_KEEP_DAILY'),
  retention('DB_DUMP_RETENTION', DATABACKER, 'RETENTION_KEEP_DAILY'),
  retention('RETENTION', DATABACKER, 'RETENTION_KEEP_DAILY'),
  told('NOTIFICATION_URLS', OFFEN, 'NOTIFY_URL'),

  // ---- taken by what is not built yet
  later(/^PAGE_(PASSWORD|OPEN|TOKEN|PORT)$/, 'there is no page'),
];

/** Whether the row is about this value. */
export function isMeant(row: ForeignName, text: string): boolean {
  return row.when === undefined ? !PLAIN_NO.test(text) : row.when.test(text);
}

/** The row of a name, if it has one. */
export function foreignName(name: string): ForeignName | undefined {
  return FOREIGN_NAMES.find((row) => (typeof row.name === 'string' ? row.name === name : row.name.test(name)));
}

/** Names with one of our prefixes that are no settings of the scripts: the compose file's, and those of its services. */
export const EXCEPTIONS: readonly RegExp[] = [
  /^(GARAGE|MARIADB|COMPOSE|OFELIA|DOCKER|RCLONE)_/,
  // what make passes on of its words
  /^COPY$/,
  /^(BACKUP_ENV_FILE|BACKUP_CONTAINER|BACKUP_IMAGE|UPGRADE_VERSION|UPGRADE_IMAGE|PROXIED_DOCKER_SOCKET|SECRETS_DIR)$/,
  // what Kubernetes and Docker's links add for a service of such a name
  /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)(_\w+)?|ENV_\w+)$/,
];
