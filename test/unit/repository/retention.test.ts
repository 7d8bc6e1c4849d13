import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, test } from 'node:test';
import {
  planRetention,
  type RetentionCandidate,
  type RetentionPolicy,
} from '../../../scripts/lib/repository/retention.ts';
import { HISTORIES, POLICIES, type PolicyCounts } from '../../golden/retention-cases.ts';

const NOW = new Date('2026-07-01T12:00:00Z');
const NOTHING: RetentionPolicy = {
  keepLast: 0,
  keepHourly: 0,
  keepDaily: 0,
  keepWeekly: 0,
  keepMonthly: 0,
  keepYearly: 0,
  minBackups: 0,
  protectDays: 7,
};
/** Zones, and how many minutes each is behind UTC in January. */
const ZONES = {
  UTC: 0,
  'Europe/Berlin': -60,
  'America/New_York': 300,
  'America/St_Johns': 210,
  'Asia/Kathmandu': -345,
  'Pacific/Pago_Pago': 660,
  'Pacific/Kiritimati': -840,
};

interface GoldenCase {
  history: string;
  policy: PolicyCounts;
  keep: Record<string, number[]>;
  remove: number[];
}
const golden = JSON.parse(readFileSync(new URL('../../golden/retention.json', import.meta.url), 'utf8')) as {
  restic: string;
  histories: Record<string, string[]>;
  cases: GoldenCase[];
};

const machineZone = process.env.TZ;
afterEach(() => {
  if (machineZone === undefined) delete process.env.TZ;
  else process.env.TZ = machineZone;
});

function backup(time: string, given: Partial<Omit<RetentionCandidate, 'createdAt'>> = {}): RetentionCandidate {
  return {
    key: `${given.source ?? 'app'}@${time}`,
    source: 'app',
    kind: 'backup',
    createdAt: new Date(time),
    ...given,
  };
}

function keysOf(decisions: readonly { backup: RetentionCandidate }[]): string[] {
  return decisions.map((decision) => decision.backup.key);
}

function reasonsByKey(decisions: readonly { backup: RetentionCandidate; reasons: readonly string[] }[]) {
  return Object.fromEntries(decisions.map((decision) => [decision.backup.key, decision.reasons]));
}

/** What planRetention says of a golden case, in the golden file's form: places in the history, the newest being 0. */
function decide({ history, policy }: GoldenCase): { keep: Record<string, number[]>; remove: number[] } {
  const candidates = (golden.histories[history] ?? []).map((time, place) => ({
    // of the same second the greatest key comes first
    ...backup(time, { source: history, key: String(9999 - place) }),
    place,
  }));
  const plan = planRetention(
    candidates.reverse(),
    {
      ...NOTHING,
      keepLast: policy.last ?? 0,
      keepHourly: policy.hourly ?? 0,
      keepDaily: policy.daily ?? 0,
      keepWeekly: policy.weekly ?? 0,
      keepMonthly: policy.monthly ?? 0,
      keepYearly: policy.yearly ?? 0,
    },
    NOW,
  );
  const keep: Record<string, number[]> = {};
  for (const { backup, reasons } of plan.keep) {
    for (const reason of reasons) {
      const inResticsWords = `${reason} snapshot`;
      keep[inResticsWords] ??= [];
      keep[inResticsWords].push(backup.place);
    }
  }
  return { keep, remove: plan.remove.map(({ backup }) => backup.place) };
}

test('the golden file is of restic 0.19 and holds an answer for every history under every policy', () => {
  assert.match(golden.restic, /^restic 0\.19\./);
  assert.deepEqual(golden.histories, Object.fromEntries(HISTORIES.map(({ name, times }) => [name, times])));
  const asked = POLICIES.flatMap((policy) => HISTORIES.map(({ name }) => ({ history: name, policy })));
  assert.deepEqual(
    golden.cases.map(({ history, policy }) => ({ history, policy })),
    asked,
  );
  assert.ok(HISTORIES.length >= 12 && POLICIES.length >= 8);
});

