import { distance } from 'fastest-levenshtein';
import { isOfCopy } from './copies.ts';
import { EXCEPTIONS, FOREIGN_NAMES, foreignName } from './foreign-names.ts';
import { VARIABLES } from './variables.ts';

/** Up to this many wrong, missing or extra letters are a typing error. */
const SLIP = 2;

const PREFIXES =
  /^(BACKUP|RETENTION|DRILL|RESTORE|S3|RPO|RTO|NOTIFY|HEARTBEAT|CLEANUP|COPY|PITR|BASE|VERIFY|PAGE)(_|$)|^[A-Z0-9]+_TIMEOUT$/;
/** Prefixes that others use by right as well: only what is near one of ours is told of. */
const SHARED = /^(POSTGRES_|PGSSL|PG_SSL|PGSS)/;
/** Nobody else's names begin so: such a one with a slip in its first word is recognised too. */
const UNMISTAKABLE = /^(BACKUP|RETENTION|DRILL|RESTORE|HEARTBEAT|NOTIFY|CLEANUP)_|^(STORAGE|CONNECT|BLOCKING)_TIMEOUT$/;
const SOURCE_PREFIX = 'BACKUP_SOURCE_';
const SERVER_PREFIX = 'PITR_SERVER_';
const SOURCE_URL = /^(postgres|postgresql|mysql|mariadb|file):\/\//i;
/** Words of a setting whose owner believes that backups are encrypted. */
const ENCRYPTS = /(^|_)(AGE|GPG|PGP|SSE|KMS|CIPHER|RECIPIENTS?|PASSPHRASE|\w*CRYPT\w*)(_|$)/;

const OURS = [
  ...Object.keys(VARIABLES),
  // those of others that are read in their place
  ...FOREIGN_NAMES.flatMap(({ name, what }) => (what.kind === 'alias' && typeof name === 'string' ? [name] : [])),
];
const isOurs = (name: string) =>
  Object.hasOwn(VARIABLES, name) || name.startsWith(SOURCE_PREFIX) || name.startsWith(SERVER_PREFIX) || isOfCopy(name);

/**
 * Judges every name that has one of our prefixes, or nearly one, and is none of ours: a variable that nobody reads is
 * a setting that its owner believes in.
 *
 * @param env what is set, by name
 * @returns the problems to refuse, and the names to warn of
 */
export function judgeUnknownNames(env: Readonly<Record<string, string>>): { problems: string[]; unknown: string[] } {
  const ignored = new Set((env.BACKUP_IGNORE_VARIABLES ?? '').split(/[\s,]+/));
  const problems: string[] = [];
  const unknown: string[] = [];
  for (const [written, text] of Object.entries(env)) {
    if (ignored.has(written) || written.startsWith(SOURCE_PREFIX)) continue;
    const name = written.toUpperCase().replaceAll('-', '_');
    const base = name.replace(/_FILE$/, '');
    if (written === name && (isOurs(name) || isOurs(base) || foreignName(name) || foreignName(base))) continue;
    if (EXCEPTIONS.some((exception) => exception.test(name))) continue;
    const near = nearest(base);
    if (near !== undefined) {
      problems.push(`${written} is no variable of this program; is ${near} meant?`);
    } else if (PREFIXES.test(name) && SOURCE_URL.test(text)) {
      problems.push(
        `${written} holds the URL of a source and is no variable of this program; is ${SOURCE_PREFIX}<NAME> meant?`,
      );
    } else if (PREFIXES.test(name) && ENCRYPTS.test(name) && env.BACKUP_AGE_RECIPIENTS === undefined) {
      problems.push(
        `${written} is no variable of this program and encrypts nothing; set BACKUP_AGE_RECIPIENTS, or remove it`,
      );
    } else if (PREFIXES.test(name)) {
      unknown.push(written);
    }
  }
  return { problems, unknown };
}

/** The name of ours that was meant, if it is clear. */
function nearest(name: string): string | undefined {
  if (isOurs(name)) return name;
  const family = nearSource(name);
  if (family !== undefined) return family;
  const isOne = PREFIXES.test(name) || SHARED.test(name);
  const candidates = OURS.filter(
    (ours) => (isOne || UNMISTAKABLE.test(ours)) && isSlip(name, ours) && !isNumbered(name, ours),
  );
  return candidates.sort((a, b) => distance(name, a) - distance(name, b))[0];
}

function isSlip(name: string, ours: string): boolean {
  // in a short word two letters make another word: TZ, LOCK_TIMEOUT and CLOCK_TIMEOUT
  const allowed = ours.replace(/_TIMEOUT$/, '').length < 6 ? 1 : SLIP;
  return Math.abs(name.length - ours.length) <= allowed && distance(name, ours) <= allowed;
}

/** POSTGRES_DB2 and S3_BUCKET_2 are the second of something, not a slip. */
function isNumbered(name: string, ours: string): boolean {
  return name !== ours && name.replace(/_?\d+$/, '') === ours;
}

/** BACKUP_SOURCES_APP, BACKUPSOURCE_APP, BAKCUP_SOURCE_APP: the beginning is what has the slip. */
function nearSource(name: string): string | undefined {
  for (let length = SOURCE_PREFIX.length - SLIP; length <= SOURCE_PREFIX.length + SLIP; length += 1) {
    const head = name.slice(0, length);
    const rest = name.slice(length);
    if (rest === '' || !head.endsWith('_') || distance(head, SOURCE_PREFIX) > SLIP) continue;
    return `${SOURCE_PREFIX}${rest}`;
  }
  return undefined;
}
