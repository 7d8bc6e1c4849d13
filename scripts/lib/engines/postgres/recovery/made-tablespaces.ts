import { type FileHandle, open } from 'node:fs/promises';
import { OperatorError } from '../../../errors.ts';

/** A tablespace that a record of the log makes. */
export interface MadeTablespace {
  readonly oid: string;
  /** The folder that it has on the source. */
  readonly location: string;
}

// access/xlog_internal.h and access/xlogrecord.h
const PAGE = 8192;
/** Of the first page of a segment, and of every other one. */
const LONG_HEADER = 40;
const SHORT_HEADER = 24;
const PAGE_INFO_AT = 2;
const PAGE_ADDRESS_AT = 8;
const REMAINING_AT = 16;
const FIRST_IS_CONTRECORD = 1;
/** Of a record: its length, where the one before it begins, what it is, and its checksum. */
const RECORD_HEADER = 24;
const PREVIOUS_AT = 8;
const KIND_AT = 16;
const CHECKSUM_AT = 20;
const DATA_SHORT = 255;
const DATA_LONG = 254;
/** What may stand before a record's data, and how long it is. */
const BEFORE_DATA: Readonly<Record<number, number>> = { 253: 3, 252: 5 };
/** RM_TBLSPC_ID with XLOG_TBLSPC_CREATE, whose low bits are no part of it: `info`, `rmid`, and two bytes of nothing. */
const MAKES_TABLESPACE = 0x500;
const KIND_MASK = 0xffff_fff0;
/** With a path of MAXPGPATH, which is 1024. */
const MOST_RECORD_BYTES = 1_200;
const FARTHEST_PREVIOUS = 1n << 30n;
const WINDOW = 4 * 2 ** 20;

/**
 * Lets the tablespaces that a segment of the log makes lie within the data folder of the server that replays it. Such a record names
 * the folder of the source, and a server makes its files there: on the source's own machine among those of the live server. A
 * record without a path makes the tablespace in pg_tblspc itself.
 *
 * @param path of the segment, which is changed in place
 * @returns those that it makes, as they were
 * @throws OperatorError RESTORE_REFUSED for a record that goes on in another segment
 */
export async function keepTablespacesInside(path: string): Promise<MadeTablespace[]> {
  const file = await open(path, 'r+');
  try {
    const { size } = await file.stat();
    const made: MadeTablespace[] = [];
    const memory = Buffer.allocUnsafeSlow(Math.min(size, WINDOW));
    for (let start = 0; start < size; start += WINDOW) {
      const { bytesRead } = await file.read(memory, 0, Math.min(memory.length, size - start), start);
      for (const at of kindsIn(memory, bytesRead)) {
        const found = await mend(file, start + at, size);
        if (found) made.push(found);
      }
    }
    return made;
  } finally {
    await file.close();
  }
}

/** Where something lies that a record which makes a tablespace has: a record begins at a multiple of eight, and so does this. */
function kindsIn(bytes: Buffer, length: number): number[] {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, length >> 2);
  const found: number[] = [];
  for (let word = 0; word < words.length; word += 2)
    if (((words[word] as number) & KIND_MASK) === MAKES_TABLESPACE) found.push(word * 4);
  return found;
}

const headerOf = (page: number) => (page === 0 ? LONG_HEADER : SHORT_HEADER);

async function mend(file: FileHandle, kindAt: number, size: number): Promise<MadeTablespace | undefined> {
  const page = kindAt - (kindAt % PAGE);
  const inPage = kindAt - page - headerOf(page);
  if (inPage < 0) return undefined;
  // the record may have begun on the page before
  const begins = inPage >= KIND_AT ? kindAt - KIND_AT : page - (KIND_AT - inPage);
  if (begins < 0) return assertNoneBegan(file, inPage);
  const places = placesFrom(begins, size);
  const header = await bytesAt(file, places.slice(0, RECORD_HEADER));
  if (header.length < CHECKSUM_AT) return undefined;
  const length = header.readUInt32LE(0);
  if (length <= RECORD_HEADER || length > MOST_RECORD_BYTES) return undefined;
  if (!(await followsAnother(file, begins, header.readBigUInt64LE(PREVIOUS_AT)))) return undefined;
  if (places.length < length) throw acrossSegments();
  const record = await bytesAt(file, places.slice(0, length));
  if (checksumOf(record) !== record.readUInt32LE(CHECKSUM_AT)) return undefined;
  const found = tablespaceIn(record.subarray(RECORD_HEADER));
  if (found === undefined || found.location === '') return undefined;
  record.fill(0, RECORD_HEADER + found.at, RECORD_HEADER + found.at + found.length);
  record.writeUInt32LE(checksumOf(record), CHECKSUM_AT);
  for (const [i, place] of places.slice(0, length).entries()) await file.write(record, i, 1, place);
  return { oid: found.oid, location: found.location };
}