for (const { name } of HISTORIES) {
  test(`keeps and removes what restic would, for the same reasons: ${name}`, () => {
    const cases = golden.cases.filter((each) => each.history === name);
    assert.ok(cases.length > 0);
    for (const each of cases) {
      const { keep, remove } = each;
      assert.deepEqual(decide(each), { keep, remove }, `under ${JSON.stringify(each.policy)}`);
    }
  });
}

for (const [zone, behindMinutes] of Object.entries(ZONES)) {
  test(`decides the same on a machine in ${zone}`, () => {
    process.env.TZ = zone;
    assert.equal(new Date('2026-01-15T00:00:00Z').getTimezoneOffset(), behindMinutes);
    // 00:30 on a Monday, on the first of a month: a day, week and month of their own in UTC alone
    const plan = planRetention(
      ['2026-05-31T23:30:00Z', '2026-06-01T00:30:00Z', '2026-06-01T23:30:00Z', '2026-06-02T00:30:00Z'].map((time) =>
        backup(time, { key: time.slice(5, 13) }),
      ),
      { ...NOTHING, keepDaily: 3, keepWeekly: 2, keepMonthly: 2 },
      NOW,
    );
    assert.deepEqual(reasonsByKey(plan.keep), {
      '06-02T00': ['daily', 'weekly', 'monthly'],
      '06-01T23': ['daily'],
      '05-31T23': ['daily', 'weekly', 'monthly'],
    });
    for (const each of golden.cases) assert.deepEqual(decide(each), { keep: each.keep, remove: each.remove });
  });
}

test('a policy of zeros keeps everything and says so, safety backups past their time too', () => {
  const backups = [backup('2020-01-01T00:00:00Z'), backup('2019-01-01T00:00:00Z', { kind: 'pre-restore' })];
  const plan = planRetention(backups, NOTHING, NOW);
  assert.equal(plan.policyIsEmpty, true);
  assert.deepEqual(plan.keep, [
    { backup: backups[0], reasons: ['policy is empty'] },
    { backup: backups[1], reasons: ['policy is empty'] },
  ]);
  assert.deepEqual(plan.remove, []);
});

test('one count above zero makes a policy: what no rule keeps is removed', () => {
  const backups = ['2026-01-03T00:00:00Z', '2026-01-02T00:00:00Z', '2026-01-01T00:00:00Z'].map((time) => backup(time));
  const plan = planRetention(backups, { ...NOTHING, keepLast: 1 }, NOW);
  assert.equal(plan.policyIsEmpty, false);
  assert.deepEqual(plan.keep, [{ backup: backups[0], reasons: ['last'] }]);
  assert.deepEqual(plan.remove, [
    { backup: backups[1], reasons: ['no rule keeps it'] },
    { backup: backups[2], reasons: ['no rule keeps it'] },
  ]);
});

test('no backups at all are no plan', () => {
  assert.deepEqual(planRetention([], { ...NOTHING, keepLast: 1 }, NOW), { keep: [], remove: [], policyIsEmpty: false });
});

test('each source is counted on its own', () => {
  const backups = ['a', 'b'].flatMap((source) =>
    ['2026-01-01', '2026-01-02', '2026-01-03'].map((day) => backup(`${day}T00:00:00Z`, { source })),
  );
  const plan = planRetention(backups, { ...NOTHING, keepDaily: 2, minBackups: 2 }, NOW);
  assert.deepEqual(keysOf(plan.remove), ['b@2026-01-01T00:00:00Z', 'a@2026-01-01T00:00:00Z']);
});

test('a source whose name is a word of JavaScript is a source like any other', () => {
  const backups = ['__proto__', 'constructor', 'toString'].map((source) => backup('2026-01-01T00:00:00Z', { source }));
  const plan = planRetention(backups, { ...NOTHING, keepLast: 1 }, NOW);
  assert.equal(plan.keep.length, 3);
});

