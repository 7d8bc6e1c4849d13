import type { Config } from '../config/config.ts';
import { withTimeout } from '../deadline.ts';
import type { UndoResult } from '../engines/engine.ts';
import { engineOf } from '../engines/index.ts';
import { OperatorError } from '../errors.ts';
import { withLocalNote } from '../machine/local-lock.ts';
import { drillDirectory, restoreNote } from '../machine/run-notes.ts';
import { formatBytes } from '../quantities.ts';
import { describeChanges } from '../repository/contents.ts';
import { describeLeftOut } from '../repository/left-out.ts';
import type { Repository } from '../repository/repository.ts';
import { placeOf } from '../source.ts';
import { log } from '../terminal/log.ts';
import { foundElsewhere } from './mend.ts';
import { describeMissing } from './missing.ts';
import { tablesMeant } from './pick.ts';
import { inItsTime, type Placing, putInPlace, type RestoreResult, type Times } from './put-in-place.ts';
import { type Found, findRequested, type RestoreRequest, selectTarget } from './request.ts';

export type { RestoredMoment, RestoreResult } from './put-in-place.ts';

/**
 * Restores a backup: into a staging database beside the live one, which is compared with the manifest and then put in
 * its place at once. Whatever fails before that leaves the live database as it was.
 */
export async function restore(
  config: Config,
  repository: Repository,
  request: RestoreRequest,
  outer: AbortSignal,
): Promise<RestoreResult> {
  return inItsTime(config, outer, (times) => bringBack(config, repository, request, times));
}

async function bringBack(
  config: Config,
  repository: Repository,
  given: RestoreRequest,
  times: Times,
): Promise<RestoreResult> {
  const found = await findRequested(config, repository, given, times.signal);
  // there is nothing live on another server: it goes into a database that is not there, or empty
  const request = given.target ? { ...given, to: placeOf(found.source) } : given;
  const pick = partsOf(found, request);
  const run = async () => {
    try {
      return await bringBackFound(config, repository, found, { ...request, ...pick }, times);
    } catch (error) {
      times.signal.throwIfAborted();
      const { backup, manifest } = found;
      if (!(await foundElsewhere(repository, backup, manifest, error, times.signal))) throw error;
      return await bringBackFound(config, repository, found, { ...request, ...pick }, times);
    }
  };
  if (request.to === undefined && pick.pick === undefined) return run();
  return withLocalNote(drillDirectory(config.values.DRILL_DIR), restoreNote(found.source.name), run);
}

async function bringBackFound(
  config: Config,
  repository: Repository,
  found: Found,
  request: RestoreRequest & Pick<Placing, 'pick'>,
  times: Times,
): Promise<RestoreResult> {
  const { backup, manifest } = found;
  const leftOut = describeLeftOut(manifest);
  const without = leftOut === undefined ? '' : `; left out of it: ${leftOut}`;
  log.info(`restoring ${backup.key} (${formatBytes(backup.sizeBytes)}, ${backup.createdAt.toISOString()}${without})`);
  if (request.pick) log.info(`of it alone: ${describeMissing(request.pick)}`);
  for (const sentence of manifest ? describeChanges(manifest) : []) log.warn(`files of this backup ${sentence}`);
  if (!manifest) log.warn('this backup has no manifest: its digest and row counts cannot be compared');
  const globals = await repository.globalsOf(backup, manifest, times.signal);
  return putInPlace(config, repository, { ...found, globals, reader: repository }, request, times);
}

/** What of the backup is wanted, as its engine takes it. @throws OperatorError USAGE, NO_SUCH_TABLE, RESTORE_REFUSED */
function partsOf(found: Found, { tables, paths }: RestoreRequest): Pick<Placing, 'pick'> {
  const isFolder = found.source.engine === 'files';
  if (tables && isFolder)
    throw new OperatorError('USAGE', `${found.source.name} is a folder, which has no tables`, {
      hint: 'Of a folder, name a path: --path 2026/invoice.pdf. Nothing was touched.',
    });
  if (paths && !isFolder)
    throw new OperatorError('USAGE', `${found.source.name} is a database, which has no paths`, {
      hint: 'Of a database, name a table or a schema: --table shop.invoices. Nothing was touched.',
    });
  if (paths) return { pick: paths };
  return tables ? { pick: tablesMeant(tables, found.backup, found.manifest) } : {};
}

/** Swaps the database that the last restore replaced back in. */
export async function undo(config: Config, sourceName: string | undefined, signal: AbortSignal): Promise<UndoResult> {
  const source = selectTarget(config, sourceName, undefined);
  const engine = await engineOf(source.engine);
  const result = await withTimeout(signal, config.limits.restore, 'the undo', (limited) =>
    engine.undo(source, limited),
  );
  log.info(`${result.database} is what it was before the restore; the restored one is kept as ${result.keptAs}`);
  return result;
}
