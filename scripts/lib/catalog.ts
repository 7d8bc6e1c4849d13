import { distance } from 'fastest-levenshtein';
import { OperatorError } from './errors.ts';
import {
  type Kind,
  kindKey,
  manifestKey,
  normalizePrefix,
  type ObjectCompression,
  type ObjectFormat,
  type ParsedKey,
  parseKey,
} from './object-key.ts';
import type { Storage, StoredObject } from './storages/storage.ts';

/** A backup as a listing shows it. */
export interface Backup {
  readonly key: string;
  readonly stem: string;
  readonly source: string;
  readonly kind: Kind;
  readonly createdAt: Date;
  readonly sizeBytes: number;
  /** Without one it was made by hand or by the predecessor; still listed, restored and pruned. */
  readonly hasManifest: boolean;
  readonly format: ObjectFormat;
  readonly compression: ObjectCompression;
  readonly encrypted: boolean;
  /** The object beside it that holds what the database needs of its server, where there is one. */
  readonly globalsKey: string | undefined;
}

/**
 * Every backup under the prefix, the newest first, told from the listing alone. Whatever is not named like a backup
 * is left out. A listing that fails throws; it never returns a part.
 */
export async function readCatalog(storage: Storage, prefix: string, signal: AbortSignal): Promise<Backup[]> {
  const parts = newParts();
  for await (const object of storage.list(normalizePrefix(prefix), { signal })) sortIn(parts, prefix, object);
  return assemble(parts);
}

/** The backups among these objects, the newest first. */
export function catalogOf(objects: Iterable<StoredObject>, prefix: string): Backup[] {
  const parts = newParts();
  for (const object of objects) sortIn(parts, prefix, object);
  return assemble(parts);
}

interface Parts {
  readonly data: { object: StoredObject; parsed: Extract<ParsedKey, { role: 'data' }> }[];
  readonly manifests: Set<string>;
  readonly kinds: Map<string, Kind>;
  readonly globals: Map<string, string>;
}

function newParts(): Parts {
  return { data: [], manifests: new Set(), kinds: new Map(), globals: new Map() };
}

function sortIn({ data, manifests, kinds, globals }: Parts, prefix: string, object: StoredObject): void {
  const parsed = parseKey(prefix, object.key);
  if (parsed?.role === 'data') data.push({ object, parsed });
  else if (parsed?.role === 'manifest') manifests.add(parsed.stem);
  else if (parsed?.role === 'kind') kinds.set(parsed.stem, parsed.kind);
  else if (parsed?.role === 'globals') globals.set(parsed.stem, object.key);
}

function assemble({ data, manifests, kinds, globals }: Parts): Backup[] {
  return data
    .map(({ object, parsed }) => ({
      key: object.key,
      stem: parsed.stem,
      source: parsed.source,
      kind: kinds.get(parsed.stem) ?? 'backup',
      createdAt: parsed.createdAt,
      sizeBytes: object.sizeBytes,
      hasManifest: manifests.has(parsed.stem),
      format: parsed.format,
      compression: parsed.compression,
      encrypted: parsed.encrypted,
      globalsKey: globals.get(parsed.stem),
    }))
    .sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || (a.key < b.key ? 1 : -1));
}

/** Which backup is meant: a key, or the newest of a source, at or before a time. */
export interface Selection {
  /** A key, or `latest`. */
  readonly wanted: string;
  readonly source?: string;
  readonly at?: Date;
}

/**
 * Finds the backup that is meant. `latest` never means a safety backup: it holds what a restore replaced.
 *
 * @throws OperatorError NO_SUCH_BACKUP, offering the keys that come nearest
 */
export function selectBackup(backups: readonly Backup[], prefix: string, selection: Selection): Backup {
  if (backups.length === 0) {
    throw new OperatorError('NO_SUCH_BACKUP', 'there are no backups yet', { hint: 'Take one: make backup.' });
  }
  if (selection.wanted !== 'latest') return selectKey(backups, prefix, selection.wanted);
  const { source, at } = selection;
  const newest = backups.find(
    (backup) =>
      backup.kind === 'backup' && (source === undefined || backup.source === source) && (!at || backup.createdAt <= at),
  );
  if (newest) return newest;
  const of = source === undefined ? '' : ` of source ${source}`;
  const before = at === undefined ? '' : ` at or before ${at.toISOString()}`;
  const sources = [...new Set(backups.map((backup) => backup.source))].sort();
  throw new OperatorError('NO_SUCH_BACKUP', `there is no backup${of}${before}`, {
    hint: `There are backups of: ${sources.join(', ')}. make list-backups shows all of them.`,
  });
}

function selectKey(backups: readonly Backup[], prefix: string, wanted: string): Backup {
  const keys = new Set([wanted, `${normalizePrefix(prefix)}${wanted}`]);
  const match = backups.find((backup) => keys.has(backup.key));
  if (match) return match;
  throw new OperatorError('NO_SUCH_BACKUP', `there is no such backup: ${JSON.stringify(wanted)}`, {
    hint: `Nearest: ${nearestKeys(backups, wanted).join(', ')}. make list-backups shows all of them.`,
  });
}

/** The three keys that are least edits away. Long input is cut: it is a slip of the hand, not a key. */
function nearestKeys(backups: readonly Backup[], wanted: string): string[] {
  const text = wanted.slice(0, 200);
  return backups
    .map(({ key }) => ({ key, edits: distance(key, text) }))
    .sort((a, b) => a.edits - b.edits)
    .slice(0, 3)
    .map(({ key }) => key);
}

/**
 * The keys of a backup in the order in which they must be deleted: the manifest first, so that what is half deleted
 * is no longer a backup that claims to be whole.
 */
export function keysOf(backup: Backup): { first: string[]; rest: string[] } {
  const marker = kindKey(backup.stem, backup.kind);
  return {
    first: backup.hasManifest ? [manifestKey(backup.stem)] : [],
    rest: [
      backup.key,
      ...(backup.globalsKey === undefined ? [] : [backup.globalsKey]),
      ...(marker === undefined ? [] : [marker]),
    ],
  };
}
