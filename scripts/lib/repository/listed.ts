import type { DumpFormat, ObjectCompression } from '../formats.ts';
import { noteKept } from '../machine/heap.ts';
import { compareKeys } from '../storages/keys.ts';
import type { StoredObject } from '../storages/storage.ts';
import { folderKey, type Kind, kindKey, LAST_PART, type ParsedKey, parseKey } from './object-key.ts';

/** A backup as a listing shows it. */
export interface Backup {
  /** The object's; of a folder the folder's, with a slash at its end. */
  readonly key: string;
  readonly stem: string;
  readonly source: string;
  readonly kind: Kind;
  readonly createdAt: Date;
  readonly sizeBytes: number;
  /** Without one it was made by hand or by the predecessor; still listed, restored and pruned. */
  readonly hasManifest: boolean;
  readonly format: DumpFormat;
  readonly compression: ObjectCompression;
  readonly encrypted: boolean;
  /** The object beside it that holds what the database needs of its server, where there is one. */
  readonly globalsKey: string | undefined;
  /** Retention leaves it alone until it is released. */
  readonly isHeld: boolean;
  /** The objects of a folder, in the order of their names; of any other backup none. */
  readonly parts: readonly StoredPart[];
}

/** One of a folder's objects. */
export interface StoredPart {
  readonly key: string;
  readonly part: string;
}

/** What a run that died has left of a folder: neither a manifest nor the object that is stored last. */
export interface Leftover {
  readonly stem: string;
  readonly source: string;
  readonly createdAt: Date;
  readonly keys: readonly string[];
}

/** What most backups have in common, held once for all of them. */
type Traits = Pick<Backup, 'kind' | 'hasManifest' | 'isHeld' | 'format' | 'compression' | 'encrypted'>;

/** What few backups have. */
type Besides = Pick<Backup, 'globalsKey' | 'parts'>;

const NO_PARTS: readonly StoredPart[] = [];
const NO_BESIDES: Besides = { globalsKey: undefined, parts: NO_PARTS };

/** A backup of which no more is kept than its listing tells: there may be half a million of them. */
class ListedBackup implements Backup {
  readonly key: string;
  readonly source: string;
  readonly sizeBytes: number;
  private readonly createdAtS: number;
  private readonly stemLength: number;
  private readonly traits: Traits;
  private readonly besides: Besides;

  constructor(
    { key, source, sizeBytes }: Pick<Backup, 'key' | 'source' | 'sizeBytes'>,
    { stem, createdAt }: Pick<Backup, 'stem' | 'createdAt'>,
    traits: Traits,
    besides: Besides,
  ) {
    this.key = key;
    this.source = source;
    this.sizeBytes = sizeBytes;
    this.createdAtS = createdAt.getTime() / 1_000;
    this.stemLength = stem.length;
    this.traits = traits;
    this.besides = besides;
  }

  get stem(): string {
    return this.key.slice(0, this.stemLength);
  }
  get createdAt(): Date {
    return new Date(this.createdAtS * 1_000);
  }
  get kind() {
    return this.traits.kind;
  }
  get hasManifest() {
    return this.traits.hasManifest;
  }
  get isHeld() {
    return this.traits.isHeld;
  }
  get format() {
    return this.traits.format;
  }
  get compression() {
    return this.traits.compression;
  }
  get encrypted() {
    return this.traits.encrypted;
  }
  get globalsKey() {
    return this.besides.globalsKey;
  }
  get parts() {
    return this.besides.parts;
  }

  static compare(a: ListedBackup, b: ListedBackup): number {
    return b.createdAtS - a.createdAtS || (a.key < b.key ? 1 : -1);
  }
}

type Data = Extract<ParsedKey, { role: 'data' }>;
type Part = Extract<ParsedKey, { role: 'part' }>;

/** The objects of one stem, which are a backup, several, or what a run that died has left. */
interface Group {
  readonly stem: string;
  readonly data: { readonly object: StoredObject; readonly parsed: Data }[];
  readonly parts: { readonly object: StoredObject; readonly parsed: Part }[];
  hasManifest: boolean;
  kind: Kind;
  globalsKey: string | undefined;
  isHeld: boolean;
}

