import type { Config } from '../config/config.ts';
import { folderPrefix } from '../engines/database/throwaway.ts';
import { endPrepared } from '../engines/postgres/recovery/prepared.ts';
import { type Connection, connect } from '../engines/postgres/server/connection.ts';
import { throwawaySource } from '../engines/postgres/server/throwaway-server.ts';
import { OperatorError } from '../errors.ts';
import { baseManifestKey } from '../log/base-keys.ts';
import { openLog } from '../log/store.ts';
import { withLocalNote } from '../machine/local-lock.ts';
import { drillDirectory, restoreNote } from '../machine/run-notes.ts';
import { alone } from '../moment/alone.ts';
import { recoverBeforeDrop } from '../moment/before-drop.ts';
import { liveServer } from '../moment/live.ts';
import { openServerLog } from '../moment/plan.ts';
import { assertRoomFor } from '../moment/recover.ts';
import { findPlan } from '../moment/refusal.ts';
import { serverFor } from '../moment/server.ts';
import { describeTarget } from '../moment/target.ts';
import { borderOf, sayPlan } from '../moment/text.ts';
import type { Repository } from '../repository/repository.ts';
import type { DatabaseSource } from '../source.ts';
import { log } from '../terminal/log.ts';
import { beginMomentDump } from './moment-dump.ts';
import { inItsTime, putInPlace, type RestoreResult, type Times } from './put-in-place.ts';
import { type MomentRequest, selectTarget } from './request.ts';

/**
 * Restores one database to a moment of its server's log: a base and the log are replayed on a throwaway server, the database is
 * dumped from there into a staging database beside the live one, compared, and put in its place. The server's other databases are
 * not touched. Before anything is fetched it says what it will do, or refuses.
 */
export async function restoreMoment(
  config: Config,
  repository: Repository,
  request: MomentRequest,
  outer: AbortSignal,
): Promise<RestoreResult> {
  return inItsTime(config, outer, (times) => bringBack(config, repository, request, times));
}

async function bringBack(
  config: Config,
  repository: Repository,
  request: MomentRequest,
  times: Times,
): Promise<RestoreResult> {
  const { signal } = times;
  const source = selectTarget(config, request.source, undefined);
  if (source.engine !== 'postgres')
    throw new OperatorError(
      'USAGE',
      `${source.name} is a source of ${source.engine}: a moment can be restored of PostgreSQL alone`,
      {
        hint: 'Restore the newest backup at or before it: FILE=latest AT=… (restore latest --at …). Nothing was touched.',
      },
    );
  const store = openLog(repository);
  const server = await serverFor({ config, repository, store, source, target: request.target, signal });
  const serverLog = await openServerLog(store, server, signal, (of) => liveServer(source, of, signal));
  const plan = await findPlan({ repository, source, log: serverLog, target: request.target, signal });
  const directory = drillDirectory(config.values.DRILL_DIR);
  await assertRoomFor(plan, directory);
  sayPlan(plan, request.target);
  return alone(directory, () =>
    withLocalNote(directory, restoreNote(source.name), async () => {
      const prefix = folderPrefix('postgres', directory, 'moment');
      const order = { config, repository, store, plan, signal, source, like: source };
      const recovered = await recoverBeforeDrop(order, { prefix });
      try {
        const border = borderOf(recovered);
        log.info(`replayed up to ${recovered.reachedLsn}: ${border.sentence}`);
        const place = throwawaySource({ ...recovered, version: '', notRehearsed: [] }, source.database, source);
        await assertThere(place, signal);
        await endPrepared(place, signal);
        const asked = describeTarget(request.target);
        const what = `${source.database} at ${asked}`;
        const dump = await beginMomentDump(repository, place, what, signal);
        try {
          const material = { ...dump, source, backups: await repository.backups(signal) };
          const result = await putInPlace(config, repository, material, request, times);
          const { lastIn, firstOut, firstOutXid } = border;
          const moment = { asked, server, lsn: recovered.reachedLsn, lastIn, firstOut, firstOutXid };
          return { ...result, key: baseManifestKey(plan.base.stem), moment };
        } finally {
          await dump.close();
        }
      } finally {
        await recovered.stop();
      }
    }),
  );
}

/** @throws OperatorError RESTORE_REFUSED with the databases that there were then */
async function assertThere(place: DatabaseSource, signal: AbortSignal): Promise<void> {
  const connection = await connect(place, 'template1', signal);
  let names: string[];
  try {
    names = await databasesOf(connection);
  } finally {
    await connection.close();
  }
  if (!names.includes(place.database))
    throw new OperatorError('RESTORE_REFUSED', `at that moment the server had no database ${place.database}`, {
      hint: `It had: ${names.join(', ')}. One that had another name then: set the source's database to that one, and TO= restores it beside. Nothing was touched.`,
    });
  const inside = await connect(place, place.database, signal);
  try {
    const rows = await inside.query<{ name: string }>(
      "select c.oid::regclass::text as name from pg_class c where relpersistence = 'u' and relkind in ('r', 'p') order by 1",
    );
    if (rows.length > 0)
      log.warn(
        `unlogged tables come back empty, for the server writes no log of them: ${rows.map(({ name }) => name).join(', ')}`,
      );
  } finally {
    await inside.close();
  }
}

async function databasesOf(connection: Connection): Promise<string[]> {
  const rows = await connection.query<{ name: string }>(
    'select datname as name from pg_database where datallowconn and not datistemplate order by 1',
  );
  return rows.map(({ name }) => name);
}
