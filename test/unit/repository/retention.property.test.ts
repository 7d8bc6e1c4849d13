import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Kind } from '../../../scripts/lib/repository/object-key.ts';
import {
  planRetention,
  type RetentionCandidate,
  type RetentionPolicy,
} from '../../../scripts/lib/repository/retention.ts';

const NOW = new Date('2026-07-01T12:00:00Z');
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const COUNTS = ['keepLast', 'keepHourly', 'keepDaily', 'keepWeekly', 'keepMonthly', 'keepYearly'] as const;
type Count = (typeof COUNTS)[number];

// steps of every size, so that backups meet in the same second, hour, day, week, month and year
const someTime = fc
  .oneof(
    fc.integer({ min: 0, max: 30 }).map((n) => n * 1000),
    fc.integer({ min: 0, max: 60 }).map((n) => n * 900_000),
    fc.integer({ min: 0, max: 60 }).map((n) => n * 8 * HOUR_MS),
    fc.integer({ min: 0, max: 4000 }).map((n) => n * DAY_MS),
    fc.integer({ min: -8, max: 0 }).map((n) => n * DAY_MS),
  )
  .map((ago) => new Date(NOW.getTime() - ago));

const someKind = fc.constantFrom<Kind[]>('backup', 'backup', 'backup', 'pre-restore');

function someBackups(kind: fc.Arbitrary<Kind> = someKind): fc.Arbitrary<RetentionCandidate[]> {
  const backup = fc.record({ source: fc.constantFrom('a', 'b', 'c'), createdAt: someTime, kind });
  return fc
    .array(backup, { maxLength: 60 })
    .map((all) => all.map((each, i) => ({ ...each, key: `${each.source}#${i}` })));
}

const someCount = fc.oneof(fc.integer({ min: 0, max: 6 }), fc.constantFrom(-1, 0, 0, 30));

function somePolicy(minBackups = fc.integer({ min: 0, max: 9 })): fc.Arbitrary<RetentionPolicy> {
  return fc
    .tuple(...COUNTS.map(() => someCount), minBackups, fc.integer({ min: 0, max: 20 }))
    .map(([keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly, floor, protectDays]) => ({
      keepLast: keepLast as number,
      keepHourly: keepHourly as number,
      keepDaily: keepDaily as number,
      keepWeekly: keepWeekly as number,
      keepMonthly: keepMonthly as number,
      keepYearly: keepYearly as number,
      minBackups: floor as number,
      protectDays: protectDays as number,
    }));
}

const isEmpty = (policy: RetentionPolicy): boolean => COUNTS.every((name) => policy[name] === 0);
const aRealPolicy = somePolicy().filter((policy) => !isEmpty(policy));

function keysOf(decisions: readonly { backup: RetentionCandidate }[]): string[] {
  return decisions.map((decision) => decision.backup.key);
}

function keptOf(backups: readonly RetentionCandidate[], policy: RetentionPolicy): Set<string> {
  return new Set(keysOf(planRetention(backups, policy, NOW).keep));
}

function ordinaryBySource(backups: readonly RetentionCandidate[]): RetentionCandidate[][] {
  const ordinary = backups.filter((backup) => backup.kind === 'backup');
  return ['a', 'b', 'c'].map((source) => ordinary.filter((backup) => backup.source === source)).filter((g) => g.length);
}

/** The bucket's name, read from the calendar text; a week is named by its Monday. */
const BUCKET_NAMES: Record<Exclude<Count, 'keepLast'>, (time: Date) => string> = {
  keepHourly: (time) => time.toISOString().slice(0, 13),
  keepDaily: (time) => time.toISOString().slice(0, 10),
  keepWeekly: (time) => new Date(time.getTime() - ((time.getUTCDay() + 6) % 7) * DAY_MS).toISOString().slice(0, 10),
  keepMonthly: (time) => time.toISOString().slice(0, 7),
  keepYearly: (time) => time.toISOString().slice(0, 4),
};

test('every backup is either kept or removed, once', () => {
  fc.assert(
    fc.property(someBackups(), somePolicy(), (backups, policy) => {
      const { keep, remove } = planRetention(backups, policy, NOW);
      assert.deepEqual([...keysOf(keep), ...keysOf(remove)].sort(), backups.map((backup) => backup.key).sort());
      const given = new Set(backups);
      assert.ok([...keep, ...remove].every((decision) => given.has(decision.backup)));
    }),
  );
});

