import * as z from 'zod/mini';
import { messageOf, OperatorError } from '../errors.ts';

const count = z.int().check(z.nonnegative());
const sha256 = z.string().check(z.regex(/^[0-9a-f]{64}$/));

const tableSchema = z.object({
  /** Schema-qualified, quoted where SQL needs it. */
  table: z.string(),
  rows: count,
});

const sequenceSchema = z.object({
  sequence: z.string(),
  /** As text: a bigint does not fit a JSON number. */
  value: z.string(),
  isCalled: z.boolean(),
  /** Sequences are outside transactions: where this one stood when the dump had ended, if it had moved. */
  valueAtEnd: z.optional(z.string()),
});

/** What is in a database and in no dump of it: sums of it as it was in the state that was dumped. */
const derivedSchema = z.object({
  table: z.string(),
  kind: z.enum(['generated columns', 'materialized view']),
  columns: z.array(z.string()),
  rows: count,
  /** As text: it does not fit a JSON number. */
  sum: z.string(),
});

const contentsSchema = z.object({
  tables: z.array(tableSchema),
  sequences: z.array(sequenceSchema),
  largeObjects: z.optional(count),
  derived: z.optional(z.array(derivedSchema)),
  /** Of its line in the dump, where a server limits what it takes at a time. */
  longestRowBytes: z.optional(count),
  /** Views, triggers, routines and events, the number of each kind, where the engine counts them. */
  codeObjects: z.optional(z.record(z.string(), count)),
  /** A folder was backed up; false for a single file. */
  isFolder: z.optional(z.boolean()),
  /** Of a folder: everything in it that is not a folder; what has several names counts once for each. */
  files: z.optional(count),
  /** What the files hold, holes included; what has several names counts once. */
  fileBytes: z.optional(count),
  /** Names, kinds, permissions, times, links and bytes: see docs/adr/0013-files.md for what is digested how. */
  treeDigest: z.optional(sha256),
  /** Owners and the set-user-ID, set-group-ID and sticky bits: apart, for not everybody may restore them. */
  ownerDigest: z.optional(sha256),
  /** `uid:gid`, and how much belongs to it; the hundred that own most. */
  owners: z.optional(z.array(z.object({ owner: z.string(), entries: count }))),
  /** Access lists (acl) and extended attributes by namespace (user, security, trusted, system): how many, and their digest. */
  attributes: z.optional(z.array(z.object({ kind: z.string(), entries: count, digest: sha256 }))),
  /** What changed, vanished or shrank while it was read: in the backup it is as it was at no one moment. */
  changed: z.optional(z.object({ total: count, names: z.array(z.string()) })),
});

/** An SQLite database in a folder. */
const sqliteSchema = z.object({
  /** Below the folder, as text. */
  path: z.string(),
  journal: z.enum(['wal', 'rollback']),
  sizeBytes: count,
  /** In the backup as of one moment; false for one that is in it as it lay on the disk. */
  isCopied: z.boolean(),
  /** What was wrong with it when it was backed up. */
  problem: z.optional(z.string()),
});

/** Names as row counts have them. */
const leftOutSchema = z.object({
  /** Tables, views and sequences that are not in it. */
  tables: z.array(z.string()),
  /** Tables that are in it without their rows, and sequences without their place. */
  data: z.array(z.string()),
  schemas: z.array(z.string()),
  /** Of a folder: the patterns. */
  patterns: z.optional(z.array(z.string())),
});

const factsSchema = z.object({
  serverVersion: z.string(),
  clientVersion: z.string(),
  encoding: z.optional(z.string()),
  collation: z.optional(z.string()),
  /** Of the database, where the dump leaves it out. */
  comment: z.optional(z.string()),
  characterType: z.optional(z.string()),
  localeProvider: z.optional(z.string()),
  locale: z.optional(z.string()),
  /** Of an ICU locale that was tailored: CREATE DATABASE … ICU_RULES, from PostgreSQL 16 on. */
  icuRules: z.optional(z.string()),
  /** In which the database lies, other than the default. */
  defaultTablespace: z.optional(z.string()),
  /** What its server or database has set of that by which data is read and made, and what a rehearsal's server needs. */
  serverSettings: z.optional(z.record(z.string(), z.string())),
  extensions: z.optional(z.array(z.object({ name: z.string(), version: z.string(), schema: z.optional(z.string()) }))),
  /** Every role that owns or is granted something in the database: what a server needs before it can be restored. */
  roles: z.optional(z.array(z.string())),
  /** Tablespaces, other than the default, that the database's relations lie in. */
  tablespaces: z.optional(z.array(z.string())),
  /** What was NOT VALID or invalid when it was dumped, and may be so again. */
  invalid: z.optional(z.array(z.string())),
  /** Where sequences of extensions stood that no dump holds: the extension did not say that it is to. */
  extensionSequences: z.optional(z.array(z.object({ sequence: z.string(), value: z.string() }))),
  /** What every new database has and this one had dropped: `schema public`, `extension plpgsql`. */
  dropped: z.optional(z.array(z.string())),
  /** Event triggers of the users', which are kept out of the way of what loads the dump. */
  eventTriggers: z.optional(z.array(z.string())),
  /** What a restore will not be able to give back as it is, as sentences. */
  warnings: z.optional(z.array(z.string())),
  /** What changes how a server reads a dump or takes its data, by the server's own names; see the engine for which. */
  settings: z.optional(z.record(z.string(), z.string())),
  /** The database's number on its server, and which file each table's rows lay in: by these the server's log names them. */
  databaseOid: z.optional(z.string()),
  tableFiles: z.optional(z.record(z.string(), z.string())),
  /** What the source's configuration had the backup leave out. */
  leftOut: z.optional(leftOutSchema),
  /** Databases in a folder. */
  sqlite: z.optional(z.array(sqliteSchema)),
  /** What `diff` tells changes by: see outline.ts. */
  outline: z.optional(z.record(z.string(), z.string())),
  /** The position in its server's log that the dumped state is, where it is one: see Snapshot. */
  exactLsn: z.optional(z.string()),
  /** Which server it came from, as that tells itself from every other. */
  systemIdentifier: z.optional(z.string()),
  /** Of the source on its server's disk. */
  databaseBytes: z.optional(count),
  /** Of its tables there, without their indexes, as the server last estimated: about what a plain dump has to hold. */
  tableBytes: z.optional(count),
});

