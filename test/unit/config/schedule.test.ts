import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ofeliaSchedule, parseSchedule } from '../../../scripts/lib/config/schedule.ts';

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

test('a day of the month and a weekday: either of them, but both where one has a star, with or without a step', () => {
  const from = new Date('2026-11-28T00:00:00Z');
  for (const [text, next] of [
    ['0 0 13 * 1', '2026-11-30T00:00:00.000Z'],
    // the next Monday with an odd date, and not each odd date beside each Monday
    ['0 0 */2 * 1', '2026-12-07T00:00:00.000Z'],
    ['0 0 ?/2 * 1', '2026-12-07T00:00:00.000Z'],
    ['0 0 13 * */5', '2026-12-13T00:00:00.000Z'],
  ] as const) {
    assert.equal(parseSchedule(text).next(from)?.toISOString(), next, text);
  }
});

test('what Ofelia is told for a schedule as people write them', () => {
  for (const [text, told] of [
    // of five fields Ofelia would take the first for seconds, and run 24 times a day
    ['30 2 * * *', '0 30 2 * * *'],
    ['  */15 * * * * ', '0 */15 * * * *'],
    // Sunday is 0 alone there, and a job with a 7 is not taken
    ['0 0 4 * * 7', '0 0 4 * * 0'],
    ['0 4 * * 5-7', '0 0 4 * * 5-6,0'],
    ['0 0 4 * * sun,7', '0 0 4 * * sun,0'],
    // Go's durations have no days
    ['@every 1d', '@every 86400s'],
    ['@every 1w', '@every 604800s'],
    ['@every   5m', '@every 5m'],
    ['@every 1.5h', '@every 1.5h'],
    ['0 0 4 ? * MON-FRI', '0 0 4 ? * MON-FRI'],
    ['0 5/20 * * * *', '0 5/20 * * * *'],
    ['@hourly', '@hourly'],
  ] as const) {
    assert.equal(ofeliaSchedule(text), told, text);
    assert.equal(ofeliaSchedule(told), told, told);
  }
});

test('a schedule is read on the clock of its time zone, also when the clock changes', () => {
  const schedule = parseSchedule('0 3 * * *', 'Europe/Berlin');
  assert.equal(schedule.next(new Date('2026-01-01T00:00:00Z'))?.toISOString(), '2026-01-01T02:00:00.000Z');
  assert.equal(schedule.next(new Date('2026-07-01T00:00:00Z'))?.toISOString(), '2026-07-01T01:00:00.000Z');
});

test('a time of day that a change of the clock skips is none on that day, as Ofelia has it', () => {
  const schedule = parseSchedule('30 2 * * *', 'Europe/Berlin');
  assert.equal(schedule.next(new Date('2026-03-28T12:00:00Z'))?.toISOString(), '2026-03-30T00:30:00.000Z');
  const noon = new Date('2026-03-29T12:00:00Z');
  assert.equal(schedule.lastDue(new Date('2026-03-28T02:00:00Z'), noon), undefined);
  // twice on the day that has it twice: once is enough
  assert.equal(schedule.next(new Date('2026-10-24T12:00:00Z'))?.toISOString(), '2026-10-25T00:30:00.000Z');
  assert.equal(schedule.longestIntervalMs(), 25 * HOUR);
});

test('five fields are at those times of the day', () => {
  const schedule = parseSchedule('30 2 * * *');
  assert.equal(schedule.next(new Date('2026-01-01T02:30:00Z'))?.toISOString(), '2026-01-02T02:30:00.000Z');
  assert.equal(schedule.longestIntervalMs(), 24 * HOUR);
});

test('the last time at which a run was due, since it was first waited for', () => {
  const since = new Date('2026-01-01T02:00:00Z');
  const lastDue = (text: string, until: string) => parseSchedule(text).lastDue(since, new Date(until))?.toISOString();
  assert.equal(lastDue('0 30 2 * * *', '2026-01-01T02:29:59Z'), undefined);
  assert.equal(lastDue('0 30 2 * * *', '2026-01-01T02:30:00Z'), '2026-01-01T02:30:00.000Z');
  assert.equal(lastDue('0 30 2 * * *', '2026-01-03T01:00:00Z'), '2026-01-02T02:30:00.000Z');
  assert.equal(lastDue('@every 1h', '2026-01-01T02:59:00Z'), undefined);
  assert.equal(lastDue('@every 1h', '2026-01-01T05:10:00Z'), '2026-01-01T05:00:00.000Z');
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
  '0 0 4 L * *',
  '0 0 4 * * 1#1',
  '0 0 4 15W * *',
  '0 0 22-4 * * *',
  '0 0 4 * * 8',
  '0 */0 * * * *',
  '0 0 0 31 2 *',
  '@every 500ms',
]) {
  test(`${JSON.stringify(text)} is no schedule`, () => assert.throws(() => parseSchedule(text), Error));
}