test('every decision has a reason, and both lists are newest first', () => {
  fc.assert(
    fc.property(someBackups(), somePolicy(), (backups, policy) => {
      const { keep, remove } = planRetention(backups, policy, NOW);
      for (const list of [keep, remove]) {
        assert.ok(list.every(({ reasons }) => reasons.length > 0 && reasons.every((reason) => reason !== '')));
        const times = list.map(({ backup }) => backup.createdAt.getTime());
        assert.deepEqual(
          times,
          times.toSorted((a, b) => b - a),
        );
      }
    }),
  );
});

test('the order in which the backups come does not matter', () => {
  const shuffled = someBackups().chain((backups) =>
    fc.tuple(fc.constant(backups), fc.shuffledSubarray(backups, { minLength: backups.length })),
  );
  fc.assert(
    fc.property(shuffled, somePolicy(), ([backups, otherwise], policy) => {
      assert.deepEqual(planRetention(otherwise, policy, NOW), planRetention(backups, policy, NOW));
    }),
  );
});

test('what happens to a source does not depend on the others', () => {
  fc.assert(
    fc.property(someBackups(), somePolicy(), (backups, policy) => {
      const together = planRetention(backups, policy, NOW);
      for (const source of ['a', 'b', 'c']) {
        const alone = planRetention(
          backups.filter((backup) => backup.source === source),
          policy,
          NOW,
        );
        assert.deepEqual(
          together.keep.filter(({ backup }) => backup.source === source),
          alone.keep,
        );
      }
    }),
  );
});

test('a rule keeps the newest of its newest buckets, and the oldest backup where buckets run out before the count', () => {
  const rule = fc.constantFrom(...(Object.keys(BUCKET_NAMES) as (keyof typeof BUCKET_NAMES)[]));
  const count = someCount.filter((n) => n !== 0);
  fc.assert(
    fc.property(someBackups(fc.constant('backup')), rule, count, (backups, name, n) => {
      const policy = { ...emptyPolicy(), [name]: n };
      const expected = ordinaryBySource(backups).flatMap((ofSource) => {
        const newestFirst = ofSource.toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || order(b, a));
        const newestOf = new Map<string, RetentionCandidate>();
        for (const backup of newestFirst.toReversed()) newestOf.set(BUCKET_NAMES[name](backup.createdAt), backup);
        const newest = newestFirst.filter((backup) => newestOf.get(BUCKET_NAMES[name](backup.createdAt)) === backup);
        const runsOut = n === -1 || newest.length < n;
        return [...newest.slice(0, n === -1 ? undefined : n), ...(runsOut ? newestFirst.slice(-1) : [])];
      });
      assert.deepEqual(keptOf(backups, policy), new Set(expected.map((backup) => backup.key)));
    }),
    { numRuns: 300 },
  );
});

test('rules are ORed: together they keep what each alone would, and no more', () => {
  fc.assert(
    fc.property(someBackups(fc.constant('backup')), aRealPolicy, (backups, policy) => {
      const each = COUNTS.filter((name) => policy[name] !== 0).map((name) =>
        keptOf(backups, { ...emptyPolicy(), [name]: policy[name] }),
      );
      assert.deepEqual(
        [...keptOf(backups, { ...policy, minBackups: 0 })].sort(),
        [...new Set(each.flatMap((kept) => [...kept]))].sort(),
      );
    }),
  );
});

test('raising a count removes no backup that was kept, but for those that only the floor kept', () => {
  const raise = fc.tuple(aRealPolicy, fc.constantFrom(...COUNTS), fc.integer({ min: 1, max: 5 }));
  fc.assert(
    fc.property(someBackups(), raise, (backups, [policy, name, by]) => {
      const raised = { ...policy, [name]: policy[name] === -1 ? -1 : policy[name] + by };
      const before = planRetention(backups, policy, NOW).keep;
      const after = keptOf(backups, raised);
      for (const { backup, reasons } of before) {
        if (!reasons.includes('minimum backups')) assert.ok(after.has(backup.key), `${backup.key} is gone`);
      }
      assert.ok(after.size >= before.length);
      assert.ok(keptOf(backups, { ...policy, [name]: -1 }).size >= after.size);
    }),
  );
});

