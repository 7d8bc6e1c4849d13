import type { Storage } from '../../scripts/lib/storages/storage.ts';

/** `sizeBytes` bytes that repeat only far apart, the same ones every time, in chunks of `chunkBytes`. */
export async function* generated(sizeBytes: number, chunkBytes: number): AsyncGenerator<Buffer> {
  for (let start = 0; start < sizeBytes; start += chunkBytes) {
    const chunk = Buffer.alloc(Math.min(chunkBytes, sizeBytes - start), start % 251);
    if (chunk.length >= 8) chunk.writeDoubleLE(start, 0);
    yield chunk;
  }
}

export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function keysOf(storage: Storage, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list(prefix)) keys.push(key);
  return keys;
}
