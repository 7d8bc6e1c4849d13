import type { Config } from '../config/config.ts';
import { OperatorError } from '../errors.ts';
import { readsFormat } from '../formats.ts';
import type { Backup } from '../repository/catalog.ts';
import type { Repository } from '../repository/repository.ts';
import { type Source, sourceNamed, standIn } from '../source.ts';

/**
 * A backup's own source, or for one that is no longer configured a stand-in of the same engine: the throwaway server
 * needs no more. Which engine that is, its manifest says; without one, the source that the operator names, or the only
 * engine that is configured for dumps of its format.
 *
 * @param of.verb what hints call the command
 * @throws OperatorError USAGE, CONFIG
 */
export async function sourceOf(
  { config, repository, verb }: { config: Config; repository: Repository; verb: string },
  { backup, named }: { backup: Backup; named: string | undefined },
  signal: AbortSignal,
): Promise<Source> {
  // what is wrong with one that cannot be read is told by what reads it next
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
      hint: `Name a source of its kind: ${verb} KEY --source ${readers.map(({ name }) => name).join(' or ')}.`,
    });
  }
  throw new OperatorError('CONFIG', `${backup.key} belongs to a kind of source that is not configured`, {
    hint: `Configure a source for it in .env: BACKUP_SOURCE_*.`,
  });
}
