import { RowSums } from './row-sums.mjs';

/** Of a row that is looked for, so much is kept. */
const KEPT_ROW_BYTES = 1 << 16;

/**
 * @typedef {import('./reading.ts').ReadingOptions} ReadingOptions
 * @typedef {import('./reading.ts').ReadingLine} ReadingLine
 */

/** The rows of a dump, by table: sums them, hands on those that are looked for, and says at the end what there was. */
export class Rows {
  #sums = new RowSums();
  /**
   * The columns of each table.
   * @type {Map<string, readonly string[]>}
   */
  columns = new Map();
  /**
   * Undefined outside a table's rows.
   * @type {string | undefined}
   */
  table;
  #options;
  #report;
  #fieldsOf;

  /**
   * @param {ReadingOptions} options
   * @param {(line: ReadingLine) => void} report
   * @param {(row: Buffer) => string[]} fieldsOf
   */
  constructor(options, report, fieldsOf) {
    this.#options = options;
    this.#report = report;
    this.#fieldsOf = fieldsOf;
  }

  /** A row has to be at hand whole where it is looked for by its key. */
  get areLookedForByKey() {
    return this.#options.find?.key !== undefined;
  }

  /** @param {string} table whose rows follow */
  begin(table) {
    this.table = table;
    this.#sums.begin(table);
  }

  /** The table's rows have ended. */
  end() {
    this.table = undefined;
  }

  /** @param {Buffer} row */
  add(row) {
    this.#sums.add(row);
    if (this.#options.find) this.#handOn(row);
  }

  /**
   * What is summed under a name as if it were a table's row, and never looked for.
   * @param {string} name
   * @param {Buffer} bytes
   */
  addUnder(name, bytes) {
    this.#sums.begin(name);
    this.#sums.add(bytes);
  }

  /** @param {Buffer} bytes a part of a row that does not end in it */
  addPart(bytes) {
    this.#sums.addPart(bytes);
  }

  /** @param {Buffer} bytes the last part of a row that came in parts */
  endParts(bytes) {
    this.#sums.endParts(bytes);
    if (this.#options.find) this.#handOn(undefined);
  }

  /**
   * Says what there was.
   * @param {boolean} isWhole whether the dump ended where one may end
   */
  say(isWhole) {
    for (const { name, rows, sum } of this.#sums.tables())
      this.#report({ kind: 'table', name, rows, sum, columns: this.columns.get(name) ?? [] });
    if (!this.#options.find) this.#report({ kind: 'buckets', packed: this.#sums.buckets() });
    this.#report({ kind: 'end', isWhole: isWhole && this.table === undefined });
  }

  /**
   * Hands on the row that has just been added where it is one that is looked for.
   * @param {Buffer | undefined} row undefined for one that came in parts
   */
  #handOn(row) {
    const { find } = this.#options;
    if (!find || this.table !== find.table) return;
    const isKept = row !== undefined && row.length <= KEPT_ROW_BYTES;
    const fields = row && (find.key !== undefined || isKept) ? this.#fieldsOf(row) : undefined;
    if (find.key !== undefined) {
      if (!find.key.every(({ at, value }) => fields?.[at] === value)) return;
    } else if (!find.buckets.includes(this.#sums.bucket)) return;
    this.#report({
      kind: 'row',
      hash: this.#sums.hash,
      position: this.#sums.rows,
      fields: isKept ? fields : undefined,
    });
  }
}
