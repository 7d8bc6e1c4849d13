import type { Kind } from './object-key.ts';

/** How many backups each rule keeps, for every source on its own: 0 switches a rule off, -1 is unlimited. */
export interface RetentionPolicy {
  keepLast: number;
  keepHourly: number;
  keepDaily: number;
  keepWeekly: number;
  keepMonthly: number;
  keepYearly: number;
  /** How many backups of a source are kept whatever the rules say. */
  minBackups: number;
  /** For how many days a safety backup is kept. */
  protectDays: number;
}

export interface RetentionCandidate {
  readonly key: string;
  readonly source: string;
  readonly createdAt: Date;
  readonly kind: Kind;
  /** Somebody has said that it is to stay. */
  readonly isHeld?: boolean;
}

export interface RetentionDecision<T> {
  readonly backup: T;
  readonly reasons: readonly string[];
}

/** Every backup is in exactly one of the lists, the newest first. */
export interface RetentionPlan<T> {
  readonly keep: readonly RetentionDecision<T>[];
  readonly remove: readonly RetentionDecision<T>[];
  /** All six counts are zero: everything is kept. */
  readonly policyIsEmpty: boolean;
}

/** The policy of every source, or of each. */
export type Policies = RetentionPolicy | ((source: string) => RetentionPolicy);

type CountName = Exclude<keyof RetentionPolicy, 'minBackups' | 'protectDays'>;

interface Rule {
  readonly reason: string;
  /**
   * The bucket of a backup made at `time` that has `position` in its source, the newest being 0. A bucket is only ever
   * compared with the one before it, so any number that differs from one to the next will do.
   */
  readonly bucketOf: (time: Date, position: number) => number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** 1970-01-01 was a Thursday: the third day of its ISO week, counted from 0. */
const EPOCH_WEEKDAY = 3;
const LATEST_TIME_MS = 8.64e15;

/**
 * The rules, in the order in which restic names them. All arithmetic is on UTC. An ISO week needs neither its number
 * nor its year here: it is a run of seven days from a Monday, so counting Mondays tells one from the next, also
 * across a new year.
 */
const RULES = {
  keepLast: { reason: 'last', bucketOf: (_, position) => position },
  keepHourly: { reason: 'hourly', bucketOf: (time) => Math.floor(time.getTime() / HOUR_MS) },
  keepDaily: { reason: 'daily', bucketOf: dayOf },
  keepWeekly: { reason: 'weekly', bucketOf: (time) => Math.floor((dayOf(time) + EPOCH_WEEKDAY) / 7) },
  keepMonthly: { reason: 'monthly', bucketOf: (time) => time.getUTCFullYear() * 12 + time.getUTCMonth() },
  keepYearly: { reason: 'yearly', bucketOf: (time) => time.getUTCFullYear() },
} as const satisfies Record<CountName, Rule>;

const COUNT_NAMES = Object.keys(RULES) as CountName[];

const EMPTY_POLICY = ['policy is empty'];
const BELOW_FLOOR = ['minimum backups'];
const NO_RULE = ['no rule keeps it'];
const HELD = 'held';

/**
 * Decides which backups stay, of each source by its policy, as `restic forget` would for each source: the rules are ORed, each keeps the newest of
 * its buckets until its count is used up, and with counts left keeps the source's oldest too. minBackups is a floor
 * under that. Safety backups stand outside: they hold the state that a restore replaced, and must not take a good
 * backup's place, so they only have a time until which they are protected.
 */
export function planRetention<T extends RetentionCandidate>(
  backups: readonly T[],
  policies: Policies,
  now: Date,
): RetentionPlan<T> {
  const policyOf = typeof policies === 'function' ? policies : () => policies;
  const ordered = backups.toSorted(newestFirst);
  const isEmpty = (policy: RetentionPolicy) => COUNT_NAMES.every((name) => policy[name] === 0);
  if (typeof policies !== 'function') refuseNonsense(backups, policies, now);
  let policyIsEmpty = typeof policies === 'function' ? backups.length > 0 : isEmpty(policies);

  const kept = new Map<T, readonly string[]>();
  const expired = new Map<T, string[]>();
  for (const ofSource of bySource(ordered)) {
    const policy = policyOf(ofSource[0]?.source ?? '');
    refuseNonsense(ofSource, policy, now);
    if (isEmpty(policy)) {
      for (const backup of ofSource) kept.set(backup, EMPTY_POLICY);
      continue;
    }
    policyIsEmpty = false;
    const past = [`safety backup past its ${policy.protectDays} ${policy.protectDays === 1 ? 'day' : 'days'}`];
    for (const backup of ofSource) if (backup.kind !== 'backup') expired.set(backup, past);
    const ordinary = ofSource.filter((backup) => backup.kind === 'backup');
    applyRules(ordinary, policy, kept);
    applyFloor(ordinary, policy.minBackups, kept);
    protectSafetyBackups(ofSource, policy.protectDays, now, kept);
    // a source that has nothing else left keeps even these
    applyFloor(ofSource, policy.minBackups, kept);
  }
  // last: a hold decides for one backup alone, and takes nobody's place
  for (const backup of ordered)
    if (backup.isHeld && kept.get(backup) !== EMPTY_POLICY) kept.set(backup, [...(kept.get(backup) ?? []), HELD]);

  const keep: RetentionDecision<T>[] = [];
  const remove: RetentionDecision<T>[] = [];
  for (const backup of ordered) {
    const reasons = kept.get(backup);
    if (reasons) keep.push({ backup, reasons });
    else remove.push({ backup, reasons: expired.get(backup) ?? NO_RULE });
  }
  return { keep, remove, policyIsEmpty };
}

/** A backup that no rule can place must not end up removed for it: such input is a defect of the caller. */
function refuseNonsense(backups: readonly RetentionCandidate[], policy: RetentionPolicy, now: Date): void {
  for (const name of COUNT_NAMES) {
    if (!Number.isInteger(policy[name]) || policy[name] < -1) throw new RangeError(`${name} is ${policy[name]}`);
  }
  for (const name of ['minBackups', 'protectDays'] as const) {
    if (!Number.isInteger(policy[name]) || policy[name] < 0) throw new RangeError(`${name} is ${policy[name]}`);
  }
  if (Number.isNaN(now.getTime())) throw new RangeError('now is no time');
  for (const { key, createdAt } of backups) {
    if (Number.isNaN(createdAt.getTime())) throw new RangeError(`${key} has no time`);
  }
}

/** Days since 1970-01-01, in UTC. */
function dayOf(time: Date): number {
  return Math.floor(time.getTime() / DAY_MS);
}

function newestFirst(a: RetentionCandidate, b: RetentionCandidate): number {
  const byTime = b.createdAt.getTime() - a.createdAt.getTime();
  if (byTime !== 0 || a.key === b.key) return byTime;
  return a.key < b.key ? 1 : -1;
}

function bySource<T extends RetentionCandidate>(backups: readonly T[]): Iterable<readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const backup of backups) {
    const group = groups.get(backup.source);
    if (group) group.push(backup);
    else groups.set(backup.source, [backup]);
  }
  return groups.values();
}

