// A member's header in a tar archive, and its extended header: the formats are those that tar-reader.mjs names.

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

/** What is no tar archive, or one that cannot be read. */
export class ArchiveError extends Error {}

/** Everything in an archive is in blocks of this many bytes. */
export const BLOCK = 512;

/**
 * The records of an extended header: `LENGTH KEY=VALUE\n`, one after the other.
 * @param {string} text as bytes (latin1)
 * @throws {ArchiveError} for a record that is not so
 */
export function recordsOf(text) {
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
 * What a header says of its member; where the extended header speaks of the same, that counts.
 * @param {Buffer} header
 * @param {string} type
 * @param {ReadonlyMap<string, string>} extended
 * @returns {Member}
 */
export function memberOf(header, type, extended) {
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
export function number(header, start, length) {
  const first = header[start] ?? 0;
  if (first < 0x80) return Number.parseInt(text(header, start, length).trim() || '0', 8) || 0;
  let value = first === 0xff ? -1 : first & 0x7f;
  for (let i = start + 1; i < start + length; i += 1) value = value * 256 + (header[i] ?? 0);
  return value;
}

/**
 * Writes another owner into a header, and its checksum.
 * @param {Buffer} header
 * @param {number} uid
 * @param {number} gid
 */
export function setOwner(header, uid, gid) {
  for (const { at, id } of [
    { at: 108, id: uid },
    { at: 116, id: gid },
  ]) {
    if (id < 0o7777777) header.write(`${id.toString(8).padStart(7, '0')}\0`, at, 'latin1');
    else {
      // more than octal digits have room for: a number whose highest bit is set
      header.fill(0, at, at + 8);
      header[at] = 0x80;
      header.writeUInt32BE(id, at + 4);
    }
  }
  // numbers count, and names would win over them
  header.fill(0, 265, 329);
  header.write(`${checksumOf(header).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

/** @param {Buffer} header */
function checksumOf(header) {
  let sum = 0;
  for (const byte of header) sum += byte;
  // the field itself counts as spaces
  for (let i = 148; i < 156; i += 1) sum += 0x20 - (header[i] ?? 0);
  return sum;
}

/**
 * @param {Buffer} header
 * @throws {ArchiveError} when its checksum does not fit
 */
export function assertChecksum(header) {
  if (checksumOf(header) === number(header, 148, 8)) return;
  throw new ArchiveError('it is no tar archive, or damaged: the checksum of a header does not fit');
}
