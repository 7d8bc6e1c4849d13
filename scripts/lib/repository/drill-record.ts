import * as z from 'zod/mini';

import { manifestKey, normalizePrefix, parseKey, stemOf } from './object-key.ts';

const checkSchema = z.object({ name: z.string(), ok: z.boolean(), detail: z.string() });

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
});

/** What a drill found, as it is kept in the storage. */
export type DrillRecord = z.infer<typeof recordSchema>;

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

export function encodeRecord(record: DrillRecord): Buffer {
  return Buffer.from(`${JSON.stringify(record, null, 2)}\n`);
}

/** The record, or undefined when it cannot be read: it is then as good as none. */
export function parseRecord(bytes: Uint8Array): DrillRecord | undefined {
  try {
    const result = recordSchema.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}
