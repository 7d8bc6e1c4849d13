import { statSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import type { CopySettings } from '../config/copies.ts';
import { retentionFor } from '../config/own-settings.ts';
import { OperatorError } from '../errors.ts';
import { openRepository, type Repository } from '../repository/repository.ts';
import type { Policies } from '../repository/retention.ts';
import type { Lock } from '../storages/storage.ts';

/** What the store of S3_* or BACKUP_DIR is called beside copies. */
export const PRIMARY = 'primary';

/** A store of backups: the primary one, or a copy. */
export interface Store {
  /** `primary`, or the copy's name. */
  readonly name: string;
  readonly repository: Repository;
  readonly retention: Policies;
  /** The lock that the operator asked for. */
  readonly lock: Lock | undefined;
  /** The key that it is opened with, to tell which stores one key opens; undefined for a folder or a role. */
  readonly accessKey: string | undefined;
  /** Where it is: two stores of one place go together. */
  readonly place: string;
  /** How old its newest backup may become. */
  readonly rpoTargetMs: number;
  /** Whether the log of servers belongs into it. */
  readonly hasLog: boolean;
}

/** The primary store as one of several. */
export function primaryStore(config: Config, repository: Repository): Store {
  return {
    name: PRIMARY,
    repository,
    retention: (source) => retentionFor(config, source),
    ...factsOf(config.repository.storage),
    get rpoTargetMs() {
      return config.rpoTargetMs;
    },
    hasLog: true,
  };
}

/** Opens every copy, or those that are named. Nothing is connected to yet. @throws OperatorError USAGE, CONFIG */
export async function openCopies(config: Config, names: readonly string[] = []): Promise<Store[]> {
  const meant = names.length === 0 ? config.copies : names.map((name) => copyNamed(config, name));
  return Promise.all(meant.map((settings) => openCopy(config, settings)));
}

async function openCopy(config: Config, settings: CopySettings): Promise<Store> {
  const { COPY_SCHEDULE } = config.values;
  return {
    name: settings.name,
    repository: await openRepository({
      storage: settings.storage,
      prefix: settings.prefix,
      encryption: config.repository.encryption,
      variable: settings.variable,
      ...(settings.uploadBytesPerSecond === undefined ? {} : { uploadBytesPerSecond: settings.uploadBytesPerSecond }),
    }),
    retention: settings.hasOwnRules
      ? settings.retention
      : (source) => ({ ...retentionFor(config, source), minBackups: minBackupsOf(config, settings, source) }),
    ...factsOf(settings.storage),
    // worked out when it is asked for: see config.ts
    get rpoTargetMs() {
      const betweenMs = COPY_SCHEDULE === 'off' ? 0 : COPY_SCHEDULE.longestIntervalMs();
      return settings.rpoTargetMs ?? config.rpoTargetMs + 2 * betweenMs;
    },
    hasLog: settings.hasLog,
  };
}

/** A floor of its own holds for every source, too. */
function minBackupsOf(config: Config, { retention }: CopySettings, source: string): number {
  const isOwn = retention.minBackups !== config.retention.minBackups;
  return isOwn ? retention.minBackups : retentionFor(config, source).minBackups;
}

function factsOf(storage: CopySettings['storage']): Pick<Store, 'lock' | 'accessKey' | 'place'> {
  if (storage.kind === 'directory') return { lock: undefined, accessKey: undefined, place: diskOf(storage.path) };
  const { lock, accessKey, endpoint, region } = storage;
  return { lock, accessKey, place: endpoint ?? `AWS ${region}` };
}

/** The file system that a folder lies on. */
function diskOf(path: string): string {
  try {
    return `disk ${statSync(path).dev}`;
  } catch {
    return path;
  }
}

/** @throws OperatorError USAGE for a name that no COPY_<NAME> has */
export function copyNamed(config: Config, name: string): CopySettings {
  const found = config.copies.find((copy) => copy.name === name.toLowerCase());
  if (found) return found;
  const known = config.copies.map((copy) => copy.name);
  throw new OperatorError('USAGE', `there is no copy ${JSON.stringify(name)}`, {
    hint: known.length === 0 ? 'None is configured: COPY_<NAME> in .env.' : `Configured: ${known.join(', ')}.`,
  });
}

/** Whether the failure means that a store is not there now, and not that it refuses or that something of it is wrong. */
export function isAway(error: unknown): boolean {
  return error instanceof OperatorError && (error.code === 'STORAGE' || error.code === 'TIMEOUT');
}
