import type { Lsn } from '../../../log/lsn.ts';

/** PostgreSQL counts microseconds from 2000-01-01T00:00:00Z. */
const EPOCH_MS = 946_684_800_000;

/**
 * What the server sends in a stream of its log, and what it is told.
 * https://www.postgresql.org/docs/current/protocol-replication.html#PROTOCOL-REPLICATION-START-REPLICATION
 */
export type WalMessage =
  | {
      readonly kind: 'data';
      readonly start: Lsn;
      readonly bytes: Buffer;
      /** How far the server's log had been written when this was sent. */
      readonly serverEnd: Lsn;
      /** By the server's clock. */
      readonly sentAt: Date;
    }
  | { readonly kind: 'keepalive'; readonly sentEnd: Lsn; readonly sentAt: Date; readonly wantsReply: boolean };

const timeOf = (bytes: Buffer, at: number) => new Date(EPOCH_MS + Number(bytes.readBigInt64BE(at) / 1_000n));

/** @throws Error for a message that is none of PostgreSQL's */
export function readWalMessage(bytes: Buffer): WalMessage {
  const kind = String.fromCharCode(bytes[0] ?? 0);
  if (kind === 'w' && bytes.length >= 25) {
    return {
      kind: 'data',
      start: bytes.readBigUInt64BE(1),
      serverEnd: bytes.readBigUInt64BE(9),
      sentAt: timeOf(bytes, 17),
      bytes: bytes.subarray(25),
    };
  }
  if (kind === 'k' && bytes.length >= 18) {
    return {
      kind: 'keepalive',
      sentEnd: bytes.readBigUInt64BE(1),
      sentAt: timeOf(bytes, 9),
      wantsReply: bytes[17] === 1,
    };
  }
  throw new Error(`the server sent a message that is none of a log's: ${JSON.stringify(kind)}, ${bytes.length} bytes`);
}

/**
 * The message that says how far the log is stored. All three positions are that: nothing is written, flushed or applied for us
 * before the store has it.
 */
export function standbyStatus(stored: Lsn, now: number, wantsReply = false): Buffer {
  const bytes = Buffer.alloc(34);
  bytes.write('r', 0, 'latin1');
  for (const at of [1, 9, 17]) bytes.writeBigUInt64BE(stored, at);
  bytes.writeBigInt64BE(BigInt(now - EPOCH_MS) * 1_000n, 25);
  bytes[33] = wantsReply ? 1 : 0;
  return bytes;
}
