import type { Config } from '../config/config.ts';
import { expandSources } from '../engines/sources.ts';
import { OperatorError } from '../errors.ts';
import { readsFormat } from '../formats.ts';
import type { Backup } from '../repository/catalog.ts';
import type { Repository } from '../repository/repository.ts';
import { type Source, sourceNamed, standIn } from '../source.ts';

/** Which backups to rehearse: one by key, or the latest of each source or of one. */
export interface DrillRequest {
  readonly wanted?: string;
  readonly source?: string;
}

/** A source, and the backup of it that is rehearsed; without one, why there is none where that is known. */
interface Selected {
  readonly source: Source;
  readonly backup?: Backup;
  readonly problem?: string;
}

/**
 * Which backup of which source is rehearsed.
 * @throws OperatorError USAGE for a source that is not known, NO_SUCH_BACKUP, CONFIG for a backup of no configured kind
 */
export async function selectDrills(
  config: Config,
  repository: Repository,
  request: DrillRequest,
  signal: AbortSignal,
): Promise<Selected[]> {
  const backups = await repository.backups(signal);
  if (request.wanted !== undefined && request.wanted !== 'latest') {
    const backup = repository.select(backups, { wanted: request.wanted });
    return [{ source: await sourceOf(config, repository, { backup, named: request.source }, signal), backup }];
  }
  const known = await expandSources(config.sources, signal);
  const wanted = known.filter(({ source }) => request.source === undefined || source.name === request.source);
  if (wanted.length === 0) {
    throw new OperatorError('USAGE', `there is no source ${JSON.stringify(request.source)}`, {
      hint: `Configured: ${known.map(({ source }) => source.name).join(', ')}.`,
    });
  }
  return wanted.map(({ source, problem }) => {
    const backup = backups.find((candidate) => candidate.source === source.name && candidate.kind === 'backup');
    return { source, ...(backup ? { backup } : {}), ...(problem === undefined ? {} : { problem }) };
  });
}

/**
 * A backup's own source, or for one that is no longer configured a stand-in of the same engine: the throwaway server
 * needs no more. Which engine that is, its manifest says; without one, the source that the operator names, or the only
 * engine that is configured for dumps of its format.
 */
async function sourceOf(
  config: Config,
  repository: Repository,
  { backup, named }: { backup: Backup; named: string | undefined },
  signal: AbortSignal,
): Promise<Source> {
  // one that cannot be read is the drill's own finding
  const manifest = await repository.manifestOf(backup, signal).catch(() => undefined);
  const reads = ({ engine }: Source) => (manifest ? engine === manifest.engine : readsFormat(engine, backup.format));
  const own = sourceNamed(config.sources, named ?? backup.source);
  if (own && reads(own)) return named === undefined ? own : standIn(own, backup.source);
  if (named !== undefined && !own)
    throw new OperatorError('USAGE', `there is no source ${JSON.stringify(named)}`, {
      hint: `Configured: ${config.sources.map(({ name }) => name).join(', ')}.`,
    });
  const readers = config.sources.filter(reads);
  const [reader] = readers;
  if (reader && readers.every(({ engine }) => engine === reader.engine)) {
    return standIn(reader, backup.source);
  }
  if (reader) {
    const engines = [...new Set(readers.map(({ engine }) => engine))].join(' or ');
    throw new OperatorError('USAGE', `${backup.key} has no manifest, so it is not known whether it is of ${engines}`, {
      hint: `Name a source of its kind: drill KEY --source ${readers.map(({ name }) => name).join(' or ')}.`,
    });
  }
  throw new OperatorError('CONFIG', `${backup.key} belongs to a kind of source that is not configured`, {
    hint: `Configure a source for it in .env: BACKUP_SOURCE_*.`,
  });
}
