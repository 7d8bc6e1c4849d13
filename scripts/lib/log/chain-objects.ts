import { type LogCompression, type LogObject, logKey } from './keys.ts';

/** An object of a chain with its key. */
export interface KeyedObject {
  readonly key: string;
  readonly sizeBytes: number;
  readonly object: LogObject;
}

/** What has a place in the log. */
export type PlacedObject = Extract<LogObject, { kind: 'segment' | 'part' | 'heartbeat' }>;

/** An object of which the key is made when it is asked for. */
export interface PlacedBytes extends KeyedObject {
  readonly object: PlacedObject;
}

/** Of an object: start, end, moment in seconds, size, how it is stored, and which one of its segment came before it. */
const NUMBERS = 6;
const AT_FIRST = 64;
const NONE = 0xffff_ffff;
const KINDS = ['segment', 'part', 'heartbeat'] as const;
const COMPRESSIONS: readonly LogCompression[] = ['zstd', 'gzip', 'none'];

/**
 * Every object of one chain. A log of a month has half a million: those that have a place in it are kept as a few numbers each, and
 * their keys, which a name tells as well, are made when somebody asks for them.
 */
export class ChainObjects implements Iterable<KeyedObject> {
  /** Which object of a segment came last. */
  private readonly lastOf = new Map<string, number>();
  private numbers = new Uint32Array(AT_FIRST * NUMBERS);
  private count = 0;
  private readonly others: KeyedObject[] = [];
  private readonly prefix: string;
  private readonly of: { readonly server: string; readonly chain: string };

  constructor(prefix: string, of: { readonly server: string; readonly chain: string }) {
    this.prefix = prefix;
    this.of = of;
  }

  add(object: LogObject, sizeBytes: number): void {
    if (object.kind === 'begun' || object.kind === 'history' || object.kind === 'mark') {
      this.others.push({ key: logKey(this.prefix, object), sizeBytes, object });
      return;
    }
    if (this.count * NUMBERS === this.numbers.length) {
      const larger = new Uint32Array(Math.ceil(this.count * 1.5) * NUMBERS);
      larger.set(this.numbers);
      this.numbers = larger;
    }
    const start = object.kind === 'segment' ? 0 : object.start;
    const end = object.kind === 'part' ? object.end : start;
    const before = this.lastOf.get(object.segment);
    const own = [start, end, object.at.getTime() / 1_000, sizeBytes, howOf(object), before ?? NONE];
    this.numbers.set(own, this.count * NUMBERS);
    this.lastOf.set(before === undefined ? onItsOwn(object.segment) : object.segment, this.count);
    this.count += 1;
  }

  /** The names of the segments of which something is stored, by timeline and position. */
  segments(): string[] {
    return [...this.lastOf.keys()].sort();
  }

  /** What is stored of a segment, in no particular order. */
  ofSegment(segment: string): PlacedBytes[] {
    const found: PlacedBytes[] = [];
    for (let i = this.lastOf.get(segment) ?? NONE; i !== NONE; i = this.numbers[i * NUMBERS + 5] ?? NONE)
      found.push(this.made(segment, i * NUMBERS));
    return found;
  }

  *[Symbol.iterator](): Generator<KeyedObject> {
    yield* this.others;
    for (const segment of this.lastOf.keys()) yield* this.ofSegment(segment);
  }

  private made(segment: string, i: number): PlacedBytes {
    const { numbers, prefix } = this;
    const where = { ...this.of, segment, at: new Date((numbers[i + 2] ?? 0) * 1_000) };
    const object = placed(where, numbers[i] ?? 0, numbers[i + 1] ?? 0, numbers[i + 4] ?? 0);
    return {
      object,
      sizeBytes: numbers[i + 3] ?? 0,
      get key() {
        return logKey(prefix, object);
      },
    };
  }
}

/** The same text, which does not hold the key in memory that it was cut from. */
const onItsOwn = (text: string): string => Buffer.from(text, 'latin1').toString('latin1');

const TWINS = 0x1_0000;

/** Kind, compression, encryption, and the twin's number plus one, in one number. */
function howOf(object: PlacedObject): number {
  const kind = KINDS.indexOf(object.kind);
  if (object.kind === 'heartbeat') return kind;
  const twin = object.kind === 'part' && object.twin !== undefined ? Number.parseInt(object.twin, 16) + 1 : 0;
  return kind + 4 * (COMPRESSIONS.indexOf(object.compression) + 4 * (Number(object.encrypted) + 2 * twin));
}

function placed(
  where: { server: string; chain: string; segment: string; at: Date },
  start: number,
  end: number,
  how: number,
): PlacedObject {
  const kind = KINDS[how % 4] ?? 'part';
  if (kind === 'heartbeat') return { ...where, kind, start };
  const rest = Math.floor(how / 4);
  const stored = { compression: COMPRESSIONS[rest % 4] ?? 'none', encrypted: Math.floor(rest / 4) % 2 === 1 };
  if (kind === 'segment') return { ...where, ...stored, kind };
  const twin = Math.floor(rest / 8);
  return {
    ...where,
    ...stored,
    kind,
    start,
    end,
    ...(twin === 0 ? {} : { twin: (twin - 1 + TWINS).toString(16).slice(1) }),
  };
}
