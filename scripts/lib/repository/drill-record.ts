import * as z from 'zod/mini';
import { manifestKey, normalizePrefix, parseKey, stemOf } from './object-key.ts';
import { readSmall } from './read.ts';
import { openText, sealText } from './sealed-text.ts';
import type { Shelf } from './shelf.ts';

const checkSchema = z.object({ name: z.string(), ok: z.boolean(), detail: z.string() });

const proofSchema = z.object({
  tables: z.number(),
  rows: z.number(),
  /**
   * Of the rows as they passed while the dump was loaded: a later drill of the same backup must see the same. Of an
   * encrypted backup they are keyed by its identity, for a table of one row could be guessed.
   */
  sums: z.array(z.object({ table: z.string(), rows: z.number(), sum: z.string() })),
  /** What was not compared, or may differ, and why. */
  notCompared: z.array(z.object({ what: z.string(), why: z.string() })),
  durationMs: z.number(),
});

const recordSchema = z.object({
  version: z.literal(1),
  key: z.nullable(z.string()),
  source: z.string(),
  ok: z.boolean(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  /** The backup's age when the drill began: what would have been lost. */
  rpoMs: z.nullable(z.number()),
  /** From the first byte asked for to the last check: how long the restore took. */
  rtoMs: z.nullable(z.number()),
  sizeBytes: z.nullable(z.number()),
  rawBytes: z.nullable(z.number()),
  /** Of the dump before compression. */
  bytesPerSecond: z.nullable(z.number()),
  tables: z.array(z.object({ table: z.string(), expected: z.nullable(z.number()), restored: z.nullable(z.number()) })),
  checks: z.array(checkSchema),
  proof: z.optional(proofSchema),
});

const storedSchema = z.extend(recordSchema, {
  /** Under BACKUP_MANIFEST_PRIVATE: tables, proof and what the checks say, encrypted as the manifest is. */
  sealed: z.optional(z.string()),
});

const sealedSchema = z.pick(recordSchema, { tables: true, checks: true, proof: true });

/** What a drill found, as it is kept in the storage. */
export type DrillRecord = z.infer<typeof recordSchema>;
type StoredRecord = z.infer<typeof storedSchema>;

/** What the drills of a server are kept under, beside those of sources: what it recovers is its log. */
export const drillOfServer = (server: string): string => `server:${server}`;

const FOLDER = 'drills/';

/** The prefix under which every drill's record lies. */
export function drillsPrefix(prefix: string): string {
  return `${normalizePrefix(prefix)}${FOLDER}`;
}

/** `[prefix/]drills/YYYY/MM/DD/<name>_HHMMSS.json`. */
export function drillKey(prefix: string, source: string, startedAt: Date): string {
  return manifestKey(stemOf(drillsPrefix(prefix), source, startedAt));
}

/** The source and time of a record's key; undefined for anything else. */
export function parseDrillKey(prefix: string, key: string): { source: string; at: Date } | undefined {
  const parsed = parseKey(drillsPrefix(prefix), key);
  return parsed?.role === 'manifest' ? { source: parsed.source, at: parsed.createdAt } : undefined;
}

export function encodeRecord(record: StoredRecord): Buffer {
  return Buffer.from(`${JSON.stringify(record, null, 2)}\n`);
}

/** The record, or undefined when it cannot be read: it is then as good as none. */
export function parseRecord(bytes: Uint8Array): StoredRecord | undefined {
  try {
    const result = storedSchema.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}

/** A drill's record, told from its key. */
export interface StoredDrill {
  readonly key: string;
  readonly at: Date;
}

/** The newest drill of each source, from a listing. */
export async function newestDrills({ storage, prefix }: Shelf, signal: AbortSignal): Promise<Map<string, StoredDrill>> {
  const newest = new Map<string, StoredDrill>();
  for await (const { key } of storage.list(drillsPrefix(prefix), { signal })) {
    const parsed = parseDrillKey(prefix, key);
    if (!parsed) continue;
    const known = newest.get(parsed.source);
    if (!known || known.at <= parsed.at) newest.set(parsed.source, { key, at: parsed.at });
  }
  return newest;
}

/** The record itself; undefined when it cannot be understood. */
export async function readDrill(
  { storage, encryption }: Shelf,
  { key }: StoredDrill,
  signal: AbortSignal,
): Promise<DrillRecord | undefined> {
  const record = parseRecord(await readSmall(storage, key, signal));
  if (record?.sealed === undefined || encryption.identity === undefined) return record;
  try {
    const { sealed, ...rest } = record;
    return { ...rest, ...sealedSchema.parse(JSON.parse(await openText(sealed, key, encryption.identity, signal))) };
  } catch {
    // of another identity: what is told in the clear stays true
    return record;
  }
}

/** What a record says of the contents goes to those alone who may read the backup; the rest is for status. */
async function seal(record: DrillRecord, recipients: readonly string[], signal: AbortSignal): Promise<StoredRecord> {
  const { tables, checks, proof, ...rest } = record;
  return {
    ...rest,
    tables: [],
    checks: checks.map(({ name, ok }) => ({ name, ok, detail: 'encrypted: BACKUP_AGE_IDENTITY opens it' })),
    sealed: await sealText(JSON.stringify({ tables, checks, proof }), recipients, signal),
  };
}

/** Stores a record. @returns its key */
export async function keepDrill(
  { storage, prefix, encryption }: Shelf,
  record: DrillRecord,
  signal: AbortSignal,
): Promise<string> {
  const key = drillKey(prefix, record.source, new Date(record.startedAt));
  const kept = encryption.privateManifest ? await seal(record, encryption.recipients, signal) : record;
  await storage.put(key, once(encodeRecord(kept)), { contentType: 'application/json', signal });
  return key;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
