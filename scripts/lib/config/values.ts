import { type Compression, type DumpFormat, formatsOf, type ObjectCompression } from '../formats.ts';
import { parseBytes, parseDurationMs } from '../quantities.ts';
import type { Lock } from '../storages/storage.ts';
import { parseSchedule, type Schedule } from './schedule.ts';

/** How a variable's text becomes a value. A parser throws an Error that says what it wanted. */
export type Parse<T> = (text: string) => T;

export const text: Parse<string> = (value) => value;

export const integer =
  (minimum: number, maximum = Number.MAX_SAFE_INTEGER): Parse<number> =>
  (value) => {
    const number = Number(value);
    if (!/^-?\d+$/.test(value) || number < minimum || number > maximum) {
      const range = maximum === Number.MAX_SAFE_INTEGER ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
      throw new Error(`wants a whole number ${range}`);
    }
    return number;
  };

/** A count of backups to keep; -1 or `unlimited` keeps all of them, as restic has it. */
export const keepCount: Parse<number> = (value) => {
  if (value === 'unlimited' || value === '-1') return -1;
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(Number(value)))
    throw new Error('wants a whole number, 0 for none, or unlimited');
  return Number(value);
};

export const flag: Parse<boolean> = (value) => {
  if (/^(true|yes|on|1)$/i.test(value)) return true;
  if (/^(false|no|off|0)$/i.test(value)) return false;
  throw new Error('wants true or false');
};

// setTimeout cannot count further, and no run should take so long
const LONGEST_MS = 24 * 86_400_000;

export const durationMs: Parse<number> = (value) => {
  const ms = parseDurationMs(value);
  if (ms === undefined) throw new Error('wants a duration such as 90s, 30m, 26h or 7d');
  return ms;
};

export const timeoutMs: Parse<number> = (value) => {
  const ms = durationMs(value);
  if (ms > LONGEST_MS) throw new Error('is longer than 24d');
  return ms;
};

export const schedule: Parse<Schedule> = (value) => parseSchedule(value);

/** Of what may as well run elsewhere, or never. */
export const scheduleOrOff: Parse<Schedule | 'off'> = (value) => (value === 'off' ? value : parseSchedule(value));

/** A time zone as the IANA data base and node name it. */
export const timeZone: Parse<string> = (value) => {
  const name = value.replace(/^:/, '');
  // what knows all others takes a while to load
  if (name === 'UTC') return name;
  let known: string;
  try {
    known = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    throw new Error('wants the name of a time zone such as Europe/Berlin or UTC');
  }
  // node takes every case, and Ofelia looks for a file of that name: without one its clock is UTC
  if (known !== name && known.toLowerCase() === name.toLowerCase()) throw new Error(`is written ${known}`);
  if (!/^[A-Z]/.test(name)) throw new Error('begins with a capital letter in the time zones of Ofelia: Europe/Berlin');
  return name;
};

/** As the store spells it: STANDARD_IA, GLACIER_IR; others than Amazon have names of their own. */
export const storageClass: Parse<string> = (value) => {
  if (!/^[A-Z][A-Z0-9_-]*$/.test(value)) throw new Error('wants a storage class in capitals, such as STANDARD_IA');
  if (/^(GLACIER|DEEP_ARCHIVE)$/.test(value))
    throw new Error(
      'is an archive: nothing in it can be read before it is thawed, so no backup could be drilled or restored',
    );
  return value;
};

/** S3_LOCK: for how long what is stored may not be deleted, or that the bucket says so itself. */
export const lock: Parse<Lock> = (value) => {
  if (value === 'bucket') return { mode: 'bucket' };
  const [, mode, duration = ''] = /^(compliance|governance):(.+)$/.exec(value) ?? [];
  const days = (parseDurationMs(duration) ?? 0) / 86_400_000;
  if (mode === undefined || !Number.isInteger(days) || days < 1 || days > 36_500)
    throw new Error('wants compliance:30d or governance:30d, in whole days, or bucket');
  return { mode: mode as 'compliance' | 'governance', days };
};

export const oneOf =
  <const T extends string>(...choices: readonly T[]): Parse<T> =>
  (value) => {
    const choice = choices.find((c) => c === value);
    if (choice === undefined) throw new Error(`wants one of ${choices.join(', ')}`);
    return choice;
  };

/** A format that databases are dumped in. */
export const databaseFormat: Parse<DumpFormat> = (value) =>
  oneOf(...new Set([...formatsOf('postgres'), ...formatsOf('mariadb')]))(value);

export const httpUrl: Parse<string> = (value) => {
  if (!URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol))
    throw new Error('wants an http:// or https:// URL');
  const { username, password, search, hash } = new URL(value);
  if (username !== '' || password !== '')
    throw new Error('holds keys, which would be shown; they have variables of their own');
  if (search !== '' || hash !== '') throw new Error('holds a ? or #, which has no effect in the address of a store');
  return value.replace(/\/+$/, '');
};

