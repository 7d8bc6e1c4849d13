import { createHash } from 'node:crypto';
import { ArchiveError } from './tar-header.mjs';

// What of a member goes into which digest: see docs/adr/0013-files.md.

const SPECIAL_BITS = 0o7000;
const PERMISSIONS = 0o777;
/** Zeros are not digested but their place: a hole and a block of zeros are the same to a reader of the file. */
const BLOCK = 4096;
const ZEROS = Buffer.alloc(BLOCK);
const OWNERS_KEPT = 100;
/** tar's names of what is beside a file's bytes and permissions, with the kind that ours are compared by. */
const ATTRIBUTE = /^SCHILY\.(?:(acl)\.(?:access|default)|xattr\.(user|security|trusted|system)\..*)$/s;

/**
 * @typedef {object} TreeReport
 * @property {number} files
 * @property {number} fileBytes
 * @property {string} treeDigest
 * @property {string} ownerDigest
 * @property {{ owner: string, entries: number }[]} owners
 * @property {{ kind: string, entries: number, digest: string }[]} attributes
 */

/** Counts and digests what an archive holds. Its visitor of TarReader. */
export class TreeDigest {
  #headers = createHash('sha256');
  #bytes = createHash('sha256');
  #ownership = createHash('sha256');
  #files = 0;
  #fileBytes = 0;
  /** @type {Map<string, number>} */
  #owners = new Map();
  /** Access lists and extended attributes, by kind: not everybody may restore each. @type {Map<string, { entries: number, hash: import('node:crypto').Hash }>} */
  #attributes = new Map();
  /** @type {FileDigest | undefined} */
  #file;