test('the floor keeps the newest of what the rules would remove, for each source', () => {
  const times = ['2026-01-01T05:00:00Z', '2026-01-01T04:00:00Z', '2026-01-01T03:00:00Z', '2026-01-01T02:00:00Z'];
  const backups = [...times.map((time) => backup(time)), backup('2025-01-01T00:00:00Z', { source: 'other' })];
  const plan = planRetention(backups, { ...NOTHING, keepDaily: 1, minBackups: 3 }, NOW);
  assert.deepEqual(reasonsByKey(plan.keep), {
    'app@2026-01-01T05:00:00Z': ['daily'],
    'app@2026-01-01T04:00:00Z': ['minimum backups'],
    'app@2026-01-01T03:00:00Z': ['minimum backups'],
    'other@2025-01-01T00:00:00Z': ['daily'],
  });
  assert.deepEqual(keysOf(plan.remove), ['app@2026-01-01T02:00:00Z']);
});

test('the floor adds nothing where the rules keep as many already', () => {
  const backups = ['2026-01-03T00:00:00Z', '2026-01-02T00:00:00Z', '2026-01-01T00:00:00Z'].map((time) => backup(time));
  const plan = planRetention(backups, { ...NOTHING, keepLast: 2, minBackups: 2 }, NOW);
  assert.deepEqual(
    plan.keep.map((decision) => decision.reasons),
    [['last'], ['last']],
  );
});

test('a safety backup takes no bucket, no count and no place of the floor from a good backup', () => {
  const good = [backup('2026-06-30T08:00:00Z'), backup('2026-06-29T08:00:00Z')];
  const safety = [
    backup('2026-06-30T09:00:00Z', { kind: 'pre-restore' }),
    backup('2026-06-01T09:00:00Z', { kind: 'pre-restore' }),
  ];
  const plan = planRetention(
    [...good, ...safety],
    { ...NOTHING, keepLast: 1, keepDaily: 1, keepYearly: 5, minBackups: 2, protectDays: 7 },
    NOW,
  );
  assert.deepEqual(reasonsByKey(plan.keep), {
    'app@2026-06-30T09:00:00Z': ['protected until 2026-07-07T09:00:00.000Z'],
    'app@2026-06-30T08:00:00Z': ['last', 'daily', 'yearly'],
    'app@2026-06-29T08:00:00Z': ['oldest yearly'],
  });
  assert.deepEqual(reasonsByKey(plan.remove), {
    'app@2026-06-01T09:00:00Z': ['safety backup past its 7 days'],
  });
});

test('a safety backup is kept to the last millisecond of its protection and not one longer', () => {
  const safety = backup('2026-06-01T09:00:00Z', { kind: 'pre-restore' });
  const at = (now: string, protectDays: number) =>
    planRetention([safety], { ...NOTHING, keepLast: 1, protectDays }, new Date(now));
  assert.deepEqual(at('2026-06-02T09:00:00.000Z', 1).keep, [
    { backup: safety, reasons: ['protected until 2026-06-02T09:00:00.000Z'] },
  ]);
  assert.deepEqual(at('2026-06-02T09:00:00.001Z', 1).remove, [
    { backup: safety, reasons: ['safety backup past its 1 day'] },
  ]);
  assert.deepEqual(at('2026-06-01T09:00:01Z', 0).remove, [
    { backup: safety, reasons: ['safety backup past its 0 days'] },
  ]);
  assert.equal(at('2026-06-02T09:00:00Z', Number.MAX_SAFE_INTEGER).keep.length, 1);
});

test('the last of a source that has nothing but expired safety backups is kept as the minimum', () => {
  const older = backup('2026-06-01T09:00:00Z', { kind: 'pre-restore' });
  const newer = backup('2026-06-02T09:00:00Z', { kind: 'pre-restore' });
  const policy = { ...NOTHING, keepLast: 1, protectDays: 7, minBackups: 1 };
  const plan = planRetention([older, newer], policy, new Date('2026-11-01T00:00:00Z'));
  assert.deepEqual(plan.keep, [{ backup: newer, reasons: ['minimum backups'] }]);
  assert.deepEqual(plan.remove, [{ backup: older, reasons: ['safety backup past its 7 days'] }]);
});

