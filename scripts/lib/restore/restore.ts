import { dump } from '../backup/dump.ts';
import type { Config } from '../config/config.ts';
import { startLimit, withTimeout } from '../deadline.ts';
import type { RestoreSession, UndoResult } from '../engines/engine.ts';
import { engineOf } from '../engines/index.ts';
import { messageOf, OperatorError } from '../errors.ts';
import { withLocalNote } from '../machine/local-lock.ts';
import { drillDirectory, restoreNote } from '../machine/run-notes.ts';
import { formatBytes, formatDuration } from '../quantities.ts';
import type { Backup } from '../repository/catalog.ts';
import { compareContents, describeChanges, describeContents } from '../repository/contents.ts';
import type { Contents, Manifest } from '../repository/manifest.ts';
import type { Repository } from '../repository/repository.ts';
import type { Source } from '../source.ts';
import { command } from '../terminal/hints.ts';
import { log } from '../terminal/log.ts';
import { isKnownServer } from './known-server.ts';
import { load } from './load.ts';
import { foundElsewhere } from './mend.ts';
import { describeMissing } from './missing.ts';
import { beginProof, type Proof } from './proof.ts';
import { type Found, findRequested, type RestoreRequest, selectTarget } from './request.ts';

export interface RestoreResult {
  readonly key: string;
  readonly database: string;
  /** Under what name the replaced database is kept; null when there was none, or with `to`. */
  readonly previousDatabase: string | null;
  /** The key of the dump taken of it afterwards; null when there is none. */
  readonly safetyBackup: string | null;
  readonly tables: number;
  readonly rows: number;
  /** Of a folder. */
  readonly files?: number;
  readonly fileBytes?: number;
  /** Until the restored database was in place: what an outage would have taken. */
  readonly durationMs: number;
  /** What of owner, grants, settings and roles could not be given: the data is in place, and the restore is not whole. */
  readonly ungiven: readonly string[];
  /** What was left out because the backup's own rows or names do not let it be made, as was asked for. */
  readonly missing: readonly string[];
}

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
  const started = Date.now();
  const { signal, stop } = startLimit(outer, config.limits.restore, 'the restore');
  return bringBack(config, repository, request, { started, signal, outer, stop }).finally(stop);
}

interface Times {
  readonly started: number;
  /** Aborts when RESTORE_TIMEOUT is over. */
  readonly signal: AbortSignal;
  readonly outer: AbortSignal;
  /** Once the restored database is in place its time no longer counts. */
  stop(): void;
}

async function bringBack(
  config: Config,
  repository: Repository,
  request: RestoreRequest,
  times: Times,
): Promise<RestoreResult> {
  const found = await findRequested(config, repository, request, times.signal);
  const run = async () => {
    try {
      return await bringBackFound(config, repository, found, request, times);
    } catch (error) {
      times.signal.throwIfAborted();
      const { backup, manifest } = found;
      if (!(await foundElsewhere(repository, backup, manifest, error, times.signal))) throw error;
      return await bringBackFound(config, repository, found, request, times);
    }
  };
  if (request.to === undefined) return run();
  return withLocalNote(drillDirectory(config.values.DRILL_DIR), restoreNote(found.source.name), run);
}

