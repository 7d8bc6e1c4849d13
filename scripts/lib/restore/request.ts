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
import { namesIn } from './pick.ts';
import { targetOf as serverOf, type TargetWords } from './target.ts';

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
  /** These tables or schemas alone, beside the live database. */
  readonly tables?: readonly string[];
  /** These paths of a folder alone, beside it. */
  readonly paths?: readonly string[];
  /** Into another server. */
  readonly target?: TargetWords;
}

/** A moment that the operator asked for, which no backup has to be of. */
export type MomentRequest = Omit<RestoreRequest, 'wanted' | 'at' | 'target'> & { readonly target: MomentTarget };

/** The options of the verb, as they were typed. */
export interface RestoreWords extends MomentWords {
  readonly source?: string | undefined;
  readonly to?: string | undefined;
  readonly compare?: boolean | undefined;
  readonly undo?: boolean | undefined;
  readonly 'other-server'?: boolean | undefined;
  readonly 'own-search-path'?: boolean | undefined;
  readonly 'without-broken'?: boolean | undefined;
  readonly table?: readonly string[] | undefined;
  readonly path?: readonly string[] | undefined;
  readonly target?: string | undefined;
  readonly confirm?: string | undefined;
  readonly 'same-server'?: boolean | undefined;
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
  const { table, path: paths } = options;
  const { target: targetUrl, confirm, 'same-server': sameServer } = options;
  const isPart = table !== undefined || paths !== undefined;
  if (undo) {
    const isOther = [wanted, to, at, mark, xid, lsn].some((word) => word !== undefined);
    if (isOther || compare || withoutBroken || isPart || targetUrl !== undefined)
      throw usage(
        '--undo takes no backup, no moment, and none of --to, --target, --table, --path, --compare and --without-broken',
      );
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
  if (table !== undefined && paths !== undefined)
    throw usage('--table is of a database, --path of a folder: only one of them');
  if (isPart && isMoment)
    throw usage('--table and --path go with a backup; latest with --at takes the newest at or before a time');
  if (targetUrl === undefined && (confirm !== undefined || sameServer))
    throw usage('--confirm and --same-server go with --target');
  if (targetUrl !== undefined && to !== undefined)
    throw usage('the database of --target stands in its URL: leave out --to');
  if (targetUrl !== undefined && isMoment) throw usage('--target goes with a backup, not with a moment');
  const tables = table?.flatMap(namesIn);
  if (tables?.length === 0) throw usage('--table wants the name of a table, or of a schema');
  for (const path of paths ?? []) assertInside(path);
  const how = {
    ...(tables === undefined ? {} : { tables }),
    ...(paths === undefined ? {} : { paths: paths.map((path) => path.replace(/^(\.\/)+/, '').replace(/\/+$/, '')) }),
    ...(source === undefined ? {} : { source }),
    ...(to === undefined ? {} : { to }),
    ...(otherServer === undefined ? {} : { otherServer }),
    ...(compare ? { compare } : {}),
    ...(ownSearchPath === undefined ? {} : { ownSearchPath }),
    ...(withoutBroken === undefined ? {} : { withoutBroken }),
  };
  if (target !== undefined) return { verb: 'moment', target, ...how };
  const elsewhere =
    targetUrl === undefined ? {} : { target: { url: targetUrl, confirm, sameServer: sameServer === true } };
  return {
    verb: 'restore',
    wanted: wanted ?? '',
    ...(at === undefined ? {} : { at: timeOf(at) }),
    ...how,
    ...elsewhere,
  };
}

/** @throws OperatorError USAGE for a path that does not lie in a folder */
function assertInside(path: string): void {
  if (path !== '' && !path.startsWith('/') && !path.split('/').includes('..')) return;
  throw usage(`--path ${JSON.stringify(path)} is no path in a folder, such as 2026/invoice.pdf`);
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
  repository.assertReadable(backup);
  const source = request.target
    ? await serverOf(config, request.target, await repository.manifestOf(backup, signal), signal)
    : selectTarget(config, request.source, backup);
  if (!request.target && source.name !== backup.source)
    log.warn(`a backup of ${backup.source} is restored into source ${source.name}`);
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
