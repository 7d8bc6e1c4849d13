import { LONG_ROW_BYTES } from './row-sums.mjs';

const NEWLINE = 10;

/**
 * What lines are for. None has its line break.
 * @typedef {object} LineReader
 * @property {(line: Buffer) => void} line a whole one
 * @property {(start: Buffer) => boolean} mayCome whether a line that begins so may come in parts, for it is long
 * @property {(part: Buffer) => void} part what a long line begins with, or continues with
 * @property {(part: Buffer) => void} lastPart what is left of a long line
 */

/** Cuts what passes into lines. A row's length is no memory: see LONG_ROW_BYTES. */
export class Lines {
  /**
   * Of the line whose end has not come.
   * @type {Buffer[]}
   */
  #rest = [];
  #restBytes = 0;
  #isInParts = false;
  #reader;
  #lastBytes;

  /**
   * @param {LineReader} reader
   * @param {number} lastBytes how many bytes the last part has at least, for they may be no part of the row
   */
  constructor(reader, lastBytes) {
    this.#reader = reader;
    this.#lastBytes = lastBytes;
  }

  /** @param {Buffer} chunk */
  feed(chunk) {
    let at = 0;
    while (at < chunk.length) {
      const end = chunk.indexOf(NEWLINE, at);
      if (end < 0) {
        this.#keep(chunk.subarray(at));
        return;
      }
      const piece = chunk.subarray(at, end);
      at = end + 1;
      if (this.#restBytes === 0 && !this.#isInParts) this.#reader.line(piece);
      else this.#endOfLine(piece);
    }
  }

  /** Whatever has come is a line, also without a line break at its end. */
  end() {
    if (this.#restBytes > 0 || this.#isInParts) this.#endOfLine(Buffer.alloc(0));
  }

  /** @param {Buffer} piece */
  #keep(piece) {
    this.#rest.push(Buffer.from(piece));
    this.#restBytes += piece.length;
    if (this.#restBytes <= LONG_ROW_BYTES) return;
    const [start = piece] = this.#rest;
    if (!this.#isInParts && !this.#reader.mayCome(start)) return;
    const all = Buffer.concat(this.#rest);
    const cut = all.length - this.#lastBytes;
    this.#reader.part(all.subarray(0, cut));
    this.#isInParts = true;
    this.#rest = [all.subarray(cut)];
    this.#restBytes = this.#lastBytes;
  }

  /** @param {Buffer} piece */
  #endOfLine(piece) {
    const line = Buffer.concat([...this.#rest, piece]);
    const isLastPart = this.#isInParts;
    this.#rest = [];
    this.#restBytes = 0;
    this.#isInParts = false;
    if (isLastPart) this.#reader.lastPart(line);
    else this.#reader.line(line);
  }
}