/** The name of a bucket alone: with a slash in it, objects would be put below a part of it, in another bucket. */
export const bucketName: Parse<string> = (value) => {
  if (!/^[^\s/\\?#%:@]+$/.test(value))
    throw new Error('wants the name of the bucket alone; what comes before the keys in it goes into S3_PREFIX');
  return value;
};

/** A folder of the file system, which no shell reads. */
export const folder: Parse<string> = (value) => {
  const scheme = /^(\w+):\/\//.exec(value)?.[1];
  if (scheme === 's3') throw new Error('is a bucket; name it by S3_BUCKET and S3_PREFIX, and remove this');
  if (scheme !== undefined) throw new Error('is a URL; write the path alone, such as /mnt/backups');
  if (/^~(\/|$)/.test(value)) throw new Error('begins with ~, which only a shell reads; write the whole path');
  if (/^\s|\s$/.test(value)) throw new Error('begins or ends with a space or a line break');
  return value;
};

/** What comes before every key; `..` would climb out of a directory storage. */
export const keyPrefix: Parse<string> = (value) => {
  // what no eye sees makes another place of it, in which none of the backups are found
  if (/^\s|\s$|\p{Cc}/u.test(value)) throw new Error('begins or ends with a space, or holds a line break or the like');
  const segments = value.replace(/^\/+|\/+$/g, '').split('/');
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
    throw new Error('wants a path such as prod/app, without empty, . or .. parts');
  }
  return segments.join('/');
};

/** Bytes a second. */
export const byteRate: Parse<number> = (value) => {
  const bytes = parseBytes(value);
  if (bytes === undefined || bytes < 1_024)
    throw new Error('wants bytes a second such as 500K, 20M or 1G, at least 1K');
  return bytes;
};

/** How long the log may wait for the store while there is much of it. */
export const logInterval: Parse<number> = (value) => {
  const ms = durationMs(value);
  if (ms < 1_000 || ms > 3_600_000) throw new Error('wants a duration from 1s to 1h');
  return ms;
};

/** How much log a server may keep for us. */
export const slotLimit: Parse<number> = (value) => {
  const bytes = parseBytes(value);
  if (bytes === undefined || bytes < 64 * 2 ** 20) throw new Error('wants bytes such as 500M or 10G, at least 64M');
  return bytes;
};

/** A number of parallel streams, or `auto`: by the machine's cores and the source's size. */
export const jobs: Parse<number | 'auto'> = (value) => {
  if (value === 'auto') return value;
  const count = Number(value);
  if (!/^\d+$/.test(value) || count < 1 || count > 64) throw new Error('wants a whole number from 1 to 64, or auto');
  return count;
};

const LEVELS = { gzip: [0, 9], zstd: [1, 19], none: [0, 0] } as const satisfies Record<
  ObjectCompression,
  [number, number]
>;

export const compression: Parse<Compression> = (value) => {
  if (value === 'auto') return { method: 'gzip', isAuto: true };
  const match = /^(gzip|zstd|none)(?::(\d+))?$/.exec(value);
  const method = match?.[1] as ObjectCompression | undefined;
  if (!method) throw new Error('wants gzip, zstd or none, with an optional level such as zstd:3, or auto');
  if (match?.[2] === undefined) return { method };
  const level = Number(match[2]);
  const [lowest, highest] = LEVELS[method];
  if (method === 'none' || level < lowest || level > highest) {
    throw new Error(method === 'none' ? 'none takes no level' : `${method} takes levels ${lowest} to ${highest}`);
  }
  return { method, level };
};

/** As compression; a base is so large that what fits is not chosen for it. */
export const baseCompression: Parse<Compression> = (value) => {
  if (value === 'auto') throw new Error('wants gzip, zstd or none, with an optional level such as zstd:3');
  return compression(value);
};

/**
 * Public keys to encrypt to: age's own, or SSH's; one a line, or with commas between them.
 * https://github.com/FiloSottile/age#recipients
 */
export const ageRecipients: Parse<readonly string[]> = (value) => {
  const keys = value
    .split(/[,\n]/)
    .map((key) => key.trim())
    .filter((key) => key !== '' && !key.startsWith('#'));
  for (const key of keys) {
    const isKey = /^age1[ac-hj-np-z02-9]{58}$/.test(key) || /^ssh-(ed25519|rsa) [A-Za-z0-9+/=]+( .*)?$/.test(key);
    if (isKey) continue;
    const isSecret = /^AGE-SECRET-KEY-/i.test(key);
    throw new Error(
      isSecret
        ? 'holds an identity, which is secret; it wants the public key that belongs to it (age1…)'
        : `${JSON.stringify(key.slice(0, 20))}… is no age public key (age1…) and no SSH public key (ssh-ed25519 …, ssh-rsa …)`,
    );
  }
  if (keys.length === 0) throw new Error('holds no public key');
  return keys;
};

/** Identities as age-keygen writes them, or an SSH private key. */
export const ageIdentity: Parse<string> = (text) => {
  // a file that an editor on Windows wrote, handed on by a shell
  const value = text.replace(/^\uFEFF/, '');
  if (/^AGE-SECRET-KEY-1[0-9A-Z]+\s*$/m.test(value) || value.includes('PRIVATE KEY-----')) return value;
  throw new Error('wants an age identity (AGE-SECRET-KEY-1…) or an SSH private key');
};