/** The places of the bytes of a record in its segment: a page's header is none of it. */
function placesFrom(begins: number, size: number): number[] {
  const places: number[] = [];
  for (let at = begins; at < size && places.length < MOST_RECORD_BYTES; at += 1) {
    if (at % PAGE === 0) at += headerOf(at);
    places.push(at);
  }
  return places;
}

async function bytesAt(file: FileHandle, places: readonly number[]): Promise<Buffer> {
  const [first, last] = [places[0], places.at(-1)];
  if (first === undefined || last === undefined) return Buffer.alloc(0);
  const around = Buffer.alloc(last - first + 1);
  await file.read(around, 0, around.length, first);
  return Buffer.from(places.map((place) => around[place - first] ?? 0));
}

/** Whether a record that begins there may come after that one, by the position that its page says. */
async function followsAnother(file: FileHandle, begins: number, previous: bigint): Promise<boolean> {
  const page = begins - (begins % PAGE);
  const header = Buffer.alloc(PAGE_ADDRESS_AT + 8);
  await file.read(header, 0, header.length, page);
  const position = header.readBigUInt64LE(PAGE_ADDRESS_AT) + BigInt(begins - page);
  return previous < position && position - previous < FARTHEST_PREVIOUS;
}

/** What began in the segment before has its kind here: so near to the border, it cannot be mended in either. */
async function assertNoneBegan(file: FileHandle, inPage: number): Promise<undefined> {
  const start = Buffer.alloc(LONG_HEADER + MOST_RECORD_BYTES);
  await file.read(start, 0, start.length, 0);
  const goesOn = (start.readUInt16LE(PAGE_INFO_AT) & FIRST_IS_CONTRECORD) !== 0;
  const body = LONG_HEADER + inPage + RECORD_HEADER - KIND_AT;
  const end = LONG_HEADER + start.readUInt32LE(REMAINING_AT);
  if (!goesOn || end <= body || end > start.length) return undefined;
  if (tablespaceIn(start.subarray(body, end)) !== undefined) throw acrossSegments();
  return undefined;
}

/** The tablespace that a record's bytes after its header make, and where among them its path is; undefined for what is none. */
function tablespaceIn(body: Buffer): (MadeTablespace & { at: number; length: number }) | undefined {
  let at = 0;
  for (let more = BEFORE_DATA[body[at] ?? 0]; more !== undefined; more = BEFORE_DATA[body[at] ?? 0]) at += more;
  if (body[at] === DATA_SHORT) at += 2;
  else if (body[at] === DATA_LONG) at += 5;
  else return undefined;
  const path = at + 4;
  const isWhole = path < body.length && body[body.length - 1] === 0 && body.indexOf(0, path) === body.length - 1;
  const length = body.length - 1 - path;
  // that of one without a path is empty
  if (!isWhole || (length > 0 && body[path] !== '/'.charCodeAt(0))) return undefined;
  const location = body.toString('utf8', path, path + length);
  return { oid: String(body.readUInt32LE(at)), location, at: path, length };
}

/** CRC-32C of a record, as the server makes it: what comes after the header first, and the checksum itself left out. */
function checksumOf(record: Buffer): number {
  let crc = 0xffff_ffff;
  for (const piece of [record.subarray(RECORD_HEADER), record.subarray(0, CHECKSUM_AT)])
    for (const byte of piece) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
    }
  return (crc ^ 0xffff_ffff) >>> 0;
}

function acrossSegments(): OperatorError {
  return new OperatorError(
    'RESTORE_REFUSED',
    'the log makes a tablespace where one of its segments ends and the next begins: replayed here, it would be made in the folder of the source',
    { hint: 'A moment before it can be restored, and any after the next base. Nothing was touched.' },
  );
}
