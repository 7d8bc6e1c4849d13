import { borrowedServer } from '../engines/borrowed.ts';
import type { Rehearsal } from '../engines/engine.ts';
import { engineOf } from '../engines/index.ts';
import { OperatorError } from '../errors.ts';
import { formatBytes } from '../quantities.ts';
import type { Backup } from '../repository/catalog.ts';
import { describeLeftOut } from '../repository/left-out.ts';
import type { Manifest } from '../repository/manifest.ts';
import { load } from '../restore/load.ts';
import { foundElsewhere } from '../restore/mend.ts';
import { selectTarget } from '../restore/request.ts';
import { sourceOf } from '../restore/source-of.ts';
import type { DatabaseSource } from '../source.ts';
import { log } from '../terminal/log.ts';
import type { BroughtUp, LookOrder } from './order.ts';
import type { LookRequest } from './request.ts';

/** Restores a backup on a throwaway server, under the name that its database had. */
export async function bringUpBackup(order: LookOrder, request: LookRequest): Promise<BroughtUp> {
  const { config, repository, signal } = order;
  const { wanted = 'latest', source: named, at } = request;
  const backups = await repository.backups(signal);
  const latestOf = wanted === 'latest' ? selectTarget(config, named, undefined).name : undefined;
  const backup = repository.select(backups, {
    wanted,
    ...(latestOf === undefined ? {} : { source: latestOf }),
    ...(at === undefined ? {} : { at }),
  });
  repository.assertReadable(backup);
  const source = await sourceOf({ config, repository, verb: 'look' }, { backup, named }, signal);
  if (source.engine === 'files')
    throw new OperatorError('USAGE', `${backup.key} is of a folder, which no server can be asked about`, {
      hint: `Unpack it beside, and look into that: restore ${backup.key} --to /a/new/folder.`,
    });
  const manifest = await repository.manifestOf(backup, signal);
  log.info(
    `bringing up ${backup.key} (${formatBytes(backup.sizeBytes)}, ${backup.createdAt.toISOString()}) on a throwaway server`,
  );
  const leftOut = describeLeftOut(manifest);
  if (leftOut !== undefined) log.info(`left out of it: ${leftOut}`);
  if (!manifest) log.warn('this backup has no manifest: its digest cannot be compared');
  const material = { backup, manifest, source: { ...source, database: manifest?.database ?? source.database } };
  try {
    return await bringUp(order, material);
  } catch (error) {
    if (!(await foundElsewhere(repository, backup, manifest, error, signal))) throw error;
    return await bringUp(order, material);
  }
}

interface Material {
  readonly backup: Backup;
  readonly manifest: Manifest | undefined;
  readonly source: DatabaseSource;
}

async function bringUp(order: LookOrder, material: Material): Promise<BroughtUp> {
  const { config, repository, directory, signal } = order;
  const { backup, manifest, source } = material;
  const globals = await repository.globalsOf(backup, manifest, signal);
  const engine = await engineOf(source.engine);
  const rehearsal = await engine.rehearse(source, {
    directory,
    manifest,
    hasGlobals: globals !== undefined,
    storedBytes: backup.sizeBytes,
    isForLooking: true,
    ...(source.engine === 'postgres' ? { borrowed: await borrowedServer(config, repository, signal) } : {}),
    signal,
  });
  try {
    await fill(order, material, { rehearsal, globals });
    return {
      key: backup.key,
      source: source.name,
      place: rehearsal.source as DatabaseSource,
      what: `${source.database} of ${backup.createdAt.toISOString()}`,
      stop: () => rehearsal.stop(),
    };
  } catch (error) {
    await rehearsal.stop();
    throw error;
  }
}

async function fill(
  { repository, signal }: LookOrder,
  { backup, manifest, source }: Material,
  { rehearsal, globals }: { rehearsal: Rehearsal; globals: string | undefined },
): Promise<void> {
  const engine = await engineOf(source.engine);
  const session = await engine.beginRestore(rehearsal.source, {
    ...(manifest ? { manifest } : {}),
    ...(globals === undefined ? {} : { globals }),
    rehearses: true,
    signal,
  });
  try {
    await load({ repository, backup, manifest, session, signal });
    for (const sentence of await session.prepare()) log.info(`here, the database is ${sentence}`);
    await session.commit();
  } finally {
    await session.close();
  }
}