test('a backup dated in the future is the newest, and a safety backup from there is protected', () => {
  const plan = planRetention(
    [
      backup('2026-06-30T00:00:00Z'),
      backup('2031-01-01T00:00:00Z'),
      backup('2031-01-02T00:00:00Z', { kind: 'pre-restore' }),
    ],
    { ...NOTHING, keepLast: 1 },
    NOW,
  );
  assert.deepEqual(keysOf(plan.keep), ['app@2031-01-02T00:00:00Z', 'app@2031-01-01T00:00:00Z']);
  assert.deepEqual(keysOf(plan.remove), ['app@2026-06-30T00:00:00Z']);
});

test('a backup from just before 1970, as a machine without a clock makes it, is in a bucket like any other', () => {
  const backups = ['1969-12-31T23:30:00Z', '1969-12-31T23:10:00Z', '1969-12-31T22:50:00Z'].map((time) => backup(time));
  const plan = planRetention(backups, { ...NOTHING, keepHourly: 1 }, NOW);
  assert.deepEqual(keysOf(plan.keep), ['app@1969-12-31T23:30:00Z']);
});

test('an unlimited count never runs out', () => {
  const backups = Array.from({ length: 5000 }, (_, i) => backup(new Date(NOW.getTime() - i * 3_600_000).toISOString()));
  assert.equal(planRetention(backups, { ...NOTHING, keepHourly: -1 }, NOW).keep.length, 5000);
  assert.equal(planRetention(backups, { ...NOTHING, keepLast: -1 }, NOW).keep.length, 5000);
});

test('lists the newest first, those of one second by their keys, whatever the order they came in', () => {
  const backups = ['b', 'z', 'B', 'a'].map((key) => backup('2026-01-02T00:00:00Z', { key, source: key }));
  const older = backup('2026-01-01T00:00:00Z', { key: 'zz', source: 'a' });
  const given = [older, ...backups];
  const plan = planRetention(given, { ...NOTHING, keepLast: 5 }, NOW);
  assert.deepEqual(keysOf(plan.keep), ['z', 'b', 'a', 'B', 'zz']);
  assert.deepEqual(keysOf(given.map((each) => ({ backup: each }))), ['zz', 'b', 'z', 'B', 'a']);
});

test('refuses a policy or a time that means nothing instead of removing by it', () => {
  const backups = [backup('2026-01-02T00:00:00Z')];
  const wrong: Partial<RetentionPolicy>[] = [
    { keepDaily: Number.NaN },
    { keepDaily: -2 },
    { keepDaily: 1.5 },
    { minBackups: -1 },
    { minBackups: Number.NaN },
    { protectDays: Number.NaN },
  ];
  for (const part of wrong) {
    const [[name, value] = []] = Object.entries(part);
    const expected = { name: 'RangeError', message: `${name} is ${value}` };
    assert.throws(() => planRetention(backups, { ...NOTHING, keepLast: 1, ...part }, NOW), expected);
  }
  const policy = { ...NOTHING, keepLast: 1 };
  assert.throws(() => planRetention([backup('never')], policy, NOW), { message: 'app@never has no time' });
  assert.throws(() => planRetention(backups, policy, new Date('never')), { message: 'now is no time' });
});

test('the work grows with the number of backups, not with its square', () => {
  const timeFor = (count: number, times: number): number => {
    const backups = Array.from({ length: count }, (_, i) =>
      backup(new Date(NOW.getTime() - i * 600_000).toISOString(), { source: `s${i % 10}` }),
    );
    const policy = { ...NOTHING, keepLast: 3, keepHourly: 24, keepDaily: 7, keepYearly: -1, minBackups: count };
    return Math.min(
      ...[1, 2, 3].map(() => {
        // of the processor, which others on a busy machine do not take part in
        const start = process.cpuUsage();
        for (let i = 0; i < times; i++) planRetention(backups, policy, NOW);
        const { user, system } = process.cpuUsage(start);
        return user + system;
      }),
    );
  };
  timeFor(4_000, 1);
  // as many in one as in sixteen: once to twice the work, where a square would be sixteen times. Sixteen, because the
  // system counts a processor's time in ticks of milliseconds
  const ratio = timeFor(64_000, 1) / timeFor(4_000, 16);
  assert.ok(ratio < 6, `64,000 backups at once took ${ratio.toFixed(1)} times as long as 16 times 4,000`);
});
