import { deflateSync } from 'node:zlib';
import xxhash from 'xxhash-wasm';

// Sums that do not depend on the order of rows: the hash of each row, added modulo 2^64, twice with different seeds. They
// are there to find faults, not forgers: see docs/adr/0020-proof-of-content.md.

const hasher = await xxhash();
const SEEDS = /** @type {const} */ ([0x9e3779b97f4a7c15n, 0xc2b2ae3d27d4eb4fn]);
/** Rows of all tables share them: where a sum differs, few rows have to be looked at. */
export const BUCKETS = 1 << 16;

/** A row is longer than this only in pieces, so that its length is no memory. */
export const LONG_ROW_BYTES = 1 << 20;

/** The sums of every table's rows, and those of all rows by the bucket that their hash falls into. */
export class RowSums {
  #last = new BigUint64Array(2);
  #lastWords = new Uint32Array(this.#last.buffer);
  #buckets = new BigUint64Array(BUCKETS);
  /** @type {Map<string, { rows: number, sums: BigUint64Array<ArrayBuffer> }>} */
  #tables = new Map();
  /** Of the table under way. */
  #sums = new BigUint64Array(2);
  #table = { rows: 0, sums: this.#sums };
  /** @type {import('xxhash-wasm').XXHash<bigint>[] | undefined} */
  #long;

  /**
   * The rows that follow are this one's, which may have had some before.
   * @param {string} name
   */
  begin(name) {
    const known = this.#tables.get(name) ?? { rows: 0, sums: new BigUint64Array(2) };
    this.#tables.set(name, known);
    this.#table = known;
    this.#sums = known.sums;
  }

  /** @param {Uint8Array} row */
  add(row) {
    this.#last[0] = hasher.h64Raw(row, SEEDS[0]);
    this.#last[1] = hasher.h64Raw(row, SEEDS[1]);
    this.#take();
  }

  /**
   * A part of a row that does not end in it.
   * @param {Uint8Array} bytes
   */
  addPart(bytes) {
    this.#long ??= SEEDS.map((seed) => hasher.create64(seed));
    for (const hash of this.#long) hash.update(bytes);
  }

  /**
   * The last part of a row that came in parts.
   * @param {Uint8Array} bytes
   */
  endParts(bytes) {
    this.addPart(bytes);
    const [first, second] = this.#long ?? [];
    this.#last[0] = first?.digest() ?? 0n;
    this.#last[1] = second?.digest() ?? 0n;
    this.#long = undefined;
    this.#take();
  }

  #take() {
    const [first = 0n, second = 0n] = this.#last;
    this.#table.rows += 1;
    this.#sums[0] = (this.#sums[0] ?? 0n) + first;
    this.#sums[1] = (this.#sums[1] ?? 0n) + second;
    const bucket = this.bucket;
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0n) + second;
  }

  /** That of the last row. */
  get bucket() {
    return (this.#lastWords[0] ?? 0) & (BUCKETS - 1);
  }

  /** That of the last row, as text. */
  get hash() {
    return [...this.#last].map(hex).join('');
  }

  /** How many rows the table under way has by now. */
  get rows() {
    return this.#table.rows;
  }

  /** @returns {{ name: string, rows: number, sum: string }[]} */
  tables() {
    return [...this.#tables].map(([name, { rows, sums }]) => ({ name, rows, sum: [...sums].map(hex).join('') }));
  }

  /** All of them, packed as text. */
  buckets() {
    return deflateSync(Buffer.from(this.#buckets.buffer)).toString('base64');
  }
}

/** @param {bigint} value */
const hex = (value) => value.toString(16).padStart(16, '0');
