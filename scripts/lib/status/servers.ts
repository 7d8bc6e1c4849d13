import type { Config } from '../config/config.ts';
import { asked } from '../engines/asking.ts';
import { connect } from '../engines/postgres/server/connection.ts';
import { findingsOf, readServerFacts } from '../engines/postgres/walsender/server-facts.ts';
import { type SlotSight, slotSight } from '../engines/postgres/walsender/slot-sight.ts';
import { messageOf } from '../errors.ts';
import { isBeside } from '../log/beside.ts';
import { slotFamily, slotName } from '../log/keys.ts';
import { formatLsn, offsetInSegment, segmentName } from '../log/lsn.ts';
import { readServerLogs, type ServerLog } from '../log/server-log.ts';
import { type LogStore, openLog } from '../log/store.ts';
import type { StoredDrill } from '../repository/drill-record.ts';
import type { Repository } from '../repository/repository.ts';
import type { LogServer } from '../source.ts';
import { judgeLog, noteLog } from './judge-log.ts';
import { onceStored } from './once-stored.ts';

/** How the log of one server stands. Positions are as PostgreSQL writes them; times are UTC, ISO 8601. */
export interface ServerStatus {
  readonly server: string;
  readonly engine: 'postgres';
  readonly ok: boolean;
  readonly reasons: readonly string[];
  readonly warnings: readonly string[];
  readonly chain: string | null;
  readonly timeline: number | null;
  readonly systemIdentifier: string | null;
  readonly receiver: { active: boolean; since: string | null; state: string | null };
  readonly serverLsn: string | null;
  readonly storedLsn: string | null;
  readonly lagBytes: number | null;
  readonly exposedMs: number | null;
  readonly coverage: string | null;
  readonly lastStoredAt: string | null;
  readonly slot: {
    name: string;
    walStatus: string | null;
    retainedBytes: number;
    safeWalSize: number | null;
    limitBytes: number;
  } | null;
  readonly recoverable: readonly { from: string; to: string }[];
  readonly gaps: readonly { from: string; to: string; why: string }[];
  readonly lastBase: { key: string; endedAt: string; sizeBytes: number } | null;
  readonly basesStored: number;
  readonly storedBytes: number;
  readonly putsPerDay: number;
  readonly lastDrill: { key: string; at: string; ok: boolean; rtoMs: number | null } | null;
}

/** How the log of every configured server stands; none without PITR. */
export async function readServers(
  { config, repository, now, signal }: { config: Config; repository: Repository; now: Date; signal: AbortSignal },
  drills: ReadonlyMap<string, StoredDrill>,
): Promise<ServerStatus[]> {
  if (config.servers.length === 0) return [];
  const store = openLog(repository);
  const logs = await readServerLogs(store, now, signal);
  return Promise.all(
    config.servers.map(async (server) => {
      const log = logs.find((each) => each.server === server.name);
      const stored = drills.get(`server:${server.name}`);
      const [seen, record] = await Promise.all([
        look(config, server, slotFamily(store.prefix, server.name), isOld(config, log, now), signal),
        stored && repository.drill(stored, signal),
      ]);
      const lastDrill = stored
        ? { key: stored.key, at: stored.at.toISOString(), ok: record?.ok ?? false, rtoMs: record?.rtoMs ?? null }
        : null;
      const lost = await lostTail(store, { server, log, sight: seen.sight, now }, signal);
      return statusOf(config, server, { log, seen, lost, lastDrill, now, prefix: store.prefix });
    }),
  );
}

/** What the server itself says; when it does not answer, why not. */
export interface Seen {
  readonly sight: SlotSight | undefined;
  /** What it lacks, and what endangers it. */
  readonly findings: readonly string[];
  readonly problem: string | undefined;
}

/** Whether the newest that is stored is older than may wait: of a server that writes nothing it always is, between heartbeats. */
function isOld(config: Config, log: ServerLog | undefined, now: Date): boolean {
  const coverage = log?.chains.at(-1)?.runs.at(-1)?.at;
  return coverage !== undefined && now.getTime() - coverage.getTime() > config.values.PITR_RPO_TARGET;
}

/** @param isPatient whether what has just been written gets the time that it takes to be stored */
async function look(
  config: Config,
  server: LogServer,
  family: string,
  isPatient: boolean,
  signal: AbortSignal,
): Promise<Seen> {
  try {
    return await asked(signal, server.source, async (limited) => {
      const connection = await connect(server.source, server.source.database, limited);
      try {
        const facts = await readServerFacts(connection, family);
        const findings = findingsOf(facts, server.source, config.values.PITR_SYNCHRONOUS);
        const first = await slotSight(connection, family);
        return {
          sight: isPatient ? await onceStored(first, () => slotSight(connection, family), limited) : first,
          findings: findings.map(({ what, how }) => `${what}: ${how}`),
          problem: undefined,
        };
      } finally {
        await connection.close();
      }
    });
  } catch (error) {
    signal.throwIfAborted();
    return { sight: undefined, findings: [], problem: messageOf(error) };
  }
}

/**
 * Whether the end of the log is missing in the store although it was confirmed: the slot is told of nothing else. What was stored since
 * the listing is looked for.
 */
