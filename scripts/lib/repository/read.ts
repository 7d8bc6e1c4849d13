import { createHash } from 'node:crypto';
import { messageOf, OperatorError } from '../errors.ts';
import { isSplit } from '../formats.ts';
import { readChain, startChain } from '../pipeline/chain.ts';
import { decompressStages, decryptStages } from '../pipeline/codec.ts';
import type { Storage } from '../storages/storage.ts';
import { command } from '../terminal/hints.ts';
import { log } from '../terminal/log.ts';
import type { Backup } from './catalog.ts';
import type { Manifest, ObjectMember } from './manifest.ts';
import { entryOf, rangeOf } from './members.ts';
import { manifestKey, nameBesideManifest } from './object-key.ts';
import { isSealed, openText, requireIdentity, wrongIdentity } from './sealed-text.ts';
import type { Shelf } from './shelf.ts';

/**
 * The manifest of a backup, or undefined when it has none. What cannot be read in one of several stores is read in the
 * next.
 */
export async function readManifest(shelf: Shelf, backup: Backup, signal: AbortSignal): Promise<Manifest | undefined> {
  if (!backup.hasManifest) return undefined;
  const { storage } = shelf;
  const key = manifestKey(backup.stem);
  for (;;) {
    const stored = await readSmall(storage, key, signal);
    try {
      return await manifestFrom(shelf, backup, stored, signal);
    } catch (error) {
      const next = isDamage(error) ? shelf.distrust?.(key) : undefined;
      if (next === undefined) throw error;
      log.warn(`${messageOf(error)}: reading it from ${next}`);
    }
  }
}

/** Whether bytes were not what was stored. */
export function isDamage(error: unknown): boolean {
  return error instanceof OperatorError && error.code === 'BACKUP_DAMAGED';
}

/** The manifest as it is in its object. @throws OperatorError BACKUP_DAMAGED, CONFIG */
export async function manifestFrom(
  { encryption }: Shelf,
  backup: Backup,
  stored: Buffer,
  signal: AbortSignal,
): Promise<Manifest> {
  const key = manifestKey(backup.stem);
  const text = stored.toString('utf8');
  // the library that checks it takes a quarter of a verb's start, and most runs read no manifest
  const { parseManifest } = await import('./manifest.ts');
  const manifest = parseManifest(
    key,
    isSealed(text) ? Buffer.from(await openText(text, key, encryption.identity, signal)) : stored,
  );
  assertBelongs(manifest, backup, key);
  return manifest;
}

/** A whole object, for those that are documents. */
export async function readSmall(storage: Storage, key: string, signal: AbortSignal): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of await storage.get(key, { signal })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A manifest that was copied here from elsewhere vouches for nothing. */
function assertBelongs(manifest: Manifest, backup: Backup, key: string): void {
  const time = backup.createdAt.toISOString();
  if (manifest.source === backup.source && manifest.createdAt === time) return;
  throw new OperatorError(
    'BACKUP_DAMAGED',
    `${key} belongs to another backup: it says ${manifest.source} at ${manifest.createdAt}, the key says ${backup.source} at ${time}`,
    { hint: `Somebody copied or renamed it. Restore another backup of this source (${command('list')}).` },
  );
}

/** One object of a backup. */
export interface BackupObject {
  readonly key: string;
  /** Which of a folder's objects; undefined for a backup of a single one. */
  readonly part?: string;
}

/**
 * The objects that a backup's dump consists of, in their order.
 * @throws OperatorError BACKUP_DAMAGED when one that the manifest lists is not there
 */
