import type { Config } from '../config/config.ts';
import { OperatorError } from '../errors.ts';
import type { LogStore } from '../log/store.ts';
import type { Repository } from '../repository/repository.ts';
import { type DatabaseSource, serverOf } from '../source.ts';
import { command } from '../terminal/hints.ts';
import { nearestDump } from './refusal.ts';
import type { MomentTarget } from './target.ts';

/**
 * The server whose log a source's moments are in: the configured one; where PITR is off, the one of that name of which a log is
 * in the store, as on a new machine.
 * @throws OperatorError RESTORE_REFUSED when there is no log, with the nearest dump
 */
export async function serverFor(of: {
  config: Config;
  repository: Repository;
  store: LogStore;
  source: DatabaseSource;
  target: MomentTarget;
  signal: AbortSignal;
}): Promise<string> {
  const { config, repository, store, source, target, signal } = of;
  const configured = serverOf(config.servers, source);
  if (configured) return configured.name;
  const bases = await store.bases({ server: source.host }, signal);
  if (bases.some(({ hasManifest }) => hasManifest)) return source.host;
  const dump = await nearestDump(repository, source, target, signal);
  throw new OperatorError(
    'RESTORE_REFUSED',
    `no log of ${source.host} is taken (PITR is off), and none is in ${repository.description}: there are dumps, and no moments between them`,
    {
      hint: `${dump} To have every moment from now on: PITR=true in .env, then ${command('up')}. Nothing was touched.`,
    },
  );
}