async function bringBackFound(
  config: Config,
  repository: Repository,
  found: Found,
  { to, otherServer, ownSearchPath, withoutBroken, compare = false }: RestoreRequest,
  { started, signal, outer, stop }: Times,
): Promise<RestoreResult> {
  const { backup, manifest, source } = found;
  log.info(`restoring ${backup.key} (${formatBytes(backup.sizeBytes)}, ${backup.createdAt.toISOString()})`);
  for (const sentence of manifest ? describeChanges(manifest) : []) log.warn(`files of this backup ${sentence}`);
  if (!manifest) log.warn('this backup has no manifest: its digest and row counts cannot be compared');

  const globals = await repository.globalsOf(backup, manifest, signal);
  const engine = await engineOf(source.engine);
  const session = await engine.beginRestore(source, {
    ...(to === undefined ? {} : { to }),
    ...(manifest === undefined ? {} : { manifest }),
    ...(globals === undefined ? {} : { globals }),
    ...(ownSearchPath === undefined ? {} : { ownSearchPath }),
    ...(withoutBroken === undefined ? {} : { withoutBroken }),
    ...(otherServer ? {} : { isKnownServer: (id: string) => isKnownServer(repository, found, id, signal) }),
    signal,
  });
  try {
    const { contents, ungiven, missing } = await fill(repository, { backup, manifest, session, compare }, signal);

    // from here on the live database changes
    const committed = await session.commit();
    const { database, previousDatabase } = committed;
    stop();
    const durationMs = Date.now() - started;
    const rows = contents.tables.reduce((sum, table) => sum + table.rows, 0);
    log.info(`${database} is restored: ${describeContents(contents)}, in ${formatDuration(durationMs)} (RTO)`);

    const notGiven = [...ungiven, ...(committed.ungiven ?? [])];
    for (const sentence of notGiven) log.error(`${database} is ${sentence}`);
    if (missing.length > 0) log.warn(`${database} is in place without all of the backup: ${describeMissing(missing)}`);

    const safetyBackup = await keepSafe(config, repository, source, previousDatabase, outer);
    return {
      key: backup.key,
      database,
      previousDatabase,
      safetyBackup,
      tables: contents.tables.length,
      rows,
      ...(contents.files === undefined ? {} : { files: contents.files }),
      ...(contents.fileBytes === undefined ? {} : { fileBytes: contents.fileBytes }),
      durationMs,
      ungiven: notGiven,
      missing,
    };
  } catch (error) {
    if (session.isForeign) log.warn(`${session.staging} may hold a part of the backup; empty it before the next try`);
    await session.discard();
    throw error;
  } finally {
    await session.close();
  }
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

/** Fills the staging place and proves it good. Changes nothing else. */
async function fill(
  repository: Repository,
  {
    backup,
    manifest,
    session,
    compare,
  }: { backup: Backup; manifest: Manifest | undefined; session: RestoreSession; compare: boolean },
  signal: AbortSignal,
): Promise<{ contents: Contents; ungiven: readonly string[]; missing: readonly string[] }> {
  // what is not ours cannot be thrown away should the dump prove bad: read all of it first
  if (session.isForeign) for await (const _ of repository.readAll(backup, manifest, signal));
  // owner, settings and grants of the database are those of the live one, and no business of the dump's
  const order = { repository, backup, manifest, session, globals: undefined, signal };
  const proof = compare ? await beginProof(order) : undefined;
  await load({ repository, backup, manifest, session, witness: proof?.witness, signal });
  const missing = session.missing?.() ?? [];
  for (const sentence of missing) log.warn(sentence);
  const [contents, ungiven] = await Promise.all([session.contents(), session.prepare()]);
  if (manifest) assertSame(compareContents(manifest, contents));
  if (proof) await assertEqual(proof);
  return { contents, ungiven, missing };
}

async function assertEqual(proof: Proof): Promise<void> {
  const { checks, notCompared } = await proof.prove();
  for (const { what, why } of notCompared) log.info(`not compared: ${what}: ${why}`);
  assertSame(checks.filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`));
  log.info(checks.map(({ name, detail }) => `${name} ${detail}`).join('; '));
}

function assertSame(differences: readonly string[]): void {
  if (differences.length === 0) return;
  throw new OperatorError(
    'RESTORE_FAILED',
    `what was restored is not what was dumped: ${differences.slice(0, 10).join('; ')}`,
    {
      hint: `The live database is as it was. Restore another backup (${command('list')}) and find out what changed this one.`,
    },
  );
}

/** Dumps the replaced database, with nobody waiting any more. A failure is told, and the restore still counts. */
async function keepSafe(
  config: Config,
  repository: Repository,
  source: Source,
  previousDatabase: string | null,
  signal: AbortSignal,
): Promise<string | null> {
  if (previousDatabase === null) return null;
  log.info(
    `the replaced database is kept as ${previousDatabase} (${command('undo')} swaps it back); taking a safety backup of it`,
  );
  try {
    const { key } = await withTimeout(signal, config.limits.backup, 'the safety backup', (limited) =>
      dump({ repository, source, kind: 'pre-restore', putAside: previousDatabase, signal: limited }),
    );
    log.info(`safety backup: ${key}`);
    return key;
  } catch (error) {
    log.warn(
      `the restore is done, but the safety backup failed: ${messageOf(error)}. The replaced database stays as ${previousDatabase}.`,
    );
    return null;
  }
}
