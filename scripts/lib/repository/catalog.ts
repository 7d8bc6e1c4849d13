import { distance } from 'fastest-levenshtein';
import { OperatorError } from '../errors.ts';
import { compareKeys } from '../storages/keys.ts';
import type { Storage, StoredObject } from '../storages/storage.ts';
import { command } from '../terminal/hints.ts';
import { type Backup, type Leftover, Listing } from './listed.ts';
import { normalizePrefix } from './object-key.ts';

export type { Backup, Leftover, StoredPart } from './listed.ts';

/** With what the keys of backups begin: their years, also those of a clock that stood at 1970. */
const CENTURIES = ['1', '2'];

/**
 * Every backup under the prefix, the newest first, told from the listing alone. Whatever is not named like a backup
 * is left out. A listing that fails throws; it never returns a part.
 */
export async function readCatalog(storage: Storage, prefix: string, signal: AbortSignal): Promise<Backup[]> {
  return (await readCatalogAndLeftovers(storage, prefix, signal)).backups;
}

/** As readCatalog, with what is no backup and never became one. */
export async function readCatalogAndLeftovers(
  storage: Storage,
  prefix: string,
  signal: AbortSignal,
): Promise<{ backups: Backup[]; leftovers: Leftover[] }> {
  const listing = new Listing(prefix);
  for await (const object of objectsOfYears(storage, prefix, signal)) listing.add(object);
  return listing.end();
}

/** Every object below a year: of backups, and not of a server's log, which has them by the hundred thousand. */
export async function* objectsOfYears(
  storage: Storage,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<StoredObject> {
  for (const century of CENTURIES) {
    const asked = `${normalizePrefix(prefix)}${century}`;
    for await (const object of storage.list(asked, { signal })) {
      // a store that answers with more than it was asked for would have each of them twice
      if (object.key.startsWith(asked)) yield object;
    }
  }
}

/** The backups among these objects, the newest first. */
export function catalogOf(objects: Iterable<StoredObject>, prefix: string): Backup[] {
  const listing = new Listing(prefix);
  for (const object of [...objects].sort((a, b) => compareKeys(a.key, b.key))) listing.add(object);
  return listing.end().backups;
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
    throw new OperatorError('NO_SUCH_BACKUP', 'there are no backups yet', { hint: `Take one: ${command('backup')}.` });
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
    hint: `There are backups of: ${sources.join(', ')}. ${command('list')} shows all of them.`,
  });
}

function selectKey(backups: readonly Backup[], prefix: string, wanted: string): Backup {
  const whole = `${normalizePrefix(prefix)}${wanted}`;
  const keys = new Set([wanted, whole, `${wanted}/`, `${whole}/`]);
  const match = backups.find((backup) => keys.has(backup.key));
  if (match) return match;
  throw new OperatorError('NO_SUCH_BACKUP', `there is no such backup: ${JSON.stringify(wanted)}`, {
    hint: `Nearest: ${nearestKeys(backups, wanted).join(', ')}. ${command('list')} shows all of them.`,
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
