import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { stuckAfterMs } from '../../../scripts/lib/status/runs.ts';

const [MINUTE, HOUR] = [60_000, 3_600_000];
const TIMEOUTS = { BACKUP_TIMEOUT: 6 * HOUR, RESTORE_TIMEOUT: 24 * HOUR };
const NEVER = Number.POSITIVE_INFINITY;

const drill = (ok: boolean, minutes: number, rtoMinutes: number | null) => ({
  ok,
  startedAt: '2026-11-21T10:00:00.000Z',
  finishedAt: new Date(Date.parse('2026-11-21T10:00:00.000Z') + minutes * MINUTE).toISOString(),
  rtoMs: rtoMinutes === null ? null : rtoMinutes * MINUTE,
});

describe('a run is called stuck', () => {
  test('after its time limit while nobody knows how long it usually takes', () => {
    assert.deepEqual(stuckAfterMs(TIMEOUTS, NEVER, undefined), {
      backup: 6 * HOUR,
      restore: 30 * HOUR,
      drill: 24 * HOUR,
      cleanup: 6 * HOUR,
    });
  });

  test('after ten times what the last backup and the last drill took', () => {
    assert.deepEqual(stuckAfterMs(TIMEOUTS, 3 * MINUTE, drill(true, 6, 5)), {
      backup: 30 * MINUTE,
      restore: 80 * MINUTE,
      drill: 60 * MINUTE,
      cleanup: 6 * HOUR,
    });
  });

  test('not before a quarter of an hour, however short its runs are', () => {
    assert.deepEqual(stuckAfterMs(TIMEOUTS, 1_000, drill(true, 0.1, 0.05)), {
      backup: 15 * MINUTE,
      restore: 30 * MINUTE,
      drill: 15 * MINUTE,
      cleanup: 6 * HOUR,
    });
  });

  test('and a drill that failed, maybe at its beginning, says nothing of it', () => {
    const { restore, drill: ofDrill } = stuckAfterMs(TIMEOUTS, MINUTE, drill(false, 0.1, null));
    assert.equal(restore, 24 * HOUR + 15 * MINUTE);
    assert.equal(ofDrill, 24 * HOUR);
  });

  test('never later than its time limit', () => {
    const short = { BACKUP_TIMEOUT: MINUTE, RESTORE_TIMEOUT: 2 * MINUTE };
    assert.deepEqual(stuckAfterMs(short, HOUR, drill(true, 60, 60)), {
      backup: MINUTE,
      restore: 3 * MINUTE,
      drill: 2 * MINUTE,
      cleanup: MINUTE,
    });
  });
});
