/** CRC-32C, as the records of PostgreSQL's log have it. */
function crc32c(...pieces: readonly Uint8Array[]): number {
  let crc = 0xffff_ffff;
  for (const piece of pieces) {
    for (const byte of piece) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
    }
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}

const HEADER = 24;
const CRC_AT = 20;
const TRANSACTION_MANAGER = 1;
const ABORT = 0x20;

/**
 * The log with the commit of a transaction made an abort, its checksum mended: whole to everybody who does not know what was
 * committed. Undefined where the commit is not in it.
 */
export function commitToAbort(wal: Buffer, xid: number): Buffer | undefined {
  for (let at = 0; at + HEADER < wal.length; at += 8) {
    const length = wal.readUInt32LE(at);
    const info = wal[at + 16] ?? 0;
    const isCommit = wal.readUInt32LE(at + 4) === xid && wal[at + 17] === TRANSACTION_MANAGER && (info & 0x70) === 0;
    if (!isCommit || length < HEADER || length > 8_000 || at + length > wal.length) continue;
    const checksum = (of: Buffer) => crc32c(of.subarray(at + HEADER, at + length), of.subarray(at, at + CRC_AT));
    if (checksum(wal) !== wal.readUInt32LE(at + CRC_AT)) continue;
    const changed = Buffer.from(wal);
    changed[at + 16] = info | ABORT;
    changed.writeUInt32LE(checksum(changed), at + CRC_AT);
    return changed;
  }
  return undefined;
}
