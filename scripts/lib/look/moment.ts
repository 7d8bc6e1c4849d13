import { folderPrefix } from '../engines/database/throwaway.ts';
import { endPrepared } from '../engines/postgres/recovery/prepared.ts';
import { readWithout } from '../engines/postgres/server/called-around.ts';
import { connect } from '../engines/postgres/server/connection.ts';
import { throwawaySource } from '../engines/postgres/server/throwaway-server.ts';
import { OperatorError } from '../errors.ts';
import { baseManifestKey } from '../log/base-keys.ts';
import { openLog } from '../log/store.ts';
import { recoverBeforeDrop } from '../moment/before-drop.ts';
import { liveServer } from '../moment/live.ts';
import { openServerLog } from '../moment/plan.ts';
import { assertRoomFor } from '../moment/recover.ts';
import { findPlan } from '../moment/refusal.ts';
import { serverFor } from '../moment/server.ts';
import { describeTarget, type MomentTarget } from '../moment/target.ts';
import { borderOf, sayPlan } from '../moment/text.ts';
import { selectTarget } from '../restore/request.ts';
import type { DatabaseSource } from '../source.ts';
import { log } from '../terminal/log.ts';
import type { BroughtUp, LookOrder } from './order.ts';
import type { LookRequest } from './request.ts';

/** Recovers a server to a moment of its log on a throwaway one. All of its databases are there; one is looked into first. */
export async function bringUpMoment(order: LookOrder, request: LookRequest, target: MomentTarget): Promise<BroughtUp> {
  const { config, repository, directory, signal } = order;
  const source = selectTarget(config, request.source, undefined);
  if (source.engine !== 'postgres')
    throw new OperatorError('USAGE', `${source.name} is a source of ${source.engine}: PostgreSQL alone has moments`, {
      hint: 'Look into the newest backup at or before it: look latest --at TIME.',
    });
  const store = openLog(repository);
  const server = await serverFor({ config, repository, store, source, target, signal });
  const serverLog = await openServerLog(store, server, signal, (of) => liveServer(source, of, signal));
  const plan = await findPlan({ repository, source, log: serverLog, target, signal });
  await assertRoomFor(plan, directory);
  sayPlan(plan, target);
  const recovered = await recoverBeforeDrop(
    { config, repository, store, plan, signal, source, like: source },
    { prefix: folderPrefix('postgres', directory, 'look'), isForLooking: true },
  );
  try {
    log.info(`replayed up to ${recovered.reachedLsn}: ${borderOf(recovered).sentence}`);
    const place = throwawaySource({ ...recovered, version: '', notRehearsed: [] }, source.database, source);
    await assertThere(place, signal);
    await endPrepared(place, signal);
    await warnOfMissing(place, signal);
    return {
      key: baseManifestKey(plan.base.stem),
      source: source.name,
      place,
      what: `${source.database} at ${describeTarget(target)}`,
      stop: () => recovered.stop(),
    };
  } catch (error) {
    await recovered.stop();
    throw error;
  }
}

/** What is not seen is not to be taken for what is not there. */
async function warnOfMissing(place: DatabaseSource, signal: AbortSignal): Promise<void> {
  const connection = await connect(place, place.database, signal);
  const said = await readWithout(connection).finally(() => connection.close());
  if (said !== undefined) log.warn(said);
}

/** @throws OperatorError NO_SUCH_BACKUP with the databases that there were then */
async function assertThere(place: DatabaseSource, signal: AbortSignal): Promise<void> {
  const connection = await connect(place, 'template1', signal);
  try {
    const rows = await connection.query<{ name: string }>(
      'select datname as name from pg_database where datallowconn and not datistemplate order by 1',
    );
    const names = rows.map(({ name }) => name);
    if (names.includes(place.database)) return;
    throw new OperatorError('NO_SUCH_BACKUP', `at that moment the server had no database ${place.database}`, {
      hint: `It had: ${names.join(', ')}.`,
    });
  } finally {
    await connection.close();
  }
}
