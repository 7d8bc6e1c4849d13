import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSchedule } from '../../../scripts/lib/config/schedule.ts';

const HOUR = 3_600_000;

test('six fields, seconds first, in UTC', () => {
  const schedule = parseSchedule('30 15 1 * * *');
  assert.equal(schedule.next(new Date('2026-01-01T01:15:30Z'))?.toISOString(), '2026-01-02T01:15:30.000Z');
  assert.equal(schedule.next(new Date('2026-01-01T01:15:29Z'))?.toISOString(), '2026-01-01T01:15:30.000Z');
});

test('the shortcuts of Ofelia', () => {
  const from = new Date('2026-03-04T05:06:07Z');
  for (const [text, next] of [
    ['@hourly', '2026-03-04T06:00:00.000Z'],
    ['@daily', '2026-03-05T00:00:00.000Z'],
    ['@midnight', '2026-03-05T00:00:00.000Z'],
    ['@weekly', '2026-03-08T00:00:00.000Z'],
    ['@monthly', '2026-04-01T00:00:00.000Z'],
    ['@yearly', '2027-01-01T00:00:00.000Z'],
    ['@annually', '2027-01-01T00:00:00.000Z'],
    ['@every 90s', '2026-03-04T05:07:37.000Z'],
    ['@every 1h30m', '2026-03-04T06:36:07.000Z'],
  ] as const) {
    assert.equal(parseSchedule(text).next(from)?.toISOString(), next, text);
  }
});

test('the longest time between two runs, which is not always the next one', () => {
  for (const [text, ms] of [
    ['@hourly', HOUR],
    ['@every 5s', 5_000],
    ['0 0 4 * * 0', 7 * 24 * HOUR],
    ['0 0 8-17 * * 1-5', 63 * HOUR],
    ['0 0 0 1 * *', 31 * 24 * HOUR],
    ['0 0,10 * * * *', 50 * 60_000],
  ] as const) {
    assert.equal(parseSchedule(text).longestIntervalMs(), ms, text);
  }
});

test('five fields, as cron has them, are refused with the sixth to add', () => {
  assert.throws(() => parseSchedule('0 * * * *'), /Ofelia wants six.*'0 0 \* \* \* \*'/);
});

for (const text of [
  '',
  '@',
  '@fortnightly',
  '@every',
  '@every 0s',
  '@every 1',
  '@every 1h 2h',
  'a b c d e f',
  '60 * * * * *',
  '* * * * * * *',
  '@toString',
]) {
  test(`${JSON.stringify(text)} is no schedule`, () => assert.throws(() => parseSchedule(text), Error));
}
