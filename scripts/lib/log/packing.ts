import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { messageOf, OperatorError } from '../errors.ts';
import { readChain, startChain } from '../pipeline/chain.ts';
import { decompressStages, decryptStages, encryptStages } from '../pipeline/codec.ts';
import { wrongIdentity } from '../repository/sealed-text.ts';
import type { LogCompression } from './keys.ts';

type Pack = (bytes: Uint8Array, options: zlib.ZlibOptions) => Promise<Buffer>;

/** From node 22.15 on. The types are those of an older node. */
const { zstdCompress, zstdDecompress } = zlib as unknown as {
  zstdCompress?: (
    bytes: Uint8Array,
    options: { params: Record<number, number> },
    done: (error: Error | null, packed: Buffer) => void,
  ) => void;
  zstdDecompress?: (bytes: Uint8Array, done: (error: Error | null, raw: Buffer) => void) => void;
};

/** ZSTD_c_compressionLevel and ZSTD_c_checksumFlag of zstd.h, the same in every version. */
const ZSTD_FASTEST = { 100: 1, 201: 1 };

/** What the log is compressed with here: zstd where node has it, four times as fast as gzip on a log, else gzip. */
export const LOG_COMPRESSION: LogCompression = zstdCompress ? 'zstd' : 'gzip';

/** The bytes compressed, at the fastest level, with a checksum inside. */
export async function pack(raw: Uint8Array): Promise<Buffer> {
  if (zstdCompress) {
    const run = promisify(zstdCompress) as (bytes: Uint8Array, options: object) => Promise<Buffer>;
    return run(raw, { params: ZSTD_FASTEST });
  }
  return (promisify(zlib.gzip) as Pack)(raw, { level: 1 });
}

/** Encrypts to age recipients; without any, the bytes as they are. */
export async function seal(bytes: Uint8Array, recipients: readonly string[], signal: AbortSignal): Promise<Uint8Array> {
  const stages = encryptStages(recipients);
  return stages.length === 0 ? bytes : through(stages, bytes, signal);
}

/**
 * The inverse of pack and seal.
 * @throws OperatorError BACKUP_DAMAGED naming the key, CONFIG for one that is encrypted without an identity
 */
export async function unpack(
  stored: Uint8Array,
  how: { key: string; compression: LogCompression; identity: string | undefined; encrypted: boolean },
  signal: AbortSignal,
): Promise<Uint8Array> {
  try {
    const opened = how.encrypted ? await through(decryptStages(how.identity ?? ''), stored, signal) : stored;
    if (how.compression === 'none') return opened;
    if (how.compression === 'gzip') return await promisify(zlib.gunzip)(opened);
    if (zstdDecompress) return await (promisify(zstdDecompress) as (bytes: Uint8Array) => Promise<Buffer>)(opened);
    return await through(decompressStages('zstd'), opened, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof OperatorError && error.code === 'TOOL_MISSING') throw error;
    throw wrongIdentity(how.key, messageOf(error)) ?? damagedLog(how.key, messageOf(error), error);
  }
}

/** The error for an object of the log that is not what was stored. */
export function damagedLog(key: string, detail: string, cause?: unknown): OperatorError {
  return new OperatorError('BACKUP_DAMAGED', `${key} is not what was stored: ${detail}`, {
    hint: 'Moments after this place need this object: restore an earlier one, or bring the object back from a copy of the store.',
    cause,
  });
}

async function through(
  stages: Parameters<typeof startChain>[0],
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<Buffer> {
  const chain = startChain(stages, { stdin: true, stdout: true, signal });
  chain.stdin?.on('error', () => {});
  chain.stdin?.end(bytes);
  const chunks: Uint8Array[] = [];
  for await (const chunk of readChain(chain, { signal })) chunks.push(chunk);
  return Buffer.concat(chunks);
}
