import { messageOf } from '../errors.ts';
import type { Repository } from '../repository/repository.ts';
import { log } from '../terminal/log.ts';
import type { Found } from './request.ts';

/** At most this many manifests are read, the newest first: somebody waits for the restore. */
const LOOKED_AT = 50;

/**
 * Whether the backup that is restored, or one of the source's own, came from a server. One that does not say where it
 * came from may have come from there.
 */
export async function isKnownServer(
  repository: Repository,
  { backup, manifest, source, backups }: Found,
  systemIdentifier: string,
  signal: AbortSignal,
): Promise<boolean> {
  if (manifest?.systemIdentifier === undefined || manifest.systemIdentifier === systemIdentifier) return true;
  const others = backups.filter(
    (other) => other.source === source.name && other.key !== backup.key && other.hasManifest,
  );
  for (const other of others.slice(0, LOOKED_AT)) {
    try {
      const known = (await repository.manifestOf(other, signal))?.systemIdentifier;
      if (known === undefined || known === systemIdentifier) return true;
    } catch (error) {
      signal.throwIfAborted();
      log.warn(`${other.key} does not say where it came from: ${messageOf(error)}`);
    }
  }
  return false;
}
