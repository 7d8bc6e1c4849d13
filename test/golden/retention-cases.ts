/** The histories and policies that restic is asked about. What it answered is in retention.json. */

/** Counts by the names of restic's options (`--keep-daily`); -1 is unlimited. */
export type PolicyCounts = Partial<Record<'last' | 'hourly' | 'daily' | 'weekly' | 'monthly' | 'yearly', number>>;

export interface History {
  readonly name: string;
  /** To the second, newest first. */
  readonly times: readonly string[];
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;

/** `count` times from `first` on, `step` seconds apart. */
function every(step: number, first: string, count: number): string[] {
  const start = Date.parse(`${first}Z`);
  return Array.from({ length: count }, (_, i) => new Date(start + i * step * 1000).toISOString());
}

/** `count` times over `days` from `first` on, irregular but the same each time. */
function scattered(seed: number, first: string, days: number, count: number): string[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return every(
      0,
      new Date(Date.parse(`${first}Z`) + (state / 2 ** 32) * days * DAY * 1000).toISOString().slice(0, 19),
      1,
    );
  }).flat();
}

/** The last second before and the first second of each of these days. */
function edges(...days: string[]): string[] {
  return days.flatMap((day) => every(1, new Date(Date.parse(`${day}T00:00:00Z`) - 1000).toISOString().slice(0, 19), 2));
}

const TIMES = {
  'one-only': every(0, '2026-03-01T12:00:00', 1),
  'two-in-one-hour': every(20 * MINUTE, '2026-03-01T12:10:00', 2),
  'all-in-one-second': every(0, '2026-03-01T12:00:00', 5),
  'three-in-each-second': [0, 0, 0].flatMap(() => every(9 * HOUR, '2026-02-25T23:59:59', 8)),
  'dense-minutes': every(7 * MINUTE, '2026-05-09T21:01:00', 40),
  hourly: every(HOUR, '2026-06-12T03:00:05', 60),
  'every-25-hours': every(25 * HOUR, '2026-01-20T00:30:00', 45),
  'every-6-hours': every(6 * HOUR, '2025-08-20T01:00:00', 50),
  'spring-forward': [
    ...every(30 * MINUTE, '2025-03-09T04:15:00', 16),
    ...every(30 * MINUTE, '2025-03-29T21:45:00', 20),
  ],
  'fall-back': [...every(30 * MINUTE, '2025-10-25T21:15:00', 20), ...every(HOUR, '2025-11-02T03:30:00', 14)],
  'new-year-2021-week-53': every(DAY, '2020-12-18T06:00:00', 32),
  'new-year-2025-week-1': every(12 * HOUR, '2024-12-23T11:59:59', 34),
  'new-year-2027-week-53': every(DAY, '2026-12-22T23:59:59', 30),
  'leap-day': [
    ...every(DAY, '2023-02-25T02:00:00', 7),
    ...every(12 * HOUR, '2024-02-25T02:00:00', 14),
    ...edges('2024-02-29', '2024-03-01', '2025-03-01'),
  ],
  'leap-day-of-a-century': [...every(DAY, '2000-02-24T10:00:00', 9), ...edges('2000-02-29', '2000-03-01')],
  gaps: [
    ...every(HOUR, '2025-01-01T00:00:00', 6),
    ...every(DAY, '2025-04-10T05:00:00', 8),
    ...every(10 * MINUTE, '2025-11-30T23:05:00', 12),
    ...every(WEEK, '2026-06-01T00:00:00', 5),
  ],
  'years-sparse': every(101 * DAY, '2011-05-05T05:05:05', 50),
  'once-a-year': every(365 * DAY, '2015-06-10T04:00:00', 10),
  'edges-of-years': edges(...Array.from({ length: 16 }, (_, i) => `${2011 + i}-01-01`)),
  'edges-of-months': edges(
    ...Array.from({ length: 18 }, (_, i) => new Date(Date.UTC(2024, i, 1)).toISOString().slice(0, 10)),
  ),
  'edges-of-weeks': edges(...every(WEEK, '2025-12-01T00:00:00', 14).map((time) => time.slice(0, 10))),
  'workdays-only': every(DAY, '2026-02-02T22:00:00', 56).filter((time) => ![0, 6].includes(new Date(time).getUTCDay())),
  'irregular-over-a-month': scattered(7, '2026-04-01T00:00:00', 31, 50),
  'irregular-over-years': scattered(42, '2019-06-01T00:00:00', 2500, 45),
  'into-the-future': [...every(DAY, '2026-01-01T01:00:00', 8), ...every(400 * DAY, '2098-12-30T12:00:00', 6)],
  'before-1970': [...every(HOUR, '1969-12-31T19:59:59', 8), ...every(DAY, '1969-12-24T12:00:00', 14)],
} satisfies Record<string, readonly string[]>;

export const HISTORIES: readonly History[] = Object.entries(TIMES).map(([name, times]) => ({
  name,
  times: times.toSorted().reverse(),
}));

export const POLICIES: readonly PolicyCounts[] = [
  { last: 1 },
  { last: 7 },
  { hourly: 1 },
  { hourly: 24 },
  { daily: 7 },
  { weekly: 4 },
  { monthly: 6 },
  { yearly: 2 },
  { last: -1 },
  { hourly: -1 },
  { daily: -1 },
  { weekly: -1 },
  { monthly: -1 },
  { yearly: -1 },
  { last: 3, hourly: 24, daily: 7, weekly: 4, monthly: 6, yearly: 2 },
  { last: 1, hourly: 1, daily: 1, weekly: 1, monthly: 1, yearly: 1 },
  { last: 2, weekly: 3, yearly: 10 },
  { daily: 3, yearly: -1 },
  { hourly: 3, weekly: -1 },
  { daily: 14, monthly: 12 },
  { weekly: 53, monthly: 2 },
  { last: 1000, hourly: 1000, daily: 1000, weekly: 1000, monthly: 1000, yearly: 1000 },
];
