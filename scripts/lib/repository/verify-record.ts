import * as z from 'zod/mini';
import { manifestKey, normalizePrefix, parseKey, stemOf } from './object-key.ts';
import { readSmall } from './read.ts';
import type { Shelf } from './shelf.ts';

const lockSchema = z.object({ mode: z.enum(['compliance', 'governance']), until: z.iso.datetime() });

const recordSchema = z.object({
  version: z.literal(1),
  /** `primary`, or the copy's name. */
  store: z.string(),
  ok: z.boolean(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  /** What was read back, by the keys without the prefix. */
  backups: z.array(
    z.object({ key: z.string(), ok: z.boolean(), sizeBytes: z.number(), detail: z.optional(z.string()) }),
  ),
  /** What somebody with these keys could destroy, tried on an object made for that; null when it could not be tried. */
  protection: z.nullable(
    z.object({
      isDeletable: z.boolean(),
      isOverwritable: z.boolean(),
      keepsVersions: z.boolean(),
      lock: z.nullable(lockSchema),
      refusal: z.string(),
    }),
  ),
  /** How the newest backup is locked; null when it is not, or when it cannot be told. */
  newestLock: z.nullable(lockSchema),
  /** Keys that somebody has written over. */
  rewritten: z.array(z.string()),
  /** The store under another name that what was put here was found in. */
  sameAs: z.nullable(z.string()),
});

/** What reading a store back has found, as it is kept in that store. */
export type VerifyRecord = z.infer<typeof recordSchema>;

/** The prefix under which the records of verify lie. */
export function verifiedPrefix(prefix: string): string {
  return `${normalizePrefix(prefix)}verified/`;
}

/** Stores a record. @returns its key: `[prefix/]verified/YYYY/MM/DD/<store>_HHMMSS.json` */
export async function keepVerified(
  { storage, prefix }: Shelf,
  record: VerifyRecord,
  signal: AbortSignal,
): Promise<string> {
  const key = manifestKey(stemOf(verifiedPrefix(prefix), record.store, new Date(record.startedAt)));
  await storage.put(key, once(Buffer.from(`${JSON.stringify(record, null, 2)}\n`)), {
    contentType: 'application/json',
    signal,
  });
  return key;
}

/** The records of the runs since a time, the newest first, and the newest one whatever its time. One that cannot be read is left out. */
export async function readVerified(
  { storage, prefix }: Shelf,
  since: Date,
  signal: AbortSignal,
): Promise<VerifyRecord[]> {
  const found: { key: string; at: Date }[] = [];
  for await (const { key } of storage.list(verifiedPrefix(prefix), { signal })) {
    const parsed = parseKey(verifiedPrefix(prefix), key);
    if (parsed?.role === 'manifest') found.push({ key, at: parsed.createdAt });
  }
  found.sort((a, b) => b.at.getTime() - a.at.getTime());
  const records: VerifyRecord[] = [];
  for (const [index, { key, at }] of found.entries()) {
    if (index > 0 && at < since) break;
    const record = parse(await readSmall(storage, key, signal));
    if (record) records.push(record);
  }
  return records;
}

function parse(bytes: Uint8Array): VerifyRecord | undefined {
  try {
    const result = recordSchema.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
