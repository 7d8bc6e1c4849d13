import type { Config } from '../config/config.ts';
import { connect } from '../engines/postgres/server/connection.ts';
import { type Finding, findingsOf, readServerFacts } from '../engines/postgres/walsender/server-facts.ts';
import { slotSight } from '../engines/postgres/walsender/slot-sight.ts';
import { openWalsender } from '../engines/postgres/walsender/walsender.ts';
import { messageOf, OperatorError } from '../errors.ts';
import { slotFamily } from '../log/keys.ts';
import type { Repository } from '../repository/repository.ts';
import type { LogServer } from '../source.ts';
import { log } from '../terminal/log.ts';
import { dropSlots } from './open-chain.ts';

/** What was found at one server. */
export interface ServerCheck {
  readonly server: string;
  /** Whether its log can be taken. */
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

/** The servers that are meant: those named, or all. @throws OperatorError USAGE for one that is not configured */
export function serversNamed(servers: Config['servers'], names: readonly string[]): readonly LogServer[] {
  const known = servers.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined || known.length === 0) {
    throw new OperatorError(
      'USAGE',
      unknown === undefined
        ? 'there is no server whose log is to be taken'
        : `there is no server ${JSON.stringify(unknown)}`,
      { hint: known.length === 0 ? 'Set PITR=true, or PITR_SERVER_<NAME>.' : `There are: ${known.join(', ')}.` },
    );
  }
  return servers.filter(({ name }) => names.length === 0 || names.includes(name));
}

/** Tries at each server what a receiver needs of it, and changes nothing. */
export async function checkServers(
  servers: readonly LogServer[],
  { shelf: { prefix } }: Repository,
  isSynchronous: boolean,
  signal: AbortSignal,
): Promise<ServerCheck[]> {
  return Promise.all(
    servers.map(async (server) => {
      const findings: Finding[] = [];
      try {
        const connection = await connect(server.source, server.source.database, signal);
        try {
          const facts = await readServerFacts(connection, slotFamily(prefix, server.name));
          findings.push(...findingsOf(facts, server.source, isSynchronous));
        } finally {
          await connection.close();
        }
        // the very way that the receiver goes: pg_hba.conf and free places are judged by the server alone
        if (!findings.some(({ kind }) => kind === 'lacks')) {
          const walsender = await openWalsender(server.source, signal);
          try {
            await walsender.identify();
          } finally {
            await walsender.close();
          }
        }
      } catch (error) {
        signal.throwIfAborted();
        findings.push({ kind: 'lacks', what: messageOf(error), how: error instanceof OperatorError ? error.hint : '' });
      }
      return { server: server.name, ok: !findings.some(({ kind }) => kind === 'lacks'), findings };
    }),
  );
}

/**
 * Drops the slots by which the log of servers is taken: the chains end there, and what is stored stays.
 * @throws OperatorError LOCKED while a receiver streams
 */
export async function dropServersSlots(
  servers: readonly LogServer[],
  repository: Repository,
  signal: AbortSignal,
): Promise<{ server: string; slots: number }[]> {
  const { prefix } = repository.shelf;
  const dropped: { server: string; slots: number }[] = [];
  for (const server of servers) {
    const connection = await connect(server.source, server.source.database, signal);
    try {
      const { isActive, slot } = await slotSight(connection, slotFamily(prefix, server.name));
      if (isActive) {
        throw new OperatorError('LOCKED', `a receiver takes the log of ${server.name} by the slot ${slot}`, {
          hint: 'Stop it first: docker compose stop receiver, and take the profile pitr out of COMPOSE_PROFILES.',
        });
      }
    } finally {
      await connection.close();
    }
    const walsender = await openWalsender(server.source, signal);
    try {
      const identity = await walsender.identify();
      const chains = await dropSlots({ walsender, identity, server, store: { prefix }, lost: [] });
      dropped.push({ server: server.name, slots: chains.length });
      for (const { chain } of chains) {
        log.info(
          `the log of ${server.name} ends here: chain ${chain} is not gone on with, what is stored of it still restores`,
        );
      }
    } finally {
      await walsender.close();
    }
  }
  return dropped;
}