/** A part of an object that is compressed by itself. One after the other they are the object. */
const memberSchema = z.object({
  /** Where it begins in the object as it is stored. */
  offset: count,
  sizeBytes: count,
  sha256,
  /** Before compression. */
  rawBytes: count,
  section: z.enum(['pre-data', 'data', 'post-data']),
  /** The tables that it has rows of, where it has nothing else. */
  tables: z.optional(z.array(z.string())),
  /** Before or after what else has rows, in the order of the object: what its rows are checked by reads others. */
  inOrder: z.optional(z.enum(['first', 'last'])),
});

const objectSchema = z.object({
  /** The object's key, told from where the manifest lies, whatever the prefix: `x.sql.gz`, `x/0001-data.sql.gz`. */
  name: z.string(),
  sizeBytes: count,
  sha256,
  /** Of a folder: the tables that it has rows of, where it has nothing else. */
  tables: z.optional(z.array(z.string())),
  /** Of a dump that can be read and loaded in parts: `gunzip` and what is like it see one stream. */
  members: z.optional(z.array(memberSchema).check(z.minLength(1))),
  /** Statements: what is set for the session where the first rows begin. */
  settings: z.optional(z.array(z.string())),
});

const manifestSchema = z.object({
  version: z.literal(1),
  source: z.string(),
  engine: z.string(),
  database: z.string(),
  kind: z.string(),
  /** The moment whose state was dumped. */
  createdAt: z.iso.datetime(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  ...factsSchema.shape,
  format: z.string(),
  compression: z.string(),
  encryption: z.nullable(z.string()),
  /** What `auto` came to, and why: `2 jobs: …`, `gzip, because …`. */
  chosen: z.optional(z.array(z.string())),
  objects: z.array(objectSchema).check(z.minLength(1)),
  /** Of an encrypted backup, `derived` encrypted as the dump is: a sum of few values could be guessed. */
  sealedDerived: z.optional(z.string()),
  /** Bytes of the dump before compression. */
  rawBytes: count,
  ...contentsSchema.shape,
});

/** What the engine knows of a source before it dumps it. */
export type SourceFacts = z.infer<typeof factsSchema>;
/** What a dump holds, or what was restored of it. */
export type Contents = z.infer<typeof contentsSchema>;
export type LeftOut = z.infer<typeof leftOutSchema>;
export type SqliteCopy = z.infer<typeof sqliteSchema>;
export type DerivedSum = z.infer<typeof derivedSchema>;
export type TableCount = z.infer<typeof tableSchema>;
export type ObjectMember = z.infer<typeof memberSchema>;
export type StoredObjectFacts = z.infer<typeof objectSchema>;
/** The document beside a backup that says what it is and that it was completed. */
export type Manifest = z.infer<typeof manifestSchema>;

/** The schema of `sealedDerived`, once it is opened. */
export const derivedListSchema = z.array(derivedSchema);

/** @throws OperatorError BACKUP_DAMAGED naming the key and the first thing that is wrong with it */
export function parseManifest(key: string, bytes: Uint8Array): Manifest {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw damaged(key, messageOf(error));
  }
  const result = manifestSchema.safeParse(document);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw damaged(key, `${issue?.path.join('.') || 'document'}: ${issue?.message ?? 'not as expected'}`);
}

function damaged(key: string, detail: string): OperatorError {
  return new OperatorError('BACKUP_DAMAGED', `the manifest ${key} cannot be read: ${detail}`, {
    hint: 'Restore another backup of this source (list-backups). The object beside it may be whole all the same.',
  });
}