/** Notes in `kept` which of one source's backups, newest first, the rules keep, and why. */
function applyRules<T extends RetentionCandidate>(
  backups: readonly T[],
  policy: RetentionPolicy,
  kept: Map<T, readonly string[]>,
): void {
  const states = COUNT_NAMES.map((name) => ({
    ...RULES[name],
    left: policy[name] === -1 ? Number.POSITIVE_INFINITY : policy[name],
    bucket: undefined as number | undefined,
  }));
  for (const [position, backup] of backups.entries()) {
    const isOldest = position === backups.length - 1;
    const reasons: string[] = [];
    for (const state of states) {
      if (state.left === 0) continue;
      const bucket = state.bucketOf(backup.createdAt, position);
      const opensBucket = bucket !== state.bucket;
      if (!opensBucket && !isOldest) continue;
      reasons.push(opensBucket ? state.reason : `oldest ${state.reason}`);
      state.bucket = bucket;
      state.left -= 1;
    }
    if (reasons.length > 0) kept.set(backup, reasons);
  }
}

/** Adds to `kept` the newest of what the rules leave of one source, until the floor is reached. */
function applyFloor<T extends RetentionCandidate>(
  backups: readonly T[],
  minBackups: number,
  kept: Map<T, readonly string[]>,
): void {
  let missing = minBackups - backups.filter((backup) => kept.has(backup)).length;
  for (const backup of backups) {
    if (missing <= 0) return;
    if (kept.has(backup)) continue;
    kept.set(backup, BELOW_FLOOR);
    missing -= 1;
  }
}

/** Adds to `kept` the safety backups whose time is not over. */
function protectSafetyBackups<T extends RetentionCandidate>(
  backups: readonly T[],
  protectDays: number,
  now: Date,
  kept: Map<T, readonly string[]>,
): void {
  for (const backup of backups) {
    if (backup.kind === 'backup') continue;
    const until = new Date(Math.min(backup.createdAt.getTime() + protectDays * DAY_MS, LATEST_TIME_MS));
    if (now.getTime() <= until.getTime()) kept.set(backup, [`protected until ${until.toISOString()}`]);
  }
}
