import { createHash } from 'node:crypto';
import type { BaseArchive } from '../engines/postgres/recovery/unpack.ts';
import { OperatorError } from '../errors.ts';
import type { ObjectCompression } from '../formats.ts';
import { baseManifestKey, parseBaseKey } from '../log/base-keys.ts';
import type { BaseManifest } from '../log/base-manifest.ts';
import type { LogStore } from '../log/store.ts';
import { decompressStages, decryptStages } from '../pipeline/codec.ts';
import type { Repository } from '../repository/repository.ts';
import { requireIdentity } from '../repository/sealed-text.ts';

const OLDER = 'An older base, with the log since then, may restore the same moment. Nothing was touched.';

/** The key of an archive of a base, by its name in the base's manifest. */
export const archiveKey = (stem: string, name: string): string => `${stem.slice(0, stem.lastIndexOf('/') + 1)}${name}`;

/**
 * The archives of a base, as they are to be unpacked: the server's own files first.
 * @throws OperatorError BACKUP_DAMAGED for a manifest that names what is none, CONFIG for an encrypted one without an identity
 */
export function archivesOf(
  { store, repository }: { store: LogStore; repository: Repository },
  stem: string,
  manifest: BaseManifest,
): BaseArchive[] {
  const archives = manifest.objects.map((object) => {
    const key = archiveKey(stem, object.name);
    const parsed = parseBaseKey(store.prefix, key);
    if (parsed?.role !== 'archive' || parsed.stem !== stem)
      throw new OperatorError(
        'BACKUP_DAMAGED',
        `${baseManifestKey(stem)} names what is no archive of it: ${object.name}`,
        {
          hint: OLDER,
        },
      );
    const { tablespace, compression, encrypted } = parsed;
    const opening = [
      ...(encrypted ? decryptStages(requireIdentity(repository.encryption.identity, key)) : []),
      ...decompressStages(compression as ObjectCompression),
    ];
    return {
      key,
      oid: tablespace === 'base' ? undefined : tablespace,
      opening,
      bytes: (signal: AbortSignal) => checked(store, key, object, signal),
    };
  });
  return archives.sort((a, b) => Number(a.oid !== undefined) - Number(b.oid !== undefined));
}

/** The stored bytes, whose iteration throws at the end unless size and digest are those of the manifest. */
export async function* checked(
  store: LogStore,
  key: string,
  expected: BaseManifest['objects'][number],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of await store.get(key, signal)) {
    hash.update(chunk);
    sizeBytes += chunk.length;
    yield chunk;
  }
  const sha256 = hash.digest('hex');
  if (sizeBytes === expected.sizeBytes && sha256 === expected.sha256) return;
  const detail =
    sizeBytes === expected.sizeBytes
      ? `its SHA-256 is ${sha256}, the manifest says ${expected.sha256}`
      : `it has ${sizeBytes} bytes, the manifest says ${expected.sizeBytes}`;
  throw new OperatorError('BACKUP_DAMAGED', `${key} is not what was stored: ${detail}`, { hint: OLDER });
}
