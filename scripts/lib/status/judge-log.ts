import type { Config } from '../config/config.ts';
import type { SlotSight } from '../engines/postgres/walsender/slot-sight.ts';
import type { ChainLog } from '../log/catalog.ts';
import { CAUSES } from '../log/keys.ts';
import type { ServerLog } from '../log/server-log.ts';
import { formatBytes, formatDuration } from '../quantities.ts';
import type { LogServer } from '../source.ts';
import { command } from '../terminal/hints.ts';
import { shownTime } from '../terminal/time.ts';

/** What there is to judge of one server's log. */
export interface JudgedLog {
  readonly config: Config;
  readonly server: LogServer;
  readonly log: ServerLog | undefined;
  /** Of what is stored under its name: the server's own chain, or the newest one where it does not tell. */
  readonly chain: ChainLog | undefined;
  /** Chains that were written to beside it: another server, or a copy of it, stores its log under the same name. */
  readonly beside: readonly ChainLog[];
  readonly seen: {
    readonly sight: SlotSight | undefined;
    readonly findings: readonly string[];
    readonly problem: string | undefined;
  };
  /** The end of the log is missing in the store, which had confirmed it. */
  readonly lost: boolean;
  readonly lastDrill: { readonly at: string; readonly ok: boolean; readonly rtoMs: number | null } | null;
  readonly now: Date;
  readonly lagBytes: number | null;
  readonly exposedMs: number | null;
}

/** A receiver that is recreated streams again within this. */
const INACTIVE_MS = 120_000;
const DAY_MS = 86_400_000;
/** So many chains in a day mean that something keeps breaking them. */
const MANY_CHAINS = 3;
/** The slot keeps so much of what it may keep: somebody should look before it is given up. */
const MUCH_KEPT = 0.5;

/** Why the log of a server is not as it should be, as sentences; none when it is. */
export function judgeLog(judged: JudgedLog): string[] {
  return [...judgeReceiver(judged), ...judgeSlot(judged), ...judgeChains(judged), ...judgeDrill(judged)];
}

function judgeReceiver({ config, seen: { sight, problem }, chain, lagBytes, exposedMs, now }: JudgedLog): string[] {
  if (problem !== undefined) return [`the server does not answer: ${problem}`];
  if (!chain || !sight?.slot) {
    return [`its log is not taken: ${command('receive')}, with the profile pitr in COMPOSE_PROFILES`];
  }
  const reasons: string[] = [];
  const silentMs = now.getTime() - (chain.lastAt ?? chain.id.begunAt).getTime();
  if (!sight.isActive && (lagBytes ?? 0) > 0 && silentMs > INACTIVE_MS) {
    reasons.push(
      `no receiver has taken its log for ${formatDuration(silentMs)}, and ${formatBytes(lagBytes ?? 0)} wait on the server: ${command('receiverLogs')}`,
    );
  }
  const target = config.values.PITR_RPO_TARGET;
  if (exposedMs !== null && exposedMs > target) {
    reasons.push(
      `what was committed in the last ${formatDuration(exposedMs)} is not all stored, the target is ${formatDuration(target)}`,
    );
  }
  return reasons;
}

function judgeSlot({ config, seen: { sight } }: JudgedLog): string[] {
  if (!sight?.slot) return [];
  const limit = config.values.PITR_SLOT_LIMIT;
  const lost = sight.walStatus === 'lost' || sight.walStatus === 'unreserved';
  return [
    ...(lost
      ? [`the server has removed, or is about to remove, log that is not stored (wal_status ${sight.walStatus})`]
      : []),
    ...(sight.retainedBytes > limit * MUCH_KEPT
      ? [
          `the server keeps ${formatBytes(sight.retainedBytes)} of log that is not stored; at ${formatBytes(limit)} it is given up`,
        ]
      : []),
  ];
}

