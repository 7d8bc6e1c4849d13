import { chmodSync, readdirSync, renameSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Config } from '../config/config.ts';
import { startLimit } from '../deadline.ts';
import { folderPrefix, removeLeftoverFolders } from '../engines/database/throwaway.ts';
import { besidePath, freeTime, lookAt } from '../engines/files/swap/place.ts';
import { isHalfSwapped, swap } from '../engines/files/swap/swap.ts';
import { completeUnderLock, underSwapLock } from '../engines/files/swap/swap-lock.ts';
import { undoAt } from '../engines/files/undo.ts';
import { assertAtRest, readDataFolder, removeTraces } from '../engines/postgres/recovery/data-folder.ts';
import { checkChecksums } from '../engines/postgres/recovery/prove.ts';
import type { Recovered } from '../engines/postgres/recovery/recover.ts';
import { assertTablespaces, placeTablespaces, tablespacesOf } from '../engines/postgres/recovery/tablespaces.ts';
import { connect } from '../engines/postgres/server/connection.ts';
import { systemIdentifier } from '../engines/postgres/server/identity.ts';
import { serverProgram } from '../engines/postgres/server/throwaway-server.ts';
import { OperatorError } from '../errors.ts';
import { baseManifestKey } from '../log/base-keys.ts';
import { openLog } from '../log/store.ts';
import { withLocalLock } from '../machine/local-lock.ts';
import { recoverBeforeDrop } from '../moment/before-drop.ts';
import { type MomentPlan, openServerLog } from '../moment/plan.ts';
import { assertRoomFor, recoverPlan } from '../moment/recover.ts';
import { describeTarget, type MomentTarget } from '../moment/target.ts';
import { borderOf, sayPlan } from '../moment/text.ts';
import type { Repository } from '../repository/repository.ts';
import { log } from '../terminal/log.ts';
import { dataFolderOf, makeHome, makeParent, type Owner, ownerOf, refused } from './server-folder.ts';
import { planOf, serverIn } from './server-plan.ts';

/** What the operator asked for. */
export interface ServerRequest {
  /** The end of the log where it is undefined. */
  readonly target: MomentTarget | undefined;
  readonly server: string | undefined;
  /** The server's data folder, as it is seen here. */
  readonly into: string | undefined;
  /** Who is to own it: `70:70`. */
  readonly owner: string | undefined;
}

export interface ServerRestoreResult {
  readonly server: string;
  /** The manifest of the base. */
  readonly key: string;
  readonly into: string;
  /** Where the replaced folder is kept; null when there was none. */
  readonly previous: string | null;
  readonly systemIdentifier: string;
  readonly sizeBytes: number;
  readonly durationMs: number;
  readonly moment: {
    readonly asked: string | null;
    readonly lsn: string;
    readonly lastIn: string | null;
    readonly firstOut: string | null;
    readonly firstOutXid: string | null;
  };
}

/**
 * Restores a whole server into its data folder: a base and the log after it are recovered beside it, by a server here, which is
 * shut down cleanly; then the folder is put in place by renaming, and the database's own image only starts it. What was there is kept.
 * Before anything is fetched it says what it will do, or refuses.
 */
export async function restoreServer(
  config: Config,
  repository: Repository,
  request: ServerRequest,
  outer: AbortSignal,
): Promise<ServerRestoreResult> {
  const { signal, stop } = startLimit(outer, config.limits.restore, 'the restore');
  return bringBack(config, repository, request, signal).finally(stop);
}