export async function lostTail(
  store: LogStore,
  {
    server,
    log,
    sight,
    now,
  }: { server: LogServer; log: ServerLog | undefined; sight: SlotSight | undefined; now: Date },
  signal: AbortSignal,
): Promise<boolean> {
  const told = sight?.restartLsn;
  const chain = log?.chains.find(({ id }) => slotName(store.prefix, server.name, id) === sight?.slot);
  const run = chain?.runs.at(-1);
  if (told === undefined || chain === undefined || run === undefined || run.end >= told) return false;
  // a new slot says where it was made, and not what is stored
  if (now.getTime() - chain.id.begunAt.getTime() < OF_NEW_SLOT_MS) return false;
  const until = offsetInSegment(told - 1n, chain.segmentBytes) + 1;
  // the server may just have gone on to another timeline
  for (const timeline of [run.timeline, run.timeline + 1]) {
    const segment = segmentName(timeline, told - 1n, chain.segmentBytes);
    for await (const { object } of store.ofSegment({ server: server.name, chain: chain.id.chain, segment }, signal)) {
      if (object.kind === 'segment' || (object.kind === 'part' && object.start < until && object.end >= until))
        return false;
    }
  }
  return true;
}

const OF_NEW_SLOT_MS = 60_000;

interface Found {
  readonly log: ServerLog | undefined;
  readonly seen: Seen;
  /** Log that the store has confirmed and does not have. */
  readonly lost: boolean;
  readonly lastDrill: ServerStatus['lastDrill'];
  readonly now: Date;
  /** The repository's. */
  readonly prefix: string;
}

/** The document, from what was found. */
export function statusOf(
  config: Config,
  server: LogServer,
  { log, seen, lost, lastDrill, now, prefix }: Found,
): ServerStatus {
  const { sight } = seen;
  const chains = log?.chains ?? [];
  const own = chains.find(({ id }) => slotName(prefix, server.name, id) === sight?.slot);
  const chain = own ?? chains.at(-1);
  const beside = own === undefined ? [] : chains.filter((each) => isBeside(each, own));
  const run = chain?.runs.at(-1);
  const storedLsn = sight?.restartLsn ?? run?.end;
  const behind = sight && storedLsn !== undefined ? sight.flushed - storedLsn : undefined;
  const lagBytes = behind === undefined ? null : Math.max(0, Number(behind));
  // with nothing left to store, all that was committed until the server was asked is stored
  const isCurrent = lagBytes === 0 && sight?.restartLsn !== undefined && !lost;
  const coverage = isCurrent ? sight?.at : run?.at;
  const exposedMs = isCurrent ? 0 : coverage ? Math.max(0, now.getTime() - coverage.getTime()) : null;
  const lastBase = log?.bases.find((base) => base.chain === own?.id.chain) ?? log?.bases[0];
  const judged = { config, server, log, chain, beside, seen, lost, lastDrill, now, lagBytes, exposedMs };
  const reasons = judgeLog(judged);
  const iso = ({ from, to }: { from: Date; to: Date }) => ({ from: from.toISOString(), to: to.toISOString() });
  return {
    server: server.name,
    engine: server.engine,
    ok: reasons.length === 0,
    reasons,
    warnings: noteLog(judged),
    chain: chain?.id.chain ?? null,
    timeline: run?.timeline ?? null,
    systemIdentifier: chain?.id.systemIdentifier ?? null,
    receiver: {
      active: sight?.isActive ?? false,
      since: sight?.activeSince?.toISOString() ?? null,
      state: sight?.state ?? null,
    },
    serverLsn: sight ? formatLsn(sight.flushed) : null,
    storedLsn: storedLsn === undefined ? null : formatLsn(storedLsn),
    lagBytes,
    exposedMs,
    coverage: coverage?.toISOString() ?? null,
    lastStoredAt: chain?.lastAt?.toISOString() ?? null,
    slot: slotOf(sight, config.values.PITR_SLOT_LIMIT),
    recoverable: (log?.ranges ?? []).map(iso),
    gaps: (log?.gaps ?? []).map((gap) => ({ ...iso(gap), why: gap.why })),
    lastBase: lastBase
      ? { key: `${lastBase.stem}.json`, endedAt: lastBase.endedAt, sizeBytes: lastBase.sizeBytes }
      : null,
    basesStored: log?.bases.length ?? 0,
    storedBytes: storedBytes(log),
    putsPerDay: chain?.objectsOfDay ?? 0,
    lastDrill,
  };
}

function slotOf(sight: SlotSight | undefined, limitBytes: number): ServerStatus['slot'] {
  if (sight?.slot === undefined) return null;
  return {
    name: sight.slot,
    walStatus: sight.walStatus ?? null,
    retainedBytes: sight.retainedBytes,
    safeWalSize: sight.safeBytes ?? null,
    limitBytes,
  };
}

function storedBytes(log: ServerLog | undefined): number {
  const chains = (log?.chains ?? []).reduce((sum, chain) => sum + chain.storedBytes, 0);
  return (log?.bases ?? []).reduce((sum, base) => sum + base.sizeBytes, chains);
}