function judgeChains({ log, chain, beside, lost, now }: JudgedLog): string[] {
  if (!log || !chain) return [];
  const reasons = [...new Set(beside.map(({ id }) => id.systemIdentifier))].map((system) => {
    const which = system === chain.id.systemIdentifier ? 'a copy of this server' : `another server (${system})`;
    return `${which} stores its log under the same name: give each its own S3_PREFIX`;
  });
  const ageMs = now.getTime() - chain.id.begunAt.getTime();
  const hasBase = log.bases.some((base) => base.chain === chain.id.chain);
  if (!hasBase && ageMs > DAY_MS)
    reasons.push(
      `its log has had no base for ${formatDuration(ageMs)}, and restores nothing without one: ${command('base')}`,
    );
  if (lost)
    reasons.push(
      `the end of its log is missing in the store, which had confirmed it: find out what deleted it, then take a base (${command('base')}); a copy may have it (${command('copyFrom')}NAME)`,
    );
  const hole = log.gaps.find(({ isOpen }) => isOpen);
  if (hole !== undefined)
    reasons.push(
      `objects of its log are missing in the store: nothing that was committed after ${shownTime(hole.from)} can be restored from it until there is a new base (${command('base')}); a copy may have them (${command('copyFrom')}NAME)`,
    );
  const own = log.chains.filter((each) => !beside.includes(each));
  const recent = own.filter(({ id }) => now.getTime() - id.begunAt.getTime() < DAY_MS);
  if (recent.length >= MANY_CHAINS) {
    const causes = [...new Set(recent.map(({ cause }) => cause))].filter((cause) => cause !== undefined);
    reasons.push(
      `a new log of it was begun ${recent.length} times in a day: ${causes.map((cause) => CAUSES[cause]).join('; ')}`,
    );
  }
  return reasons;
}

function judgeDrill({ config, log, lastDrill, now }: JudgedLog): string[] {
  const maxAgeMs = config.values.DRILL_MAX_AGE;
  if (!lastDrill) {
    const oldest = log?.bases.at(-1);
    const waitingMs = oldest ? now.getTime() - Date.parse(oldest.endedAt) : 0;
    return waitingMs > maxAgeMs ? [`no drill of its log in ${formatDuration(waitingMs)}: ${command('drill')}`] : [];
  }
  const ageMs = now.getTime() - Date.parse(lastDrill.at);
  return [
    ...(lastDrill.ok ? [] : [`the last drill of its log failed: ${command('drill')}`]),
    ...(ageMs > maxAgeMs
      ? [`the last drill of its log is ${formatDuration(ageMs)} old, at most ${formatDuration(maxAgeMs)} is allowed`]
      : []),
  ];
}

/** What an operator should know all the same. */
export function noteLog({ config, seen: { sight, findings }, log, chain, lastDrill }: JudgedLog): string[] {
  const windowMs = config.values.PITR_WINDOW;
  const end = log?.ranges.at(-1)?.to;
  const since = end && new Date(end.getTime() - windowMs);
  const inWindow = (log?.gaps ?? []).filter(({ to, isOpen }) => since && to > since && !isOpen);
  const first = log?.ranges[0]?.from;
  const hasBase = log?.bases.some((base) => base.chain === chain?.id.chain) ?? false;
  const waits = sight?.syncState === 'sync' || sight?.syncState === 'quorum';
  return [
    ...findings,
    ...(waits && !config.values.PITR_SYNCHRONOUS
      ? ['every commit waits for the store: synchronous_standby_names means us']
      : []),
    ...(sight?.slot !== undefined && !sight.isActive ? ['no receiver takes its log now'] : []),
    ...(chain && !hasBase ? ['its log has no base yet, and restores nothing before it has one'] : []),
    ...inWindow.map(
      ({ from, to, why }) => `no moment between ${shownTime(from)} and ${shownTime(to)} can be restored: ${why}`,
    ),
    ...(first && since && first > since && inWindow.length === 0
      ? [
          `moments reach back ${formatDuration(end.getTime() - first.getTime())}, of ${formatDuration(windowMs)} that are wanted`,
        ]
      : []),
    ...(log?.unread ?? []).map(({ base, why }) => `${base.stem}: ${why}`),
    ...((log?.bases.length ?? 0) > 0 && !lastDrill ? [`no drill of its log yet: ${command('drill')}`] : []),
  ];
}
