import { once } from 'node:events';
import type { Config } from '../config/config.ts';
import { OperatorError } from '../errors.ts';
import { openLog } from '../log/store.ts';
import { isOwnCommandOfContainer } from '../machine/container.ts';
import { drillDirectory } from '../machine/run-notes.ts';
import type { Repository } from '../repository/repository.ts';
import type { LogServer } from '../source.ts';
import { command } from '../terminal/hints.ts';
import { log } from '../terminal/log.ts';
import { keepBase, type TakeBase } from './first-base.ts';
import { giveUp } from './give-up.ts';
import { tellHealth } from './health.ts';
import { type Doing, receiveServer } from './receive-server.ts';
import { takeSeveral } from './several.ts';
import { newTelling } from './telling.ts';

/** A connection that is lost is made again within this; a store that fails is waited for as long before it counts. */
const UNHEALTHY_AFTER_MS = 120_000;

/**
 * Takes the log of every configured server until the signal aborts.
 * @param takeBase takes a base of a server that the chain's log goes on from
 * @throws OperatorError CONFIG when there is no server, and this is no container that would be started again for ever; what receiveServer throws, when no server's log can be taken
 */
export async function receive(
  config: Config,
  repository: Repository,
  takeBase: TakeBase,
  signal: AbortSignal,
): Promise<void> {
  const { servers, values } = config;
  const directory = drillDirectory(values.DRILL_DIR);
  const giveUpOthers = (until: AbortSignal) => {
    const others = config.logServers.filter(({ name }) => !servers.some((server) => server.name === name));
    return giveUp(others, { repository, directory, signal: until });
  };
  if (servers.length === 0) return idle(config, signal, giveUpOthers);
  if (repository.encryption.recipients.length === 0 && config.repository.storage.kind === 's3') {
    log.info(
      'the log holds every database of the server, and every password as the server keeps it; BACKUP_AGE_RECIPIENTS would encrypt it',
    );
  }
  const store = openLog(repository);
  const ended = new AbortController();
  const all = AbortSignal.any([signal, ended.signal]);
  const doings = servers.map(
    (): Doing => ({
      state: 'connecting',
      seenAt: undefined,
      failingSince: undefined,
      reason: undefined,
      refused: undefined,
    }),
  );
  const startedAt = Date.now();
  const reasons = () => reasonsOf(servers, doings, startedAt);
  const stopHealth = tellHealth(config, reasons);
  const telling = newTelling(values);
  const stopWatching = telling.watch(reasons);
  const besides: Promise<void>[] = [giveUpOthers(all)];
  try {
    await takeSeveral(
      doings,
      (i) =>
        receiveServer(
          servers[i] as LogServer,
          {
            store,
            intervalMs: values.PITR_INTERVAL,
            slotLimitBytes: values.PITR_SLOT_LIMIT,
            isSynchronous: values.PITR_SYNCHRONOUS,
            directory,
            signal: all,
            onBreak: telling.broken,
            onChain: (of, chain, hasBase, baseTaken) => {
              if (hasBase) return;
              const taken = keepBase({ store, takeBase, server: of, chain, signal: all });
              besides.push(taken.then((isThere) => (isThere ? baseTaken() : undefined)));
            },
          },
          doings[i] as Doing,
        ),
      all,
    );
  } catch (error) {
    // others store what they have, and end too: one process, one exit code
    ended.abort(error);
    throw error;
  } finally {
    stopHealth();
    stopWatching();
    ended.abort();
    await Promise.allSettled([...besides, telling.done()]);
  }
  log.info('the receiver has ended; what had come is stored');
}

/**
 * A receiver that has nothing to do. As the command of a container it stays, and is well: nothing is wrong that another start
 * would mend.
 */
async function idle(
  config: Config,
  signal: AbortSignal,
  giveUpOthers: (until: AbortSignal) => Promise<void>,
): Promise<void> {
  const what = config.values.PITR
    ? 'PITR is on, and no source is PostgreSQL'
    : 'PITR is off, and there is no PITR_SERVER_<NAME>';
  const hint = `To take one, set PITR=true in .env, or PITR_SERVER_<NAME> to its URL. Slots that another receiver has left on a server are dropped by ${command('pitrOff')}.`;
  if (!isOwnCommandOfContainer())
    throw new OperatorError('CONFIG', `there is no server whose log is to be taken: ${what}`, { hint });
  log.info(`there is no server whose log is to be taken: ${what}. ${hint} Until then this container has nothing to do`);
  const stopHealth = tellHealth(config, () => []);
  const given = giveUpOthers(signal);
  if (!signal.aborted) await once(signal, 'abort');
  await given;
  stopHealth();
}

function reasonsOf(servers: readonly LogServer[], doings: readonly Doing[], startedAt: number): string[] {
  const now = Date.now();
  return servers.flatMap((server, i) => {
    const doing = doings[i] as Doing;
    if (doing.refused !== undefined) return [doing.refused];
    const because = doing.reason === undefined ? '' : `: ${doing.reason}`;
    if (now - (doing.seenAt?.getTime() ?? startedAt) > UNHEALTHY_AFTER_MS) {
      return [`the log of ${server.name} has not been taken for two minutes${because}`];
    }
    if (doing.failingSince && now - doing.failingSince.getTime() > UNHEALTHY_AFTER_MS) {
      return [`the log of ${server.name} has not been stored for two minutes${because}`];
    }
    return [];
  });
}