export function objectsOf(backup: Backup, manifest: Manifest | undefined): readonly BackupObject[] {
  if (!isSplit(backup.format)) return [{ key: backup.key }];
  if (!manifest) return backup.parts;
  const here = new Map(backup.parts.map((part) => [nameBesideManifest(backup.stem, part.key), part]));
  const folder = nameBesideManifest(backup.stem, backup.key);
  return manifest.objects
    .filter(({ name }) => name.startsWith(folder))
    .map(({ name }) => {
      const part = here.get(name);
      if (part) return part;
      throw new OperatorError('BACKUP_DAMAGED', `${backup.key} is not whole: ${name} is not there`, {
        hint: `Restore another backup of this source (${command('list')}), and find out what deleted it.`,
      });
    });
}

/**
 * Every byte of a backup, one object after the other, each as readObject has it.
 * @throws OperatorError BACKUP_DAMAGED
 */
export async function* readAll(
  shelf: Shelf,
  backup: Backup,
  manifest: Manifest | undefined,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (const { key } of objectsOf(backup, manifest)) yield* readObject(shelf, backup, { key }, manifest, signal);
}

/**
 * What the database needs of its server, as it was stored beside the dump; undefined when nothing was.
 * @throws OperatorError BACKUP_DAMAGED, or CONFIG when it is encrypted and there is no identity
 */
export async function readGlobals(
  shelf: Shelf,
  backup: Backup,
  manifest: Manifest | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  const key = backup.globalsKey;
  // without a manifest nothing vouches for it, and it is run with the rights to make roles
  if (key === undefined || !manifest) return undefined;
  const object = readObject(shelf, backup, { key }, manifest, signal);
  const stages = [
    ...(backup.encrypted ? decryptStages(requireIdentity(shelf.encryption.identity, key)) : []),
    ...decompressStages('gzip'),
  ];
  const chain = startChain(stages, { stdin: true, stdout: true, signal });
  const chunks: Uint8Array[] = [];
  const reading = (async () => {
    for await (const chunk of readChain(chain, { signal })) chunks.push(chunk);
  })();
  // a failure to feed is the cause of the failure to read, and is thrown in its place
  reading.catch(() => {});
  try {
    for await (const chunk of object) chain.stdin?.write(chunk);
    chain.stdin?.end();
  } catch (error) {
    chain.kill();
    throw error;
  }
  await reading.catch((error: unknown) => {
    throw wrongIdentity(key, messageOf(error)) ?? error;
  });
  return Buffer.concat(chunks).toString('utf8');
}

/** What of an object is read. */
export interface Wanted {
  readonly key: string;
  /** This member alone; all of it without. */
  readonly member?: ObjectMember | undefined;
}

/**
 * The object's bytes, or those of a member, whose iteration throws at the end unless size and digest are those of the manifest.
 * Without a manifest there is nothing to compare with.
 *
 * @throws OperatorError BACKUP_DAMAGED
 */
export async function* readObject(
  { storage }: Shelf,
  backup: Backup,
  { key, member }: Wanted,
  manifest: Manifest | undefined,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const object = entryOf(backup, key, manifest);
  if (manifest && !object) {
    throw new OperatorError('BACKUP_DAMAGED', `the manifest of ${key} does not list it`, {
      hint: `Restore another backup of this source (${command('list')}).`,
    });
  }
  const expected = member ?? object;
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of await storage.get(key, { range: member && rangeOf(member, object), signal })) {
    hash.update(chunk);
    sizeBytes += chunk.length;
    yield chunk;
  }
  if (!expected) return;
  const sha256 = hash.digest('hex');
  if (sizeBytes === expected.sizeBytes && sha256 === expected.sha256) return;
  const part = member && `its part at byte ${member.offset}`;
  const detail =
    sizeBytes === expected.sizeBytes
      ? `${part ? `the SHA-256 of ${part}` : 'its SHA-256'} is ${sha256}, the manifest says ${expected.sha256}`
      : `${part ?? 'it'} has ${sizeBytes} bytes, the manifest says ${expected.sizeBytes}`;
  throw new OperatorError('BACKUP_DAMAGED', `${key} is not what was stored: ${detail}`, {
    hint: `Restore another backup of this source (${command('list')}), and find out what changed this one.`,
  });
}
