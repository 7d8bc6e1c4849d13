// Reads a tar archive as it streams by: https://www.gnu.org/software/tar/manual/html_node/Standard.html and, for the
// extended headers, https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html. JavaScript, not TypeScript: the
// filters beside it are processes of their own, which a compiler would keep waiting longer than their work takes.

import { ArchiveError, assertChecksum, BLOCK, memberOf, number, recordsOf } from './tar-header.mjs';

/**
 * @typedef {object} Visitor
 * @property {(member: import('./tar-header.mjs').Member, header: Buffer | undefined) => void} begin its header as it lies in
 *   what was fed; undefined where that has only a part of it
 * @property {(chunk: Buffer) => void} data
 * @property {() => void} end
 */

/** Names, links and extended attributes of one member; the kernel's own limits are far below it. */
const MAX_EXTENDED_BYTES = 64 * 1024 * 1024;
const ZEROS = Buffer.alloc(BLOCK);
const EXTENDED = new Set(['x', 'X', 'g', 'L', 'K']);

export class TarReader {
  /** The end-of-archive marker, two blocks of zeros, has been read where a member would begin. */
  ended = false;
  #visitor;
  #header = Buffer.alloc(BLOCK);
  #filled = 0;
  #zeroBlocks = 0;
  /** How much of the member's data, and of its padding, is still to come. */
  #left = 0;
  #padding = 0;
  /** @type {{ type: string, parts: Buffer[] } | undefined} */
  #collecting;
  /** @type {Map<string, string>} */
  #extended = new Map();
  /** An old GNU sparse header goes on in the next block. */
  #continues = false;
  #inMember = false;
  #pendingSize = 0;

  /** @param {Visitor} visitor */
  constructor(visitor) {
    this.#visitor = visitor;
  }

  /**
   * @param {Buffer} chunk
   * @throws {ArchiveError} for what is no tar archive
   */
  feed(chunk) {
    let at = 0;
    while (at < chunk.length && !this.ended) {
      if (this.#left > 0) {
        const part = chunk.subarray(at, at + this.#left);
        this.#left -= part.length;
        at += part.length;
        if (this.#collecting) this.#collecting.parts.push(Buffer.from(part));
        else this.#visitor.data(part);
        if (this.#left === 0) this.#dataEnded();
      } else if (this.#padding > 0) {
        const skipped = Math.min(this.#padding, chunk.length - at);
        this.#padding -= skipped;
        at += skipped;
      } else {
        const copied = chunk.copy(this.#header, this.#filled, at, at + BLOCK - this.#filled);
        this.#filled += copied;
        at += copied;
        if (this.#filled === BLOCK) {
          this.#filled = 0;
          this.#block(copied === BLOCK ? chunk.subarray(at - BLOCK, at) : undefined);
        }
      }
    }
  }

  /** @param {Buffer | undefined} header */
  #block(header) {
    if (this.#continues) {
      this.#continues = this.#header[504] === 1;
      if (!this.#continues) this.#expect(this.#pendingSize);
      return;
    }
    if (this.#header.equals(ZEROS)) {
      this.#zeroBlocks += 1;
      this.ended = this.#zeroBlocks === 2;
      return;
    }
    this.#zeroBlocks = 0;
    assertChecksum(this.#header);
    const type = String.fromCharCode(this.#header[156] || 0x30);
    if (EXTENDED.has(type)) {
      const size = number(this.#header, 124, 12);
      if (size > MAX_EXTENDED_BYTES) throw new ArchiveError(`an extended header of ${size} bytes`);
      this.#collecting = { type, parts: [] };
      this.#expect(size);
      return;
    }
    const member = memberOf(this.#header, type, this.#extended);
    this.#extended = new Map();
    this.#visitor.begin(member, header);
    this.#inMember = true;
    // links, folders and devices have no data, whatever their size says
    const size = '123456'.includes(type) ? 0 : member.size;
    this.#continues = type === 'S' && this.#header[482] === 1;
    if (this.#continues) this.#pendingSize = size;
    else this.#expect(size);
  }

  /** @param {number} size */
  #expect(size) {
    this.#left = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (size === 0) this.#dataEnded();
  }

  #dataEnded() {
    if (this.#collecting) {
      const { type, parts } = this.#collecting;
      this.#collecting = undefined;
      this.#extend(type, Buffer.concat(parts).toString('latin1'));
    } else if (this.#inMember) {
      this.#inMember = false;
      this.#visitor.end();
    }
  }

  /**
   * @param {string} type
   * @param {string} text
   */
  #extend(type, text) {
    if (type === 'L') this.#extended.set('path', text.replace(/\0.*$/s, ''));
    else if (type === 'K') this.#extended.set('linkpath', text.replace(/\0.*$/s, ''));
    else {
      const records = recordsOf(text);
      // of a whole archive they may only say what concerns no member by itself
      if (type === 'g' && ['path', 'linkpath', 'size'].some((key) => records.has(key)))
        throw new ArchiveError('a header for all members sets their path or size');
      if (type !== 'g') for (const [key, value] of records) this.#extended.set(key, value);
    }
  }
}