async function bringBack(
  config: Config,
  repository: Repository,
  request: ServerRequest,
  signal: AbortSignal,
): Promise<ServerRestoreResult> {
  const started = Date.now();
  const store = openLog(repository);
  const name = await serverIn(config, store, request.server, signal);
  const plan = await planOf(repository, await openServerLog(store, name, signal), request.target, signal);
  const { manifest } = plan;
  const major = Number.parseInt(manifest.serverVersion, 10);
  const program = await serverProgram(major);
  const into = dataFolderOf(request.into, major);
  assertAtRest(into);
  // one that was killed while it swapped has left neither the one nor the other
  if (isHalfSwapped(lookAt(into))) await completeUnderLock(lookAt(into), signal);
  const found = lookAt(into);
  const there = await readDataFolder(into, found.reserved, program);
  if (there !== undefined && there.major !== major)
    throw refused(
      `${into} holds the data of PostgreSQL ${there.major}, and the log is of ${major}`,
      `The image that starts it would refuse the other. Name another folder (INTO=), or move that one away.`,
    );
  await assertSilent(config, name, there?.systemIdentifier, signal);
  const owner = ownerOf(request.owner, into);
  assertTablespaces(manifest.tablespaces);
  const parent = makeParent(dirname(into));
  await assertRoomFor(plan, parent, 'the data volume');
  sayPlan(plan, request.target);
  log.info(
    there === undefined
      ? `  into ${into}, where nothing is`
      : `  into ${into}, in place of the data of ${there.systemIdentifier === manifest.systemIdentifier ? 'this server' : 'another server'}, which are kept`,
  );
  const home = makeHome(into, owner);
  return withLocalLock(home, 'restore-server', async () => {
    removeLeftoverFolders(home, LEFT, 'a restore');
    const prefix = folderPrefix('postgres', home, 'moment');
    const order = { config, repository, store, plan, signal };
    const where = { prefix, durable: true, ...(owner === undefined ? {} : { owner }) };
    const like = config.servers.find((each) => each.name === name)?.source;
    const recovered =
      like === undefined
        ? await recoverPlan(order, where)
        : await recoverBeforeDrop({ ...order, source: undefined, like }, where);
    try {
      const border = borderOf(recovered);
      log.info(`replayed up to ${recovered.reachedLsn}: ${border.sentence}`);
      assertTablespaces(tablespacesOf(recovered, manifest.tablespaces), 'The data folder is as it was.');
      const sums = await checkChecksums(recovered, signal);
      if (!sums.ok)
        throw new OperatorError('BACKUP_DAMAGED', `pages of what was recovered are damaged: ${sums.detail}`, {
          hint: 'Try an earlier moment (AT=), or restore dumps. The data folder is as it was.',
        });
      const previous = await putInPlace(into, { recovered, plan, owner, signal });
      const { lastIn, firstOut, firstOutXid } = border;
      const asked = request.target === undefined ? null : describeTarget(request.target);
      return {
        server: name,
        key: baseManifestKey(plan.base.stem),
        into,
        previous,
        systemIdentifier: manifest.systemIdentifier,
        sizeBytes: manifest.rawBytes,
        durationMs: Date.now() - started,
        moment: { asked, lsn: recovered.reachedLsn, lastIn, firstOut, firstOutXid },
      };
    } finally {
      await recovered.stop();
    }
  });
}

/** What a restore that was killed has left beside the data. */
const LEFT = /^moment-postgres-[A-Za-z0-9]{6}$/;

/** Here the data folder changes: until now nothing in it was touched. */
async function putInPlace(
  into: string,
  of: { recovered: Recovered; plan: MomentPlan; owner: Owner | undefined; signal: AbortSignal },
): Promise<string | null> {
  const { recovered, plan, owner, signal } = of;
  removeTraces(recovered.directory, recovered.data);
  const empty = lookAt(into);
  if (empty.kind === 'folder' && !empty.isInside && readdirSync(into).length === 0) rmdirSync(into);
  const place = lookAt(into);
  const at = freeTime(place, ['restoring', 'previous']);
  await placeTablespaces(recovered, tablespacesOf(recovered, plan.manifest.tablespaces), { at, owner, signal });
  chmodSync(recovered.data, 0o700);
  return underSwapLock(place, signal, () => {
    assertAtRest(into);
    const next = besidePath(place, 'restoring', at);
    renameSync(recovered.data, next);
    return swap(place, next, 'previous');
  });
}

/** Puts the data folder back that the last restore replaced. */
export async function undoServer(
  request: Pick<ServerRequest, 'into'>,
  signal: AbortSignal,
): Promise<{ into: string; restoredFrom: string; keptAs: string }> {
  const into = dataFolderOf(request.into, undefined);
  assertAtRest(into);
  const { restoredFrom, keptAs } = await undoAt(into, signal);
  return { into, restoredFrom, keptAs };
}

/** A server that answers and is the one whose data would be replaced. @throws OperatorError RESTORE_REFUSED */
async function assertSilent(
  config: Config,
  name: string,
  identifier: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const server = config.servers.find((each) => each.name === name);
  if (identifier === undefined || server === undefined) return;
  const { host, port, database } = server.source;
  const answer = await connect(server.source, database, signal)
    .then(async (connection) => {
      const id = await systemIdentifier(connection);
      await connection.close();
      return id;
    })
    .catch(() => undefined);
  signal.throwIfAborted();
  if (answer === identifier)
    throw refused(
      `the server of these data still answers at ${host}:${port}`,
      'Stop it first: docker compose stop postgres receiver.',
    );
}
