import { createHash } from 'node:crypto';
import { decodeName, encodeName, normalizePrefix } from '../repository/object-key.ts';
import { isSegmentSize, type Lsn, timelineText } from './lsn.ts';
import { formatStamp, parseStamp } from './stamp.ts';

/** How an object of the log is compressed. One that is empty is not. */
export type LogCompression = 'zstd' | 'gzip' | 'none';

const ENDINGS = { zstd: '.zst', gzip: '.gz', none: '' } as const satisfies Record<LogCompression, string>;

/** Why a chain was begun, as its first object tells: what its server's log had before is not continued by it. */
export const CAUSES = {
  first: 'the log was not taken before',
  'slot-missing': 'the replication slot was no longer there',
  'slot-lost': 'the server had removed log that was not stored yet (max_slot_wal_keep_size)',
  'slot-limit': 'the slot was given up, because the server kept more than PITR_SLOT_LIMIT for it',
  system: 'the server was replaced by another one, or recreated',
  'set-back': 'the server was set back to an earlier state',
  history: 'the server went on from an earlier moment: another timeline',
  mixed:
    'what is stored is not what the server has: it was set back to an earlier state, or another one is a copy of it',
} as const;
export type ChainCause = keyof typeof CAUSES;

/** An unbroken stretch of one server's log. */
export interface ChainId {
  /** `20261127T092000Z-7446112233445566778`: as it stands in keys. */
  readonly chain: string;
  readonly begunAt: Date;
  readonly systemIdentifier: string;
}

/** Names a chain. `begunAt` counts to the second. */
export function newChain(begunAt: Date, systemIdentifier: string): ChainId {
  return parseChain(`${formatStamp(begunAt)}-${systemIdentifier}`) as ChainId;
}

/** Reads a chain's name; undefined for anything else. */
export function parseChain(chain: string): ChainId | undefined {
  const match = /^(\d{8}T\d{6}Z)-(\d{1,20})$/.exec(chain);
  const begunAt = match?.[1] === undefined ? undefined : parseStamp(match[1]);
  return begunAt && { chain, begunAt, systemIdentifier: match?.[2] as string };
}

/**
 * The replication slot that holds a chain's place on the server. The name carries the chain, so that the server itself knows it:
 * `cdb_1a2b3c4d_20261127t092000z`. Two repositories of one server have different slots.
 */
export function slotName(prefix: string, server: string, chain: ChainId): string {
  return `${slotFamily(prefix, server)}${formatStamp(chain.begunAt).toLowerCase()}`;
}

/** What the names of all slots of a server's log in this repository begin with. */
export function slotFamily(prefix: string, server: string): string {
  return `cdb_${createHash('sha256').update(`${prefix}\0${server}`).digest('hex').slice(0, 8)}_`;
}

/** The chain that a slot of the family holds the place of. */
export function chainOfSlot(slot: string, family: string, systemIdentifier: string): ChainId | undefined {
  return slot.startsWith(family)
    ? parseChain(`${slot.slice(family.length).toUpperCase()}-${systemIdentifier}`)
    : undefined;
}

interface OfChain {
  readonly server: string;
  readonly chain: string;
}

/** What every object with a place in the log has. */
interface Placed extends OfChain {
  /** The segment's name: 24 hexadecimal digits. */
  readonly segment: string;
  /** Everything that the server had committed before this moment, by its clock, lies at or before the object's last byte. */
  readonly at: Date;
}

interface Stored {
  readonly compression: LogCompression;
  readonly encrypted: boolean;
}

/** What an object of the log is, told from its key alone. Offsets are bytes in the segment, `end` exclusive. */
export type LogObject =
  | (Placed & Stored & { readonly kind: 'segment' })
  | (Placed & Stored & { readonly kind: 'part'; readonly start: number; readonly end: number; readonly twin?: string })
  /** Nothing is newer than this place: the server was idle. */
  | (Placed & { readonly kind: 'heartbeat'; readonly start: number })
  | (OfChain & { readonly kind: 'history'; readonly timeline: number })
  /** A name that an operator gave to a place. */
  | (OfChain & { readonly kind: 'mark'; readonly name: string; readonly lsn: Lsn; readonly at: Date })
  /** The first object of a chain: why it was begun, and how large the server's segments are. */
  | (OfChain & { readonly kind: 'begun'; readonly cause: ChainCause; readonly segmentBytes: number });

/** What the keys of the whole log begin with: `[prefix/]wal/`. */
export const logPrefix = (prefix: string): string => `${normalizePrefix(prefix)}wal/`;
/** What the keys of one server's log begin with. */
export const serverPrefix = (prefix: string, server: string): string => `${logPrefix(prefix)}${encodeName(server)}/`;
/** What the keys of one chain begin with. */
export const chainPrefix = (prefix: string, { server, chain }: OfChain): string =>
  `${serverPrefix(prefix, server)}${chain}/`;

