import { type DumpFormat, endingOf, endingsOf, type ObjectCompression } from '../formats.ts';

/** What the name of a dump of one object can end in. `.age` may follow when it is encrypted. */
const ENDINGS = endingsOf('one');
/** The endings of a folder's objects, each of which is plain SQL. */
const PART_ENDINGS = endingsOf('several');

/** The last object of a folder, in name and in time: a folder that has it is whole. */
export const LAST_PART = '9999-post-data';

/** The kinds of backup. A kind other than `backup` is marked by an empty object beside the manifest. */
export const KINDS = ['backup', 'pre-restore'] as const;
export type Kind = (typeof KINDS)[number];

/** The parts of a name below the prefix that say which backup an object belongs to. */
export interface Stem {
  /** The source's name, decoded. */
  readonly source: string;
  /** From the key, to the second. */
  readonly createdAt: Date;
  /** `[prefix/]YYYY/MM/DD/<name>_HHMMSS`: what all objects of one backup share. */
  readonly stem: string;
}

/** What an object is, told from its key alone. */
export type ParsedKey =
  | (Stem & {
      readonly role: 'data';
      readonly format: DumpFormat;
      readonly compression: ObjectCompression;
      readonly encrypted: boolean;
    })
  | (Stem & {
      readonly role: 'part';
      /** Which of the folder's objects it is: `0001-data`. */
      readonly part: string;
      readonly compression: ObjectCompression;
      readonly encrypted: boolean;
    })
  | (Stem & { readonly role: 'globals'; readonly encrypted: boolean })
  | (Stem & { readonly role: 'manifest' })
  | (Stem & { readonly role: 'kind'; readonly kind: Kind })
  | (Stem & { readonly role: 'hold' });

const MANIFEST_SUFFIX = '.json';
/** Retention leaves a backup alone that has such an object beside it. */
const HOLD_SUFFIX = '.hold';
/** What a database needs of its server, beside its dump. */
const GLOBALS = 'globals.sql.gz';

/**
 * A name as it stands in a key: characters other than A–Z a–z 0–9 . _ - are percent-encoded as UTF-8.
 * A name of dots alone is encoded too, for it would be a path segment with a meaning.
 */
