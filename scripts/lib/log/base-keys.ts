import { decodeName, encodeName, normalizePrefix, stemOf } from '../repository/object-key.ts';
import type { LogCompression } from './keys.ts';

/** A base in the listing. */
interface OfBase {
  /** `[prefix/]base/YYYY/MM/DD/<server>_HHMMSS`: what all objects of one base share. */
  readonly stem: string;
  readonly server: string;
  /** From the key, to the second: when the base was begun. */
  readonly createdAt: Date;
}

/** What an object of a base is, told from its key alone. */
export type BaseObject =
  | (OfBase & { readonly role: 'manifest' })
  /** `tablespace` is absent for the only archive of a base, else `base` or the tablespace's OID. */
  | (OfBase & {
      readonly role: 'archive';
      readonly tablespace?: string;
      readonly compression: LogCompression;
      readonly encrypted: boolean;
    });

const ENDINGS = { zstd: 'tar.zst', gzip: 'tar.gz', none: 'tar' } as const satisfies Record<LogCompression, string>;

/** What the keys of all bases begin with: `[prefix/]base/`. */
export const basePrefix = (prefix: string): string => `${normalizePrefix(prefix)}base/`;

/** What all objects of one base share. */
export function baseStem(prefix: string, server: string, createdAt: Date): string {
  return stemOf(basePrefix(prefix).slice(0, -1), server, createdAt);
}

/** Written last, deleted first: a base without one is none. */
export const baseManifestKey = (stem: string): string => `${stem}.json`;

/** One archive of a base: the only one, or one of several, which lie in a folder of the base's name. */
export function baseArchiveKey(
  stem: string,
  archive: { tablespace?: string; compression: LogCompression; encrypted: boolean },
): string {
  const ending = `${ENDINGS[archive.compression]}${archive.encrypted ? '.age' : ''}`;
  return archive.tablespace === undefined ? `${stem}.${ending}` : `${stem}/${archive.tablespace}.${ending}`;
}

const SHAPE =
  /^(\d{4})\/(\d{2})\/(\d{2})\/([A-Za-z0-9._%-]+)_(\d{2})(\d{2})(\d{2})(?:\.json|(?:\/(base|[1-9]\d{0,9}))?\.tar(\.zst|\.gz)?(\.age)?)$/;

/** Reads a key. Undefined means foreign: never to be touched. */
export function parseBaseKey(prefix: string, key: string): BaseObject | undefined {
  const start = basePrefix(prefix);
  const match = key.startsWith(start) ? SHAPE.exec(key.slice(start.length)) : null;
  if (!match) return undefined;
  const [, year, month, day, name = '', hours, minutes, seconds, tablespace, packed, sealed] = match;
  const server = decodeName(name);
  const iso = `${year}-${month}-${day}T${hours}:${minutes}:${seconds}.000Z`;
  const createdAt = new Date(iso);
  if (server === undefined || Number.isNaN(createdAt.getTime()) || createdAt.toISOString() !== iso) return undefined;
  const stem = `${start}${year}/${month}/${day}/${encodeName(server)}_${hours}${minutes}${seconds}`;
  const base = { stem, server, createdAt };
  if (key === baseManifestKey(stem)) return { ...base, role: 'manifest' };
  const compression: LogCompression = packed === '.zst' ? 'zstd' : packed === '.gz' ? 'gzip' : 'none';
  return {
    ...base,
    role: 'archive',
    compression,
    encrypted: sealed !== undefined,
    ...(tablespace === undefined ? {} : { tablespace }),
  };
}
