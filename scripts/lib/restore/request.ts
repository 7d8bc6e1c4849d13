import type { Config } from '../config/config.ts';
import { OperatorError } from '../errors.ts';
import { type Backup, readCatalog, selectBackup } from '../repository/catalog.ts';
import type { Manifest } from '../repository/manifest.ts';
import { readManifest } from '../repository/read.ts';
import { requireIdentity } from '../repository/sealed-text.ts';
import type { SourceConfig } from '../source.ts';
import type { Storage } from '../storages/storage.ts';
import { log } from '../terminal/log.ts';

/** What the operator asked for. */
export interface RestoreRequest {
  /** A key, or `latest`. */
  readonly wanted: string;
  readonly source?: string;
  readonly at?: Date;
  /** Restore beside the live database under this name, and swap nothing. */
  readonly to?: string;
}

/** The backup that was asked for, and where it is to go. */
export interface Found {
  readonly backup: Backup;
  readonly manifest: Manifest | undefined;
  readonly source: SourceConfig;
}

/**
 * @throws OperatorError USAGE when it is not clear which source is meant, or there is none of that name;
 *   NO_SUCH_BACKUP; CONFIG when it is encrypted and the secret key is not there
 */
export async function findRequested(
  config: Config,
  storage: Storage,
  request: RestoreRequest,
  signal: AbortSignal,
): Promise<Found> {
  const backups = await readCatalog(storage, config.prefix, signal);
  const isLatest = request.wanted === 'latest';
  const latestOf = isLatest ? selectTarget(config, request.source, undefined).name : undefined;
  const backup = selectBackup(backups, config.prefix, {
    wanted: request.wanted,
    ...(latestOf === undefined ? {} : { source: latestOf }),
    ...(request.at === undefined ? {} : { at: request.at }),
  });
  const source = selectTarget(config, request.source, backup);
  if (backup.encrypted) requireIdentity(config.encryption.identity, backup.key);
  if (source.name !== backup.source) log.warn(`a backup of ${backup.source} is restored into source ${source.name}`);
  return { backup, manifest: await readManifest(storage, backup, config.encryption.identity, signal), source };
}

/** The configured source to restore into: the one named, the backup's own, or the only one there is. */
export function selectTarget(config: Config, name: string | undefined, backup: Backup | undefined): SourceConfig {
  const known = config.sources.map((source) => source.name).join(', ');
  const wanted = name ?? backup?.source ?? (config.sources.length === 1 ? config.sources[0]?.name : undefined);
  if (wanted === undefined) {
    throw new OperatorError('USAGE', 'there are several sources: say which one', {
      hint: `--source with one of: ${known}.`,
    });
  }
  const exact = config.sources.find((source) => source.name === wanted);
  if (exact) return exact;
  const expanded = config.sources.find((source) => source.database === '*' && wanted.startsWith(`${source.name}.`));
  if (expanded) return { ...expanded, name: wanted, database: wanted.slice(expanded.name.length + 1) };
  throw new OperatorError('USAGE', `no source ${JSON.stringify(wanted)} is configured`, {
    hint: `Configured: ${known}. To restore a backup of another one into one of these: --source NAME.`,
  });
}
