import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { configure } from '../../../scripts/lib/config/config.ts';
import type { JobName, JobNote } from '../../../scripts/lib/machine/job-notes.ts';
import { readJobs } from '../../../scripts/lib/status/jobs.ts';

const at = (time: string) => new Date(`2026-03-04T${time}Z`);
const history = { waits: [], runs: [] };
const waiting: JobNote = { lastSeen: at('01:00:00'), isRunning: false, hasRun: false, history };
const seen = (time: string): JobNote => ({ lastSeen: at(time), isRunning: false, hasRun: true, history });

/** What status says of the backup, when the others are well. */
function backup(schedule: string, note: JobNote | undefined, now: string) {
  const config = configure({ BACKUP_SCHEDULE: schedule, CLEANUP_SCHEDULE: 'off', DRILL_SCHEDULE: 'off' });
  return readJobs(config, at(now), (job: JobName) => (job === 'backup' ? note : undefined))[0];
}

describe('a scheduled job', () => {
  test('that was not started when it was due is told of, from five minutes after', () => {
    assert.equal(backup('0 2 * * *', waiting, '02:04:59')?.ok, true);
    const missed = backup('0 2 * * *', waiting, '02:05:00');
    assert.equal(missed?.ok, false);
    assert.equal(missed?.missedAt, '2026-03-04T02:00:00.000Z');
    assert.match(
      missed?.reasons[0] ?? '',
      /backup was due at 2026-03-04T02:00:00Z and was not started, nor was any job/,
    );
    assert.match(missed?.reasons[0] ?? '', /Ofelia does not run, runs the jobs of another container, or may not start/);
  });

  test('is well when it was begun then, also when it failed, or is still running', () => {
    assert.equal(backup('0 2 * * *', seen('02:00:01'), '09:00:00')?.ok, true);
    assert.equal(backup('0 * * * *', { ...seen('02:00:01'), isRunning: true }, '05:30:00')?.ok, true);
    assert.equal(backup('@every 1h', seen('02:10:00'), '03:12:00')?.ok, true);
  });

  test('that stopped being started is told of within one interval and ten minutes', () => {
    for (const schedule of ['0 * * * *', '@every 1h', '*/5 * * * *', '@every 10s']) {
      const { ok, reasons } = backup(schedule, seen('02:00:01'), '03:10:00') ?? {};
      assert.equal(ok, false, schedule);
      assert.match(reasons?.[0] ?? '', /for the first time since 2026-03-04T02:00:01Z/);
    }
  });

  test('of a container that runs none is told of, with the reason', () => {
    const refused = { ...waiting, refused: "BACKUP_SCHEDULE '* * * * *' would have to be '0 * * * * *'" };
    const { ok, reasons } = backup('* * * * *', refused, '01:00:01') ?? {};
    assert.equal(ok, false);
    assert.match(reasons?.[0] ?? '', /^backup does not run in this container: BACKUP_SCHEDULE/);
  });

  test('that a lock kept from its work is told of as that', () => {
    const began = at('02:00:00');
    const runs = [{ began, pid: '7', ended: at('02:00:01'), exitCode: 4 }];
    const { ok, notes } = backup('0 * * * *', { ...seen('02:00:01'), history: { waits: [], runs } }, '02:30:00') ?? {};
    assert.equal(ok, true);
    assert.match(notes?.[0] ?? '', /^backup was not done, since another run held its lock, at 2026-03-04T02:00:01Z: /);
  });

  test('of bases is waited for where the log of a server is taken', () => {
    const jobs = (environment: Record<string, string>) =>
      readJobs(configure(environment), at('09:00:00'), () => waiting).map(({ job, ok }) => [job, ok]);
    assert.deepEqual(
      jobs({ PITR: 'true', CLEANUP_SCHEDULE: 'off', DRILL_SCHEDULE: 'off' }).filter(([job]) => job === 'base'),
      [['base', false]],
    );
    assert.deepEqual(
      jobs({}).filter(([job]) => job === 'base'),
      [],
    );
  });

  test('is nobody’s business where no container waits for it, or when it is off', () => {
    assert.equal(backup('0 2 * * *', undefined, '09:00:00'), undefined);
  });
});
