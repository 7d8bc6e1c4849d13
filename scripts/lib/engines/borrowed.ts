import type { Config } from '../config/config.ts';
import { messageOf } from '../errors.ts';
import { inParallel } from '../parallel.ts';
import type { Repository } from '../repository/repository.ts';
import { belongsTo, type DatabaseSource } from '../source.ts';
import { log } from '../terminal/log.ts';
import type { BorrowedServer } from './engine.ts';

const AT_A_TIME = 8;

/**
 * The server that DRILL_SERVER_URL names, with all that tells it from the servers that are backed up: where they are, and which they
 * are by the newest backup of each. They are not connected to.
 */
export async function borrowedServer(
  config: Config,
  repository: Repository,
  signal: AbortSignal,
): Promise<BorrowedServer | undefined> {
  const place = config.drillServer;
  if (place === undefined) return undefined;
  const sources = config.sources.filter((source): source is DatabaseSource => source.engine === 'postgres');
  const backups = await repository.backups(signal);
  const identifiers = await inParallel(sources, AT_A_TIME, async (source) => {
    const newest = backups.find((backup) => backup.hasManifest && belongsTo(source, backup.source));
    if (newest === undefined) return [];
    try {
      const id = (await repository.manifestOf(newest, signal))?.systemIdentifier;
      return id === undefined ? [] : [[id, source.name] as const];
    } catch (error) {
      signal.throwIfAborted();
      log.warn(`${newest.key} does not say where it came from: ${messageOf(error)}`);
      return [];
    }
  });
  return {
    place,
    live: [...sources, ...config.logServers.map(({ source }) => source)],
    identifiers: new Map(identifiers.flat()),
  };
}
