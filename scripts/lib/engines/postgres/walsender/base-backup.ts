import { type Lsn, parseLsn } from '../../../log/lsn.ts';
import type { CopyQuery } from './copy-query.ts';

export interface BaseOptions {
  readonly label: string;
  /** Bytes a second that the server may send; undefined for as many as it can. It takes 32 KiB to 1 GiB. */
  readonly maxBytesPerSecond?: number;
}

/** What a base backup consists of, in the order in which it comes. */
export type BaseMessage =
  | {
      readonly kind: 'begin';
      readonly startLsn: Lsn;
      readonly timeline: number;
      readonly tablespaces: readonly Tablespace[];
    }
  /** What follows until the next is a tar archive: `base.tar`, or `<oid>.tar` of the tablespace at `location`. */
  | { readonly kind: 'archive'; readonly name: string; readonly location: string }
  /** What follows is backup_manifest. */
  | { readonly kind: 'manifest' }
  | { readonly kind: 'data'; readonly bytes: Buffer }
  /** Bytes done, as the server estimates. */
  | { readonly kind: 'progress'; readonly bytes: number }
  | { readonly kind: 'end'; readonly endLsn: Lsn; readonly timeline: number };

export interface Tablespace {
  /** Undefined for the data directory itself. */
  readonly oid: string | undefined;
  readonly location: string | undefined;
  /** As the server estimates; undefined when it does not. */
  readonly sizeBytes: number | undefined;
}

const KIB = 1_024;

/**
 * The command, with everything that a base needs to be restored alone: its log is in the archive, its manifest at the end.
 * https://www.postgresql.org/docs/current/protocol-replication.html#PROTOCOL-REPLICATION-BASE-BACKUP
 */
export function baseCommand({ label, maxBytesPerSecond }: BaseOptions, quote: (text: string) => string): string {
  const rate =
    maxBytesPerSecond === undefined
      ? []
      : [`MAX_RATE ${Math.min(1_048_576, Math.max(32, Math.floor(maxBytesPerSecond / KIB)))}`];
  const options = [
    `LABEL ${quote(label)}`,
    "CHECKPOINT 'fast'",
    'WAIT false',
    'WAL true',
    "MANIFEST 'yes'",
    'PROGRESS true',
    ...rate,
  ];
  return `BASE_BACKUP (${options.join(', ')})`;
}

/** The messages of a base backup's answer. */
export async function* readBase(query: CopyQuery): AsyncGenerator<BaseMessage> {
  let start: { startLsn: Lsn; timeline: number } | undefined;
  let hasBegun = false;
  const tablespaces: Tablespace[] = [];
  for await (const answer of query) {
    if (answer.kind === 'row') {
      const { recptr, tli, spcoid, spclocation, size } = answer.fields;
      if (recptr === undefined) {
        // from the server in KiB
        const sizeBytes = size == null ? undefined : Number(size) * KIB;
        tablespaces.push({ oid: spcoid ?? undefined, location: spclocation ?? undefined, sizeBytes });
      } else if (start === undefined) start = { startLsn: lsnOf(recptr), timeline: Number(tli) };
      else yield { kind: 'end', endLsn: lsnOf(recptr), timeline: Number(tli) };
      continue;
    }
    if (!hasBegun) {
      hasBegun = true;
      if (start === undefined) throw new Error('the server sent a base without saying where it begins');
      yield { kind: 'begin', ...start, tablespaces };
    }
    yield messageOf(answer.bytes);
  }
}

function lsnOf(text: string | null): Lsn {
  const lsn = parseLsn(text ?? '');
  if (lsn === undefined) throw new Error(`the server sent a position that is none: ${JSON.stringify(text)}`);
  return lsn;
}

function messageOf(bytes: Buffer): BaseMessage {
  const kind = String.fromCharCode(bytes[0] ?? 0);
  switch (kind) {
    case 'n': {
      const [name = '', location = ''] = bytes.subarray(1).toString('utf8').split('\0');
      return { kind: 'archive', name, location };
    }
    case 'm':
      return { kind: 'manifest' };
    case 'd':
      return { kind: 'data', bytes: bytes.subarray(1) };
    case 'p':
      return { kind: 'progress', bytes: Number(bytes.readBigInt64BE(1)) };
    default:
      throw new Error(`the server sent a message that is none of a base's: ${JSON.stringify(kind)}`);
  }
}
