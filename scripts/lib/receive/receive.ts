import { writeFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { OperatorError } from '../errors.ts';
import { CAUSES } from '../log/keys.ts';
import { openLog } from '../log/store.ts';
import { drillDirectory } from '../machine/run-notes.ts';
import { notify } from '../notify/notify.ts';
import type { Repository } from '../repository/repository.ts';
import type { LogServer } from '../source.ts';
import { log, logTail } from '../terminal/log.ts';
import { shownTime } from '../terminal/time.ts';
import { keepBase, type TakeBase } from './first-base.ts';
import { type Doing, receiveServer } from './receive-server.ts';

/** Where the receiver of a container says how it does, for the container's health check. */
export const HEALTH_FILE = '/tmp/receiver.json';
const HEALTH_EVERY_MS = 5_000;
/** A connection that is lost is made again within this; a store that fails is waited for as long before it counts. */
const UNHEALTHY_AFTER_MS = 120_000;

export interface Health {
  readonly at: string;
  readonly reasons: readonly string[];
}

/**
 * Takes the log of every configured server until the signal aborts.
 * @param takeBase takes a base of a server that the chain's log goes on from
 * @throws OperatorError CONFIG when there is no server; what receiveServer throws, for the first server that cannot be received
 */
export async function receive(
  config: Config,
  repository: Repository,
  takeBase: TakeBase,
  signal: AbortSignal,
): Promise<void> {
  const { servers, values } = config;
  if (servers.length === 0) {
    throw new OperatorError('CONFIG', 'there is no server whose log is to be taken', {
      hint: 'Set PITR=true, or PITR_SERVER_<NAME>; without them this container is not needed (COMPOSE_PROFILES).',
    });
  }
  if (repository.encryption.recipients.length === 0 && config.repository.storage.kind === 's3') {
    log.info(
      'the log holds every database of the server, and every password as the server keeps it; BACKUP_AGE_RECIPIENTS would encrypt it',
    );
  }
  const store = openLog(repository);
  const ended = new AbortController();
  const all = AbortSignal.any([signal, ended.signal]);
  const doings = servers.map(
    (): Doing => ({ state: 'connecting', seenAt: undefined, failingSince: undefined, reason: undefined }),
  );
  const stopHealth = tellHealth(servers, doings);
  const bases: Promise<void>[] = [];
  try {
    await Promise.all(
      servers.map((server, i) =>
        receiveServer(
          server,
          {
            store,
            intervalMs: values.PITR_INTERVAL,
            slotLimitBytes: values.PITR_SLOT_LIMIT,
            isSynchronous: values.PITR_SYNCHRONOUS,
            directory: drillDirectory(values.DRILL_DIR),
            signal: all,
            onBreak: (of, cause, coveredUntil) => {
              const until = coveredUntil === undefined ? '' : `, which reaches to ${shownTime(coveredUntil)}`;
              void notify(
                { urls: values.NOTIFY_URL, on: values.NOTIFY_ON },
                {
                  verb: 'receive',
                  outcome: 'failure',
                  at: new Date(),
                  items: [
                    {
                      source: of.name,
                      what: `the log does not continue what was stored before${until}: ${CAUSES[cause]}. It is being taken anew, and moments between cannot be restored`,
                      ...(coveredUntil === undefined ? {} : { since: coveredUntil }),
                      next: 'A new base is taken now. Look at status for how far back moments reach.',
                    },
                  ],
                  logTail: logTail(),
                },
              );
            },
            onChain: (of, chain, hasBase, baseTaken) => {
              if (hasBase) return;
              const taken = keepBase({ store, takeBase, server: of, chain, signal: all });
              bases.push(taken.then((isThere) => (isThere ? baseTaken() : undefined)));
            },
          },
          doings[i] as Doing,
        ).catch((error: unknown) => {
          // the others store what they have, and end too: one process, one exit code
          ended.abort(error);
          throw error;
        }),
      ),
    );
  } finally {
    stopHealth();
    ended.abort();
    await Promise.allSettled(bases);
  }
  log.info('the receiver has ended; what had come is stored');
}

function tellHealth(servers: readonly LogServer[], doings: readonly Doing[]): () => void {
  const startedAt = Date.now();
  const write = () => {
    const health: Health = { at: new Date().toISOString(), reasons: reasonsOf(servers, doings, startedAt) };
    try {
      writeFileSync(HEALTH_FILE, JSON.stringify(health));
    } catch {}
  };
  write();
  const timer = setInterval(write, HEALTH_EVERY_MS);
  return () => clearInterval(timer);
}

function reasonsOf(servers: readonly LogServer[], doings: readonly Doing[], startedAt: number): string[] {
  const now = Date.now();
  return servers.flatMap((server, i) => {
    const doing = doings[i] as Doing;
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
