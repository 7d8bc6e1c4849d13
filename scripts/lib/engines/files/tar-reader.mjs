// Reads a tar archive as it streams by: https://www.gnu.org/software/tar/manual/html_node/Standard.html and, for the
// extended headers, https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html. JavaScript, not TypeScript: the
// filters beside it are processes of their own, which a compiler would keep waiting longer than their work takes.

/**
 * @typedef {object} Member one thing in the archive
 * @property {string} name its path as bytes (latin1): without `./` before it or slashes after it, empty for the root
 * @property {string} rawName as it stands in the archive
 * @property {string} type `0` file, `1` hard link, `2` symbolic link, `3` `4` devices, `5` folder, `6` FIFO
 * @property {number} mode
 * @property {number} uid
 * @property {number} gid
 * @property {number} mtime in whole seconds since 1970, rounded down
 * @property {number} size of the member's data in the archive
 * @property {string} linkName as bytes (latin1)
 * @property {string} device `major,minor` of a device
 * @property {ReadonlyMap<string, string>} extended the member's records of the extended header, as bytes (latin1)
 */

/**
 * @typedef {object} Visitor
 * @property {(member: Member) => void} begin
 * @property {(chunk: Buffer) => void} data
 * @property {() => void} end
 */

export class ArchiveError extends Error {}

const BLOCK = 512;
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
          this.#block();
        }
      }
    }
  }

  #block() {
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
    this.#visitor.begin(member);
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

/**
 * `LENGTH KEY=VALUE\n`, one after the other.
 * @param {string} text
 */
function recordsOf(text) {
  /** @type {Map<string, string>} */
  const records = new Map();
  let at = 0;
  while (at < text.length) {
    const space = text.indexOf(' ', at);
    const length = Number(text.slice(at, space));
    const record = text.slice(space + 1, at + length - 1);
    const equals = record.indexOf('=');
    if (space < 0 || !(length > 0) || equals < 1) throw new ArchiveError('an extended header that cannot be read');
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}

/**
 * @param {Buffer} header
 * @param {string} type
 * @param {ReadonlyMap<string, string>} extended
 * @returns {Member}
 */
function memberOf(header, type, extended) {
  const isUstar = header.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? text(header, 345, 155) : '';
  const short = text(header, 0, 100);
  const rawName =
    extended.get('GNU.sparse.name') ?? extended.get('path') ?? (prefix === '' ? short : `${prefix}/${short}`);
  const extendedNumber = (/** @type {string} */ key) => {
    const value = extended.get(key);
    return value === undefined ? undefined : Number(value);
  };
  return {
    name: normalName(rawName),
    rawName,
    type: type === '7' || type === 'S' ? '0' : type,
    mode: number(header, 100, 8),
    uid: extendedNumber('uid') ?? number(header, 108, 8),
    gid: extendedNumber('gid') ?? number(header, 116, 8),
    size: extendedNumber('size') ?? number(header, 124, 12),
    mtime: Math.floor(extendedNumber('mtime') ?? number(header, 136, 12)),
    linkName: extended.get('linkpath') ?? text(header, 157, 100),
    device: type === '3' || type === '4' ? `${number(header, 329, 8)},${number(header, 337, 8)}` : '',
    extended,
  };
}

/**
 * Without `.` among its parts, and without slashes at its end.
 * @param {string} name
 */
export function normalName(name) {
  const start = name.startsWith('/') ? '/' : '';
  return (
    start +
    name
      .split('/')
      .filter((part) => part !== '' && part !== '.')
      .join('/')
  );
}

/**
 * @param {Buffer} header
 * @param {number} start
 * @param {number} length
 */
function text(header, start, length) {
  const field = header.toString('latin1', start, start + length);
  const end = field.indexOf('\0');
  return end < 0 ? field : field.slice(0, end);
}

/**
 * Octal digits, or with the highest bit set a number of two's complement.
 * @param {Buffer} header
 * @param {number} start
 * @param {number} length
 */
function number(header, start, length) {
  const first = header[start] ?? 0;
  if (first < 0x80) return Number.parseInt(text(header, start, length).trim() || '0', 8) || 0;
  let value = first === 0xff ? -1 : first & 0x7f;
  for (let i = start + 1; i < start + length; i += 1) value = value * 256 + (header[i] ?? 0);
  return value;
}

/** @param {Buffer} header */
function assertChecksum(header) {
  let sum = 0;
  for (const byte of header) sum += byte;
  // the field itself counts as spaces
  for (let i = 148; i < 156; i += 1) sum += 0x20 - (header[i] ?? 0);
  if (sum === number(header, 148, 8)) return;
  throw new ArchiveError('it is no tar archive, or damaged: the checksum of a header does not fit');
}