const hex16 = (lsn: Lsn) => lsn.toString(16).toUpperCase().padStart(16, '0');
const offset = (value: number) => value.toString(16).toUpperCase().padStart(8, '0');
const stored = ({ compression, encrypted }: Stored) => `${ENDINGS[compression]}${encrypted ? '.age' : ''}`;

/** An object's key. */
export function logKey(prefix: string, object: LogObject): string {
  const folder = chainPrefix(prefix, object);
  switch (object.kind) {
    case 'segment':
      return `${folder}${object.segment}_${formatStamp(object.at)}${stored(object)}`;
    case 'part': {
      const twin = object.twin === undefined ? '' : `-${object.twin}`;
      const { segment, start, end, at } = object;
      return `${folder}${segment}/${offset(start)}-${offset(end)}_${formatStamp(at)}${twin}${stored(object)}`;
    }
    case 'heartbeat':
      return `${folder}${object.segment}/${offset(object.start)}-${offset(object.start)}_${formatStamp(object.at)}`;
    case 'history':
      return `${folder}${timelineText(object.timeline)}.history`;
    case 'mark':
      return `${folder}marks/${encodeName(object.name)}_${hex16(object.lsn)}_${formatStamp(object.at)}`;
    case 'begun':
      return `${folder}begun-${object.cause}_${object.segmentBytes / MEBIBYTE}M`;
  }
}

const MEBIBYTE = 2 ** 20;

const FOLDER = /^([A-Za-z0-9._%-]+)\/(\d{8}T\d{6}Z-\d{1,20})\/$/;
const IN_CHAIN =
  /^(?:([0-9A-F]{24})(?:\/([0-9A-F]{8})-([0-9A-F]{8}))?_(\d{8}T\d{6}Z)(?:-([0-9a-f]{4}))?(\.zst|\.gz)?(\.age)?|([0-9A-F]{8})\.history|marks\/([A-Za-z0-9._%-]+)_([0-9A-F]{16})_(\d{8}T\d{6}Z)|begun-([a-z-]+)_(\d{1,4})M)$/;

/** The folder that a chain was last read from, and which chain: in a listing a hundred thousand keys of one follow each other. */
let lastFolder: { readonly start: string; readonly text: string; readonly of: OfChain } | undefined;

/** The chain whose key this is, and where in the key its folder ends. */
function chainOfKey(prefix: string, key: string): { of: OfChain; length: number } | undefined {
  const start = logPrefix(prefix);
  if (lastFolder?.start === start && key.startsWith(lastFolder.text))
    return { of: lastFolder.of, length: lastFolder.text.length };
  if (!key.startsWith(start)) return undefined;
  const length = key.indexOf('/', key.indexOf('/', start.length) + 1) + 1;
  const match = FOLDER.exec(key.slice(start.length, length));
  const [, name = '', chain = ''] = match ?? [];
  const server = decodeName(name);
  if (!match || server === undefined || parseChain(chain) === undefined) return undefined;
  lastFolder = { start, text: key.slice(0, length), of: { server, chain } };
  return { of: lastFolder.of, length };
}

/** Reads a key. Undefined means foreign: not a name that this system writes, never to be touched. */
export function parseLogKey(prefix: string, key: string): LogObject | undefined {
  const chainOf = chainOfKey(prefix, key);
  const match = chainOf && IN_CHAIN.exec(key.slice(chainOf.length));
  if (!match) return undefined;
  const { of } = chainOf;
  const [, segment, from, to, stamp = '', twin, packed, sealed, history, mark, lsn, markStamp = '', cause, size] =
    match;
  if (history !== undefined) return { ...of, kind: 'history', timeline: Number.parseInt(history, 16) };
  if (mark !== undefined) {
    const [given, marked] = [decodeName(mark), parseStamp(markStamp)];
    return given === undefined || marked === undefined
      ? undefined
      : { ...of, kind: 'mark', name: given, lsn: BigInt(`0x${lsn}`), at: marked };
  }
  if (cause !== undefined) {
    const segmentBytes = Number(size) * MEBIBYTE;
    const isKnown = Object.hasOwn(CAUSES, cause) && isSegmentSize(segmentBytes) && !size?.startsWith('0');
    return isKnown ? { ...of, kind: 'begun', cause: cause as ChainCause, segmentBytes } : undefined;
  }
  const at = parseStamp(stamp);
  if (at === undefined || segment === undefined) return undefined;
  const placed = { ...of, segment, at };
  const compression: LogCompression = packed === '.zst' ? 'zstd' : packed === '.gz' ? 'gzip' : 'none';
  const how = { compression, encrypted: sealed !== undefined };
  if (from === undefined || to === undefined) {
    return twin === undefined ? { ...placed, ...how, kind: 'segment' } : undefined;
  }
  const [first, end] = [Number.parseInt(from, 16), Number.parseInt(to, 16)];
  if (first === end) {
    const isBare = twin === undefined && compression === 'none' && !how.encrypted;
    return isBare ? { ...placed, kind: 'heartbeat', start: first } : undefined;
  }
  if (first > end) return undefined;
  return { ...placed, ...how, kind: 'part', start: first, end, ...(twin === undefined ? {} : { twin }) };
}