export function encodeName(name: string): string {
  const encoded = encodeURIComponent(name).replace(
    /[!'()*~]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
  return /^\.+$/.test(encoded) ? encoded.replaceAll('.', '%2E') : encoded;
}

/** The inverse of encodeName, or undefined for what encodeName would not have written. */
export function decodeName(encoded: string): string | undefined {
  try {
    const name = decodeURIComponent(encoded);
    return name !== '' && encodeName(name) === encoded ? name : undefined;
  } catch {
    return undefined;
  }
}

/** Of a listing, in which the same few names come again and again. */
const decoded = new Map<string, string | undefined>();
const MOST_DECODED = 10_000;

function sourceOf(encoded: string): string | undefined {
  if (!decoded.has(encoded)) {
    if (decoded.size >= MOST_DECODED) decoded.clear();
    decoded.set(encoded, decodeName(encoded));
  }
  return decoded.get(encoded);
}

/** `S3_PREFIX` as it starts a key: empty, or ending in one slash. */
export function normalizePrefix(prefix: string): string {
  const trimmed = prefix.replace(/^\/+|\/+$/g, '');
  return trimmed === '' ? '' : `${trimmed}/`;
}

/** What the keys of one day begin with, UTC: `[prefix/]YYYY/MM/DD/`. */
export function dayPrefix(prefix: string, day: Date): string {
  return `${normalizePrefix(prefix)}${day.toISOString().slice(0, 10).replaceAll('-', '/')}/`;
}

/** What the keys of a source of that day begin with, and perhaps those of one whose name goes on as a time does. */
export function sourceDayPrefix(prefix: string, source: string, day: Date): string {
  return `${dayPrefix(prefix, day)}${encodeName(source)}_`;
}

/** What all objects of one backup share: `[prefix/]YYYY/MM/DD/<name>_HHMMSS`, in UTC. */
export function stemOf(prefix: string, source: string, createdAt: Date): string {
  const [day = '', time = ''] = createdAt.toISOString().split('T');
  return `${normalizePrefix(prefix)}${day.replaceAll('-', '/')}/${encodeName(source)}_${time.slice(0, 8).replaceAll(':', '')}`;
}

/** The name's ending for a format and compression. */
export function extensionOf(format: DumpFormat, compression: ObjectCompression, encrypted: boolean): string {
  return `${endingOf(format, compression)}${encrypted ? '.age' : ''}`;
}

export function dataKey(stem: string, extension: string): string {
  return `${stem}.${extension}`;
}

/** A folder's key, which stands for all of its objects. */
export function folderKey(stem: string): string {
  return `${stem}/`;
}

/** One object of a folder: `<stem>/0001-data.sql.gz`. Sorted by name they restore in order. */
export function partKey(stem: string, part: string, compression: ObjectCompression, encrypted: boolean): string {
  return `${folderKey(stem)}${part}.${extensionOf('folder', compression, encrypted)}`;
}

/** An object's name as the manifest has it: its key, told from where the manifest lies. */
export function nameBesideManifest(stem: string, key: string): string {
  return key.slice(stem.lastIndexOf('/') + 1);
}

export function manifestKey(stem: string): string {
  return `${stem}${MANIFEST_SUFFIX}`;
}

/** The object that keeps retention from a backup. */
export function holdKey(stem: string): string {
  return `${stem}${HOLD_SUFFIX}`;
}

export function globalsKey(stem: string, encrypted: boolean): string {
  return `${stem}.${GLOBALS}${encrypted ? '.age' : ''}`;
}

/** The empty object that lets a listing alone tell a backup's kind; undefined for an ordinary backup. */
export function kindKey(stem: string, kind: Kind): string | undefined {
  return kind === 'backup' ? undefined : `${stem}.${kind}`;
}

/** Of a listing, which has many keys of a day. */
const days = new Map<string, number | undefined>();

/** When a day begins; undefined for one that there is not. */
function dayOf(iso: string): number | undefined {
  if (!days.has(iso)) {
    if (days.size >= MOST_DECODED) days.clear();
    const ms = Date.parse(`${iso}T00:00:00.000Z`);
    // 2026-02-30 is read by Date as 2 March
    days.set(iso, !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(iso) ? ms : undefined);
  }
  return days.get(iso);
}

const SHAPE =
  /^(\d{4})\/(\d{2})\/(\d{2})\/([A-Za-z0-9._%-]+)_(\d{2})(\d{2})(\d{2})(?:\.([a-z0-9.-]+)|\/(\d{4}-[a-z-]+)\.([a-z.]+))$/;

/** Reads a key. Undefined means foreign: not a name that this system writes, never to be touched. */
export function parseKey(prefix: string, key: string): ParsedKey | undefined {
  const start = normalizePrefix(prefix);
  if (!key.startsWith(start)) return undefined;
  const match = SHAPE.exec(key.slice(start.length));
  if (!match) return undefined;
  const [, year, month, day, name = '', hours, minutes, seconds, besides, part, partEnding = ''] = match;
  const suffix = besides ?? `${part}.${partEnding}`;
  const source = sourceOf(name);
  const dayMs = dayOf(`${year}-${month}-${day}`);
  if (source === undefined || dayMs === undefined) return undefined;
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return undefined;
  const createdAt = new Date(dayMs + ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000);
  const base = { source, createdAt, stem: key.slice(0, key.length - suffix.length - 1) };
  if (part !== undefined) return parsePart(base, part, partEnding);
  if (`.${suffix}` === MANIFEST_SUFFIX) return { ...base, role: 'manifest' };
  if (`.${suffix}` === HOLD_SUFFIX) return { ...base, role: 'hold' };
  const kind = KINDS.find((k) => k !== 'backup' && k === suffix);
  if (kind) return { ...base, role: 'kind', kind };
  const encrypted = suffix.endsWith('.age');
  const extension = encrypted ? suffix.slice(0, -'.age'.length) : suffix;
  if (extension === GLOBALS) return { ...base, role: 'globals', encrypted };
  const means = ENDINGS.get(extension);
  return means && { ...base, role: 'data', ...means, encrypted };
}

function parsePart(base: Stem, part: string, ending: string): ParsedKey | undefined {
  const encrypted = ending.endsWith('.age');
  const means = PART_ENDINGS.get(encrypted ? ending.slice(0, -'.age'.length) : ending);
  return means && { ...base, role: 'part', part, compression: means.compression, encrypted };
}
