import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeZone, shownTime, shownTimeInTable } from '../../../scripts/lib/terminal/time.ts';

const WINTER = new Date('2026-01-02T23:04:05.678Z');
const SUMMER = new Date('2026-07-02T00:04:05Z');

test('times that people read are in TZ with their distance from UTC, so that pasted back they are the same moment', () => {
  assert.equal(shownTime(WINTER), '2026-01-02T23:04:05Z');
  try {
    for (const [zone, winter, summer] of [
      ['Europe/Berlin', '2026-01-03T00:04:05+01:00', '2026-07-02T02:04:05+02:00'],
      ['Asia/Kolkata', '2026-01-03T04:34:05+05:30', '2026-07-02T05:34:05+05:30'],
      ['America/New_York', '2026-01-02T18:04:05-05:00', '2026-07-01T20:04:05-04:00'],
      ['Etc/GMT', '2026-01-02T23:04:05+00:00', '2026-07-02T00:04:05+00:00'],
    ] as const) {
      setTimeZone(zone);
      assert.deepEqual([shownTime(WINTER), shownTime(SUMMER)], [winter, summer]);
      assert.equal(new Date(shownTime(SUMMER)).getTime(), SUMMER.getTime());
      assert.equal(shownTimeInTable(SUMMER), summer.replace('T', ' '));
    }
  } finally {
    setTimeZone('UTC');
  }
});