/** Makes backups of the objects of a listing as they come. What is not named like one's is left out. */
export class Listing {
  private readonly prefix: string;
  private readonly found: ListedBackup[] = [];
  private readonly dead: Leftover[] = [];
  /** Each text once, however many keys it stands in. */
  private readonly sources = new Map<string, string>();
  private readonly traits = new Map<string, Traits>();
  private group: Group | undefined;
  private last = '';

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  /**
   * To be called in the order of the keys' bytes, in which the objects of one backup follow each other.
   * @throws Error for another order: what belongs together would be taken for apart
   */
  add(object: StoredObject): void {
    if (!(object.key > this.last) && compareKeys(object.key, this.last) < 0)
      throw new Error(`the listing is out of order: ${object.key} after ${this.last}`);
    this.last = object.key;
    const parsed = parseKey(this.prefix, object.key);
    if (!parsed) return;
    if (parsed.stem !== this.group?.stem) {
      this.close();
      this.group = {
        ...{ stem: parsed.stem, data: [], parts: [], kind: 'backup' },
        ...{ hasManifest: false, globalsKey: undefined, isHeld: false },
      };
    }
    const { group } = this;
    if (parsed.role === 'data') group.data.push({ object, parsed });
    else if (parsed.role === 'part') group.parts.push({ object, parsed });
    else if (parsed.role === 'manifest') group.hasManifest = true;
    else if (parsed.role === 'kind') group.kind = parsed.kind;
    else if (parsed.role === 'globals') group.globalsKey = object.key;
    else group.isHeld = true;
  }

  /** The backups, the newest first, and what is none and never became one. Nothing is added afterwards. */
  end(): { backups: Backup[]; leftovers: Leftover[] } {
    this.close();
    return { backups: this.found.sort(ListedBackup.compare), leftovers: this.dead };
  }

  private close(): void {
    const { group } = this;
    this.group = undefined;
    if (!group) return;
    for (const { object, parsed } of group.data)
      this.keep(object, parsed, this.traitsOf(group, parsed.format, parsed), besidesOf(group));
    const [first] = group.parts;
    if (!first) return;
    const { parsed } = first;
    // the last object is stored when all others are: with it the folder is whole, manifest or not
    if (!group.hasManifest && !group.parts.some((each) => each.parsed.part === LAST_PART)) {
      this.dead.push(leftoverOf(group, parsed));
      return;
    }
    const sizeBytes = group.parts.reduce((sum, { object }) => sum + object.sizeBytes, 0);
    const parts = group.parts.map(({ object: { key }, parsed: { part } }) => ({ key, part }));
    const whole = { key: folderKey(group.stem), sizeBytes };
    this.keep(whole, parsed, this.traitsOf(group, 'folder', parsed), { globalsKey: group.globalsKey, parts });
  }

  private keep({ key, sizeBytes }: StoredObject, parsed: Data | Part, traits: Traits, besides: Besides): void {
    const source = this.sources.get(parsed.source) ?? parsed.source;
    this.sources.set(source, source);
    noteKept(this.found.length);
    this.found.push(new ListedBackup({ key, source, sizeBytes }, parsed, traits, besides));
  }

  private traitsOf(
    { kind, hasManifest, isHeld }: Group,
    format: Backup['format'],
    { compression, encrypted }: Pick<Backup, 'compression' | 'encrypted'>,
  ): Traits {
    const name = `${kind} ${hasManifest} ${isHeld} ${format} ${compression} ${encrypted}`;
    const traits = this.traits.get(name) ?? { kind, hasManifest, isHeld, format, compression, encrypted };
    this.traits.set(name, traits);
    return traits;
  }
}

function besidesOf({ globalsKey }: Group): Besides {
  return globalsKey === undefined ? NO_BESIDES : { globalsKey, parts: NO_PARTS };
}

function leftoverOf({ stem, data, parts, globalsKey, kind }: Group, { source, createdAt }: Part): Leftover {
  const aside = [globalsKey, kindKey(stem, kind)].filter((key) => key !== undefined);
  // beside a dump of one object they are that one's
  return {
    stem,
    source,
    createdAt,
    keys: [...parts.map(({ object }) => object.key), ...(data.length > 0 ? [] : aside)],
  };
}
