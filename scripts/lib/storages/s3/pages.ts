import { compareKeys } from '../keys.ts';
import type { StoredObject } from '../storage.ts';

/** One answer of a listing: the bytes of its keys, one after the other, where each ends, and how large its object is. */
interface Page {
  /** What all of its keys begin with, and is not repeated in them: of those of a log the half. */
  readonly prefix: string;
  readonly keys: Buffer;
  readonly ends: Uint32Array;
  readonly sizes: Float64Array;
}

/**
 * The objects of a listing, each once, until all of them are known: only then can they be put in the order of their keys'
 * bytes. A million of them take 60 MB, and none once they have been handed on.
 */
export class Pages {
  private readonly pages: Page[] = [];
  private last: string | undefined;
  /** Only once the order was broken: in a rising order nothing comes twice. */
  private keys: Set<string> | undefined;

  /** @returns a key that was there before; undefined when all are new */
  add(objects: readonly StoredObject[]): string | undefined {
    for (const [index, { key }] of objects.entries()) {
      if (this.keys === undefined && this.last !== undefined && compareKeys(key, this.last) <= 0)
        this.keys = new Set([...this.all(), ...objects.slice(0, index)].map((object) => object.key));
      if (this.keys?.has(key)) return key;
      this.keys?.add(key);
      this.last = key;
    }
    this.pages.push(packed(objects));
    return undefined;
  }

  /** In the order of their keys' bytes. Nothing is kept of what has been handed on. */
  *inOrder(): Generator<StoredObject> {
    if (this.keys !== undefined) {
      yield* [...this.all()].sort((a, b) => compareKeys(a.key, b.key));
      return;
    }
    for (let page = this.pages.shift(); page !== undefined; page = this.pages.shift()) yield* objectsOf(page);
  }

  private *all(): Generator<StoredObject> {
    for (const page of this.pages) yield* objectsOf(page);
  }
}

function packed(objects: readonly StoredObject[]): Page {
  const prefix = common(objects);
  const ends = new Uint32Array(objects.length);
  const sizes = new Float64Array(objects.length);
  const rest = objects.map(({ key }) => key.slice(prefix.length));
  let end = 0;
  for (const [index, key] of rest.entries()) {
    end += Buffer.byteLength(key);
    ends[index] = end;
    sizes[index] = objects[index]?.sizeBytes ?? 0;
  }
  return { prefix, keys: Buffer.from(rest.join('')), ends, sizes };
}

/** What the keys begin with, in whole folders: a cut in the middle of a character would not come out as it went in. */
function common(objects: readonly StoredObject[]): string {
  const first = objects[0]?.key ?? '';
  let length = first.lastIndexOf('/') + 1;
  for (const { key } of objects) {
    while (length > 0 && !key.startsWith(first.slice(0, length))) length = first.lastIndexOf('/', length - 2) + 1;
    if (length === 0) break;
  }
  return first.slice(0, length);
}

function* objectsOf({ prefix, keys, ends, sizes }: Page): Generator<StoredObject> {
  for (const [index, end] of ends.entries()) {
    const start = index === 0 ? 0 : (ends[index - 1] ?? 0);
    yield { key: prefix + keys.toString('utf8', start, end), sizeBytes: sizes[index] ?? 0 };
  }
}
