import type { Config } from '../config/config.ts';
import { OperatorError } from '../errors.ts';
import { FORMATS, readsFormat } from '../formats.ts';
import { type MomentTarget, type MomentWords, targetOf } from '../moment/target.ts';
import type { Backup } from '../repository/catalog.ts';
import type { Manifest } from '../repository/manifest.ts';
import type { Repository } from '../repository/repository.ts';
import { type Source, sourceNamed } from '../source.ts';
import { command } from '../terminal/hints.ts';
import { log } from '../terminal/log.ts';
import { timeOf } from '../terminal/read-time.ts';

/** What the operator asked for. */
export interface RestoreRequest {
  /** A key, or `latest`. */
  readonly wanted: string;
  readonly source?: string;
  readonly at?: Date;
  /** Restore beside the live database under this name, and swap nothing. */
  readonly to?: string;
  /** The live database may be replaced on a server that none of the source's backups came from. */
  readonly otherServer?: boolean;
  /** Compare every row and definition with the dump before anything live changes. */
  readonly compare?: boolean;
  /** Load with the search path that the database has. */
  readonly ownSearchPath?: boolean;
  /** Go on without what the dump's own rows or names do not let be made. */
  readonly withoutBroken?: boolean;
}

/** A moment that the operator asked for, which no backup has to be of. */
export type MomentRequest = Omit<RestoreRequest, 'wanted' | 'at'> & { readonly target: MomentTarget };

/** The options of the verb, as they were typed. */
export interface RestoreWords extends MomentWords {
  readonly source?: string | undefined;
  readonly to?: string | undefined;
  readonly compare?: boolean | undefined;
  readonly undo?: boolean | undefined;
  readonly 'other-server'?: boolean | undefined;
  readonly 'own-search-path'?: boolean | undefined;
  readonly 'without-broken'?: boolean | undefined;
}

/**
 * What the operator's words ask for.
 * @throws OperatorError USAGE for words that do not go together
 */
export function readRequest(
  options: RestoreWords,
  words: readonly string[],
):
  | ({ readonly verb: 'restore' } & RestoreRequest)
  | ({ readonly verb: 'moment' } & MomentRequest)
  | { readonly verb: 'undo'; readonly source: string | undefined } {
  const { source, at, mark, xid, lsn, to, undo, compare } = options;
  const { 'other-server': otherServer, 'own-search-path': ownSearchPath, 'without-broken': withoutBroken } = options;
  const [wanted, ...others] = words;
  if (others.length > 0) throw usage(`one backup at a time: ${words.join(' ')}`);
  if (undo) {
    const isOther = [wanted, to, at, mark, xid, lsn].some((word) => word !== undefined);
    if (isOther || compare || withoutBroken)
      throw usage('--undo takes no backup, no moment, and neither --to, --compare nor --without-broken');
    return { verb: 'undo', source };
  }
  if (to === '') throw usage('--to wants a database name');
  const isMoment = wanted === undefined || wanted === '';
  const target = isMoment ? targetOf(options) : undefined;
  if (isMoment && target === undefined)
    throw usage('what is to be restored? Give a key or latest, or a moment: --at, --mark, --xid or --lsn');
  if (!isMoment && [mark, xid, lsn].some((word) => word !== undefined))
    throw usage('--mark, --xid and --lsn mean a moment of the log, and go with no backup');
  if (!isMoment && at !== undefined && wanted !== 'latest') throw usage('--at goes with latest, or with no backup');
  const how = {
    ...(source === undefined ? {} : { source }),
    ...(to === undefined ? {} : { to }),
    ...(otherServer === undefined ? {} : { otherServer }),
    ...(compare ? { compare } : {}),
    ...(ownSearchPath === undefined ? {} : { ownSearchPath }),
    ...(withoutBroken === undefined ? {} : { withoutBroken }),
  };
  if (target !== undefined) return { verb: 'moment', target, ...how };
  return { verb: 'restore', wanted: wanted ?? '', ...(at === undefined ? {} : { at: timeOf(at) }), ...how };
}

function usage(message: string): OperatorError {
  return new OperatorError('USAGE', message, {
    hint: `${command('restoreKey')}; ${command('list')} shows the keys.`,
  });
}

/** The backup that was asked for, and where it is to go. */
export interface Found {
  readonly backup: Backup;
  readonly manifest: Manifest | undefined;
  readonly source: Source;
  /** Of all sources, the newest first. */
  readonly backups: readonly Backup[];
}

/**
 * @throws OperatorError USAGE when it is not clear which source is meant, or there is none of that name;
 *   NO_SUCH_BACKUP; CONFIG when it is encrypted and the secret key is not there
 */
export async function findRequested(
  config: Config,
  repository: Repository,
  request: RestoreRequest,
  signal: AbortSignal,
): Promise<Found> {
  const backups = await repository.backups(signal);
  const isLatest = request.wanted === 'latest';
  const latestOf = isLatest ? selectTarget(config, request.source, undefined).name : undefined;
  const backup = repository.select(backups, {
    wanted: request.wanted,
    ...(latestOf === undefined ? {} : { source: latestOf }),
    ...(request.at === undefined ? {} : { at: request.at }),
  });
  const source = selectTarget(config, request.source, backup);
  repository.assertReadable(backup);
  if (source.name !== backup.source) log.warn(`a backup of ${backup.source} is restored into source ${source.name}`);
  const manifest = await repository.manifestOf(backup, signal);
  assertOfOneKind(backup, manifest, source);
  return { backup, manifest, source, backups };
}

/** @throws OperatorError RESTORE_REFUSED for a dump that the engine of the source does not read */
function assertOfOneKind(backup: Backup, manifest: Manifest | undefined, { name, engine }: Source): void {
  if (manifest ? manifest.engine === engine : readsFormat(engine, backup.format)) return;
  const of = manifest?.engine ?? FORMATS[backup.format].engines.join(' or ');
  const what = readsFormat('files', backup.format) ? 'an archive of files' : `a dump of a database (${of})`;
  throw new OperatorError('RESTORE_REFUSED', `${backup.key} is ${what}, and ${name} is a source of ${engine}`, {
    hint: 'Restore it into a source of its own kind: --source NAME. Nothing was touched.',
  });
}

/** The configured source to restore into: the one named, the backup's own, or the only one there is. */
export function selectTarget(config: Config, name: string | undefined, backup: Backup | undefined): Source {
  const known = config.sources.map((source) => source.name).join(', ');
  const wanted = name ?? backup?.source ?? (config.sources.length === 1 ? config.sources[0]?.name : undefined);
  if (wanted === undefined) {
    throw new OperatorError('USAGE', 'there are several sources: say which one', {
      hint: `--source with one of: ${known}.`,
    });
  }
  const source = sourceNamed(config.sources, wanted);
  if (source) return source;
  throw new OperatorError('USAGE', `no source ${JSON.stringify(wanted)} is configured`, {
    hint: `Configured: ${known}. To restore a backup of another one into one of these: --source NAME.`,
  });
}
