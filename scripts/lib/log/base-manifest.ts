import * as z from 'zod/mini';
import { messageOf, OperatorError } from '../errors.ts';
import { parseLsn } from './lsn.ts';

const count = z.int().check(z.nonnegative());
const lsn = z.string().check(z.refine((text) => parseLsn(text) !== undefined, 'is no position in a log'));

const schema = z.object({
  version: z.literal(1),
  kind: z.literal('base'),
  server: z.string(),
  engine: z.string(),
  /** The chain whose log goes on from it; null for a base that restores its own end alone. */
  chain: z.nullable(z.string()),
  systemIdentifier: z.string(),
  timeline: count,
  /** Where recovery begins, and where it is consistent: positions in the log. */
  startLsn: lsn,
  endLsn: lsn,
  /** By the server's clock. Nothing before `endedAt` can be restored from this base. */
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime(),
  walSegmentBytes: count,
  serverVersion: z.string(),
  databases: z.array(
    z.object({
      oid: z.string(),
      name: z.string(),
      bytes: z.nullable(count),
      collation: z.optional(z.string()),
      characterType: z.optional(z.string()),
    }),
  ),
  tablespaces: z.array(z.object({ oid: z.string(), location: z.string() })),
  /** As the server had them: text sorts otherwise under another version of a collation. */
  collationVersions: z.optional(z.record(z.string(), z.string())),
  preloadLibraries: z.optional(z.array(z.string())),
  /** The superuser that initdb made, as whom a recovered server is entered. */
  superuser: z.optional(z.string()),
  /** `x86_64`, `aarch64`: files of one are none of another's. */
  architecture: z.optional(z.string()),
  /** By which data is read and made, as a dump's manifest has it. */
  serverSettings: z.optional(z.record(z.string(), z.string())),
  /** When the base had ended: every transaction with this number or a later one was committed after it. */
  nextXid: z.optional(z.string()),
  /** Then: a transaction with this number or a later one may have been committed after it. */
  oldestXid: z.optional(z.string()),
  compression: z.string(),
  encryption: z.nullable(z.string()),
  /** Names told from where the manifest lies, in the order of the stream. */
  objects: z.array(
    z.object({
      name: z.string(),
      sizeBytes: count,
      sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
      rawBytes: count,
    }),
  ),
  rawBytes: count,
});

/** The document beside a base that says what it is and that it was completed. */
export type BaseManifest = z.infer<typeof schema>;

export function encodeBaseManifest(manifest: BaseManifest): Buffer {
  return Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
}

/** @throws OperatorError BACKUP_DAMAGED naming the key and the first thing that is wrong with it */
export function parseBaseManifest(key: string, bytes: Uint8Array): BaseManifest {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw damaged(key, messageOf(error));
  }
  const result = schema.safeParse(document);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw damaged(key, `${issue?.path.join('.') || 'document'}: ${issue?.message ?? 'not as expected'}`);
}

function damaged(key: string, detail: string): OperatorError {
  return new OperatorError('BACKUP_DAMAGED', `the manifest ${key} cannot be read: ${detail}`, {
    hint: 'Another base of this server may restore the moment that is wanted; find out what changed this one.',
  });
}