  /** @param {import('./tar-header.mjs').Member} member */
  begin(member) {
    const { name, type, mode, uid, gid, mtime, linkName, device } = member;
    if (type !== '5') this.#files += 1;
    const owner = `${uid}:${gid}`;
    this.#owners.set(owner, (this.#owners.get(owner) ?? 0) + 1);
    this.#ownership.update(fields(name, owner, mode & SPECIAL_BITS));
    const isLink = type === '1' || type === '2';
    // a hard link is another name of what stands in the archive already; the permissions of a symbolic one mean nothing
    const shown = isLink
      ? [type === '1' ? linkName.replace(/^\.\//, '') : linkName]
      : [mode & PERMISSIONS, mtime, device];
    this.#headers.update(fields(type, name, ...shown));
    this.#noteAttributes(member);
    if (type === '0') this.#file = new FileDigest(member, this.#bytes);
  }

  /** @param {import('./tar-header.mjs').Member} member */
  #noteAttributes({ name, type, extended }) {
    // another name of what has them already
    if (type === '1') return;
    for (const key of [...extended.keys()].sort()) {
      const [, acl, namespace] = ATTRIBUTE.exec(key) ?? [];
      const kind = acl ?? namespace;
      const value = extended.get(key);
      if (kind === undefined || value === undefined) continue;
      const of = this.#attributes.get(kind) ?? { entries: 0, hash: createHash('sha256') };
      of.entries += 1;
      of.hash.update(fields(name, key, value));
      this.#attributes.set(kind, of);
    }
  }

  /** @param {Buffer} chunk */
  data(chunk) {
    this.#file?.data(chunk);
  }

  end() {
    if (!this.#file) return;
    const { size, runs } = this.#file.end();
    this.#fileBytes += size;
    this.#headers.update(fields(size, runs));
    this.#file = undefined;
  }

  /** @returns {TreeReport} */
  report() {
    const treeDigest = createHash('sha256').update(this.#headers.digest()).update(this.#bytes.digest()).digest('hex');
    return {
      files: this.#files,
      fileBytes: this.#fileBytes,
      treeDigest,
      ownerDigest: this.#ownership.digest('hex'),
      owners: [...this.#owners]
        .sort((a, b) => b[1] - a[1])
        .slice(0, OWNERS_KEPT)
        .map(([owner, entries]) => ({ owner, entries })),
      attributes: [...this.#attributes]
        .sort()
        .map(([kind, { entries, hash }]) => ({ kind, entries, digest: hash.digest('hex') })),
    };
  }
}

/**
 * Each with its length before it, so that no two lists of fields look alike.
 * @param {...(string | number)} values
 */
function fields(...values) {
  return Buffer.from(values.map((value) => `${String(value).length} ${value}`).join(''), 'latin1');
}

/** Digests the bytes of one file as it would be read, whichever of its zeros are holes in the archive. */
class FileDigest {
  #hash;
  #size;
  /** Where the next byte of the archive belongs in the file. */
  #position = 0;
  /** What has come of a block that is not whole yet. */
  #block = Buffer.alloc(0);
  #inBlock = 0;
  /** @type {{ start: number, end: number }[]} */
  #runs = [];
  /** @type {SparseMap | undefined} */
  #map;

  /**
   * @param {import('./tar-header.mjs').Member} member
   * @param {import('node:crypto').Hash} hash
   */
  constructor(member, hash) {
    this.#hash = hash;
    this.#size = member.size;
    if (member.extended.get('GNU.sparse.major') === '1') {
      this.#size = Number(member.extended.get('GNU.sparse.realsize'));
      this.#map = new SparseMap();
    } else if ([...member.extended.keys()].some((key) => key.startsWith('GNU.sparse.'))) {
      throw new ArchiveError('a sparse file in a format older than 1.0');
    }
  }

  /** @param {Buffer} chunk */
  data(chunk) {
    let rest = this.#map && !this.#map.isWhole ? this.#map.read(chunk) : chunk;
    if (!this.#map) return this.#write(rest);
    while (rest.length > 0) {
      const segment = this.#map.current();
      if (!segment) throw new ArchiveError('a sparse file with more data than its map has room for');
      this.#skipTo(segment.offset + segment.done);
      const part = rest.subarray(0, segment.size - segment.done);
      this.#write(part);
      segment.done += part.length;
      rest = rest.subarray(part.length);
    }
  }

  end() {
    if (this.#inBlock > 0) this.#flush();
    if (!this.#map && this.#position !== this.#size) throw new ArchiveError('a file that ends before its size');
    return { size: this.#size, runs: this.#runs.map(({ start, end }) => `${start}-${end}`).join() };
  }

  /** @param {number} offset what lies between here and there is a hole */
  #skipTo(offset) {
    if (offset === this.#position) return;
    if (offset < this.#position) throw new ArchiveError('a sparse file whose map runs backwards');
    if (this.#inBlock > 0) {
      const zeros = Math.min(BLOCK - this.#inBlock, offset - this.#position);
      this.#write(ZEROS.subarray(0, zeros));
    }
    if (this.#position >= offset) return;
    const intoBlock = offset % BLOCK;
    this.#position = offset - intoBlock;
    if (intoBlock > 0) this.#write(ZEROS.subarray(0, intoBlock));
  }

  /** @param {Buffer} chunk */
  #write(chunk) {
    let at = 0;
    if (this.#inBlock > 0) {
      at = Math.min(BLOCK - this.#inBlock, chunk.length);
      chunk.copy(this.#block, this.#inBlock, 0, at);
      this.#inBlock += at;
      this.#position += at;
      if (this.#inBlock === BLOCK) this.#flush();
    }
    const wholeEnd = at + Math.floor((chunk.length - at) / BLOCK) * BLOCK;
    let runStart = -1;
    for (; at < wholeEnd; at += BLOCK) {
      const isZero = chunk[at] === 0 && chunk.compare(ZEROS, 0, BLOCK, at, at + BLOCK) === 0;
      if (!isZero && runStart < 0) runStart = at;
      if (isZero && runStart >= 0) {
        this.#run(chunk.subarray(runStart, at), this.#position - (at - runStart));
        runStart = -1;
      }
      this.#position += BLOCK;
    }
    if (runStart >= 0) this.#run(chunk.subarray(runStart, at), this.#position - (at - runStart));
    if (at < chunk.length) {
      if (this.#block.length === 0) this.#block = Buffer.alloc(BLOCK);
      this.#inBlock = chunk.copy(this.#block, 0, at);
      this.#position += this.#inBlock;
    }
  }

  #flush() {
    const block = this.#block.subarray(0, this.#inBlock);
    const isZero = block[0] === 0 && block.equals(ZEROS.subarray(0, this.#inBlock));
    if (!isZero) this.#run(block, this.#position - this.#inBlock);
    this.#inBlock = 0;
  }

  /**
   * @param {Buffer} bytes
   * @param {number} start
   */
  #run(bytes, start) {
    this.#hash.update(bytes);
    const last = this.#runs.at(-1);
    if (last?.end === start) last.end += bytes.length;
    else this.#runs.push({ start, end: start + bytes.length });
  }
}

/** The map before the data of a sparse file: decimal numbers on lines of their own, padded to a block of the archive. */
class SparseMap {
  isWhole = false;
  #text = '';
  #bytes = 0;
  /** @type {{ offset: number, size: number, done: number }[]} */
  #segments = [];
  #next = 0;

  /**
   * @param {Buffer} chunk
   * @returns {Buffer} what comes after the map
   */
  read(chunk) {
    this.#text += chunk.toString('latin1');
    const count = this.#text.indexOf('\n');
    if (count < 0) return chunk.subarray(chunk.length);
    const wanted = 1 + 2 * Number(this.#text.slice(0, count));
    let end = 0;
    for (let line = 0; line < wanted; line += 1) {
      end = this.#text.indexOf('\n', end) + 1;
      if (end === 0) break;
    }
    const padded = Math.ceil(end / 512) * 512;
    const before = this.#bytes;
    this.#bytes += chunk.length;
    if (end === 0 || this.#bytes < padded) return chunk.subarray(chunk.length);
    const numbers = this.#text.slice(0, end).split('\n').slice(1, wanted).map(Number);
    for (let i = 0; i + 1 < numbers.length; i += 2)
      this.#segments.push({ offset: numbers[i] ?? 0, size: numbers[i + 1] ?? 0, done: 0 });
    this.isWhole = true;
    return chunk.subarray(padded - before);
  }

  current() {
    while (this.#next < this.#segments.length) {
      const segment = this.#segments[this.#next];
      if (segment && segment.done < segment.size) return segment;
      this.#next += 1;
    }
    return undefined;
  }
}
