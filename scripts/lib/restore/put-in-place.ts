import { dump } from '../backup/dump.ts';
import type { Config } from '../config/config.ts';
import { startLimit, withTimeout } from '../deadline.ts';
import { engineOf } from '../engines/index.ts';
import type { Picked, RestoreSession } from '../engines/restoring.ts';
import { messageOf, OperatorError } from '../errors.ts';
import { formatDuration } from '../quantities.ts';
import { compareContents, describeContents } from '../repository/contents.ts';
import type { Contents } from '../repository/manifest.ts';
import type { Repository } from '../repository/repository.ts';
import { placeOf, type Source } from '../source.ts';
import { command } from '../terminal/hints.ts';
import { log } from '../terminal/log.ts';
import { isKnownServer } from './known-server.ts';
import { load } from './load.ts';
import { describeMissing } from './missing.ts';
import { pickedContents } from './pick.ts';
import { beginProof, type Proof } from './proof.ts';
import type { Found, RestoreRequest } from './request.ts';

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
  /** Of what was picked out: for each table, what copies its rows into the live database. */
  readonly copy?: readonly string[];
  /** Of a restore to a moment. */
  readonly moment?: RestoredMoment;
}

/** How far a restore to a moment went. */
export interface RestoredMoment {
  /** As it was asked for: a time in UTC, `the mark x`, `transaction 8749`, `position 0/8D0007D0`. */
  readonly asked: string;
  readonly server: string;
  /** Where in the log it ends. */
  readonly lsn: string;
  /** When the last transaction that is in was committed; null when there is none since the base. */
  readonly lastIn: string | null;
  /** When the first one that is not in was committed; null when the log has none. */
  readonly firstOut: string | null;
  /** The number of that transaction. */
  readonly firstOutXid: string | null;
}

/** How long a restore may take, and since when it runs. */
export interface Times {
  readonly started: number;
  /** Aborts when RESTORE_TIMEOUT is over. */
  readonly signal: AbortSignal;
  readonly outer: AbortSignal;
  /** Once the restored database is in place its time no longer counts. */
  stop(): void;
}

/** Runs a restore within RESTORE_TIMEOUT. @throws OperatorError TIMEOUT, as `outer` aborts, as the restore throws */
export async function inItsTime(
  config: Config,
  outer: AbortSignal,
  restore: (times: Times) => Promise<RestoreResult>,
): Promise<RestoreResult> {
  const started = Date.now();
  const { signal, stop } = startLimit(outer, config.limits.restore, 'the restore');
  return restore({ started, signal, outer, stop }).finally(stop);
}

/** What is to be put in place, wherever it comes from. */
export interface Material extends Found {
  /** What the database needs of its server. */
  readonly globals: string | undefined;
  /** Gives its bytes: the repository, or what stands in for it. */
  readonly reader: Repository;
  /** What it holds, where that is known only once it has been read. */
  readonly contents?: () => Promise<Contents>;
}

/** How it is to be put in place. */
export type Placing = Pick<RestoreRequest, 'to' | 'otherServer' | 'ownSearchPath' | 'withoutBroken' | 'compare'> & {
  /** See RestoreOptions.pick. */
  readonly pick?: readonly string[];
};

/**
 * Fills a staging place, proves it good, and puts it in the place of the live one. Whatever fails before that leaves the live
 * one as it was.
 */
export async function putInPlace(
  config: Config,
  repository: Repository,
  material: Material,
  { to, otherServer, ownSearchPath, withoutBroken, compare = false, pick }: Placing,
  { started, signal, outer, stop }: Times,
): Promise<RestoreResult> {
  const { backup, manifest, source, globals } = material;
  const engine = await engineOf(source.engine);
  const session = await engine.beginRestore(source, {
    ...(to === undefined ? {} : { to }),
    ...(pick === undefined ? {} : { pick }),
    ...(manifest === undefined ? {} : { manifest }),
    ...(globals === undefined ? {} : { globals }),
    ...(ownSearchPath === undefined ? {} : { ownSearchPath }),
    ...(withoutBroken === undefined ? {} : { withoutBroken }),
    ...(otherServer ? {} : { isKnownServer: (id: string) => isKnownServer(repository, material, id, signal) }),
    signal,
  });
  try {
    const { contents, ungiven, missing } = await fill(
      material,
      { session, compare: compare || pick !== undefined },
      signal,
    );

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

    const isElsewhere = database === placeOf(source);
    const copy = session.picked && (isElsewhere ? [] : await copying(session.picked, database, outer));
    if (copy && to === undefined)
      log.info(`${database} is kept for RESTORE_PROTECT_DAYS; ${command('cleanupPicked')} removes it at once`);

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
      ...(copy ? { copy } : {}),
    };
  } catch (error) {
    if (session.isForeign) log.warn(`${session.staging} may hold a part of the backup; empty it before the next try`);
    await session.discard();
    throw error;
  } finally {
    await session.close();
  }
}

/** Fills the staging place and proves it good. Changes nothing else. */
async function fill(
  { backup, manifest, reader, contents: told }: Material,
  { session, compare }: { session: RestoreSession; compare: boolean },
  signal: AbortSignal,
): Promise<{ contents: Contents; ungiven: readonly string[]; missing: readonly string[] }> {
  // what is not ours cannot be thrown away should the dump prove bad: read all of it first
  if (session.isForeign) for await (const _ of reader.readAll(backup, manifest, signal));
  // owner, settings and grants of the database are those of the live one, and no business of the dump's
  const { picked } = session;
  const order = {
    ...{ repository: reader, backup, session, globals: undefined, signal },
    // which tables are among what is picked is known once it is loaded, and asked for then
    get manifest() {
      return manifest && picked ? pickedContents(manifest, picked.holds) : manifest;
    },
  };
  const proof = compare ? await beginProof(order) : undefined;
  await load({ repository: reader, backup, manifest, session, witness: proof?.witness, signal });
  const [found, ungiven] = await Promise.all([session.contents(), session.prepare()]);
  const missing = session.missing?.() ?? [];
  for (const sentence of missing) log.warn(sentence);
  const expected = manifest && { ...manifest, ...(await told?.()) };
  const isOfTables = picked && backup.format !== 'tar';
  const contents = isOfTables ? pickedContents(found, picked.holds) : found;
  if (expected && !picked) assertSame(compareContents(expected, contents));
  if (expected && isOfTables) assertSame(compareContents(pickedContents(expected, picked.holds), contents));
  if (proof) await assertEqual(proof, picked);
  return { contents, ungiven, missing };
}

/** What copies what was picked out. It is there, whether this can be said or not. */
async function copying(picked: Picked, database: string, signal: AbortSignal): Promise<readonly string[]> {
  try {
    return await picked.copying(database);
  } catch (error) {
    signal.throwIfAborted();
    log.warn(`what copies the rows into the live database cannot be told: ${messageOf(error)}`);
    return [];
  }
}

async function assertEqual(proof: Proof, picked: Picked | undefined): Promise<void> {
  const { checks, notCompared } = await proof.prove();
  // of what else the definitions made, nothing is promised
  const isMeant = (what: string) => !picked || picked.holds(what.replace(/^TABLE /, ''));
  for (const { what, why } of notCompared.filter((each) => isMeant(each.what)))
    log.info(`not compared: ${what}: ${why}`);
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
      dump({ repository, source, kind: 'pre-restore', kept: previousDatabase, signal: limited }),
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
