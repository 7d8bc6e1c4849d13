import type { Config } from '../config/config.ts';
import { expandSources } from '../engines/sources.ts';
import { OperatorError } from '../errors.ts';
import type { Backup } from '../repository/catalog.ts';
import type { Repository } from '../repository/repository.ts';
import { sourceOf } from '../restore/source-of.ts';
import type { Source } from '../source.ts';

/** Which backups to rehearse: one by key, or the latest of each source or of one. */
export interface DrillRequest {
  readonly wanted?: string;
  readonly source?: string;
}

/** A source, and the backup of it that is rehearsed; without one, why there is none where that is known. */
export interface Selected {
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
    const of = { config, repository, verb: 'drill' };
    return [{ source: await sourceOf(of, { backup, named: request.source }, signal), backup }];
  }
  const known = await expandSources(config.sources, signal);
  const isMeant = ({ name, own }: Source) =>
    request.source === undefined ? own?.isDrilled !== false : name === request.source;
  const wanted = known.filter(({ source }) => isMeant(source));
  if (wanted.length === 0 && request.source !== undefined) {
    throw new OperatorError('USAGE', `there is no source ${JSON.stringify(request.source)}`, {
      hint: `Configured: ${known.map(({ source }) => source.name).join(', ')}.`,
    });
  }
  return wanted.map(({ source, problem }) => {
    const backup = backups.find((candidate) => candidate.source === source.name && candidate.kind === 'backup');
    return { source, ...(backup ? { backup } : {}), ...(problem === undefined ? {} : { problem }) };
  });
}