test('raising the floor or the protection removes no backup that was kept', () => {
  fc.assert(
    fc.property(someBackups(), somePolicy(), fc.nat(5), fc.nat(5), (backups, policy, floor, days) => {
      const { minBackups, protectDays } = policy;
      const raised = { ...policy, minBackups: minBackups + floor, protectDays: protectDays + days };
      const after = keptOf(backups, raised);
      assert.ok([...keptOf(backups, policy)].every((key) => after.has(key)));
    }),
  );
});

test('pruning again right away changes nothing, not even a reason', () => {
  fc.assert(
    fc.property(someBackups(), somePolicy(), (backups, policy) => {
      const once = planRetention(backups, policy, NOW);
      const twice = planRetention(
        once.keep.map((decision) => decision.backup),
        policy,
        NOW,
      );
      assert.deepEqual(twice, { ...once, remove: [] });
    }),
  );
});

test('pruning after every backup ends where pruning once at the end would, with a floor of one at the most', () => {
  const policies = somePolicy(fc.integer({ min: 0, max: 1 })).filter((policy) => !isEmpty(policy));
  fc.assert(
    fc.property(someBackups(fc.constant('backup')), policies, (backups, policy) => {
      const chronological = backups.toSorted((a, b) => a.createdAt.getTime() - b.createdAt.getTime() || order(a, b));
      let left: RetentionCandidate[] = [];
      for (const backup of chronological) {
        left = planRetention([...left, backup], policy, backup.createdAt).keep.map((decision) => decision.backup);
      }
      assert.deepEqual(new Set(left.map((backup) => backup.key)), keptOf(backups, policy));
    }),
  );
});

test('the newest backup of every source is kept, whatever the policy', () => {
  fc.assert(
    fc.property(someBackups(), somePolicy(fc.constant(0)), (backups, policy) => {
      const kept = keptOf(backups, policy);
      for (const ofSource of ordinaryBySource(backups)) {
        const [newest] = ofSource.toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || order(b, a));
        assert.ok(newest && kept.has(newest.key));
      }
    }),
  );
});

test('of every source at least minBackups are kept, or all there are', () => {
  fc.assert(
    fc.property(someBackups(), somePolicy(), (backups, policy) => {
      const kept = keptOf(backups, policy);
      for (const ofSource of ordinaryBySource(backups)) {
        const keptOfSource = ofSource.filter((backup) => kept.has(backup.key)).length;
        assert.ok(keptOfSource >= Math.min(policy.minBackups, ofSource.length));
      }
    }),
  );
});

test('an empty policy removes nothing, and no other policy calls itself empty', () => {
  fc.assert(
    fc.property(someBackups(), somePolicy(), (backups, policy) => {
      assert.equal(planRetention(backups, policy, NOW).policyIsEmpty, isEmpty(policy));
      const plan = planRetention(backups, { ...emptyPolicy(), minBackups: policy.minBackups }, NOW);
      assert.equal(plan.policyIsEmpty, true);
      assert.deepEqual(plan.remove, []);
    }),
  );
});

test('safety backups change nothing for the others and are judged by their age, or kept for want of anything else', () => {
  fc.assert(
    fc.property(someBackups(), aRealPolicy, (backups, policy) => {
      const plan = planRetention(backups, policy, NOW);
      const withoutSafety = backups.filter((backup) => backup.kind === 'backup');
      assert.deepEqual(
        plan.keep.filter(({ backup }) => backup.kind === 'backup'),
        planRetention(withoutSafety, policy, NOW).keep,
      );
      const kept = new Set(keysOf(plan.keep));
      for (const backup of backups.filter((each) => each.kind === 'pre-restore')) {
        const ageDays = (NOW.getTime() - backup.createdAt.getTime()) / DAY_MS;
        const others = plan.keep.filter(({ backup: other }) => other.source === backup.source).length;
        if (ageDays <= policy.protectDays) assert.ok(kept.has(backup.key));
        else if (kept.has(backup.key)) assert.ok(others <= policy.minBackups);
        else assert.ok(others >= policy.minBackups);
      }
    }),
  );
});

function emptyPolicy(): RetentionPolicy {
  const zeros = Object.fromEntries(COUNTS.map((name) => [name, 0])) as Record<Count, number>;
  return { ...zeros, minBackups: 0, protectDays: 0 };
}

function order(a: RetentionCandidate, b: RetentionCandidate): number {
  if (a.key === b.key) return 0;
  return a.key < b.key ? -1 : 1;
}
