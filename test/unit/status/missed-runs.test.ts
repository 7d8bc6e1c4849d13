import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { addToHistory, type JobHistory, moveHistory, readHistory } from '../../../scripts/lib/machine/job-history.ts';
import { failedRuns, missedRuns } from '../../../scripts/lib/status/missed-runs.ts';
import { temporaryFolder } from '../../support/folders.ts';

const DAY = '2026-03-04';
const at = (time: string) => new Date(`${DAY}T${time}Z`);

/** A history as the file has it, of times of one day. */
function historyOf(...lines: string[]): JobHistory {
  const path = join(temporaryFolder(), 'backup');
  writeFileSync(path, lines.map((line) => `${DAY}T${line.replace(' ', 'Z ')}\n`).join(''));
  return readHistory(path);
}

function missed(now: string, history: JobHistory, isRunning = false): string[] {
  return missedRuns(history, isRunning, at(now), 'UTC').map((time) => time.toISOString().slice(11, 19));
}

const run = (time: string, ended: string, code = 0) => [`${time} began 7`, `${ended} ended 7 ${code}`];

describe('runs that were due and are missing', () => {
  test('are told of also when later ones were begun', () => {
    const history = historyOf(
      '02:00:30 waits 0 * * * * *',
      ...run('02:01:00.4', '02:01:03'),
      ...run('02:02:01', '02:02:04'),
      ...run('02:05:00', '02:05:03'),
    );
    assert.deepEqual(missed('02:05:30', history), ['02:03:00', '02:04:00']);
  });

  test('are those of the schedule that was waited for then', () => {
    const history = historyOf(
      '01:30:00 waits @hourly',
      ...run('02:00:00', '02:00:05'),
      '03:10:00 waits 0 */30 * * * *',
      ...run('03:30:00', '03:30:05'),
      '03:40:00 waits off',
      '05:40:00 waits not a schedule',
    );
    assert.deepEqual(missed('07:00:00', history), ['03:00:00']);
  });

  test('while no container was there are missing too, and belong to the schedule before', () => {
    const history = historyOf(
      '02:00:30 waits 0 * * * * *',
      ...run('02:01:00', '02:01:03'),
      '02:04:10 waits 0 * * * * *',
      ...run('02:05:00', '02:05:03'),
    );
    assert.deepEqual(missed('02:05:59', history), ['02:02:00', '02:03:00', '02:04:00']);
  });

  test('are none while an earlier run is under way: Ofelia begins no second one', () => {
    const history = historyOf('02:00:30 waits 0 * * * * *', ...run('02:01:00', '02:03:30'), '02:04:00 began 8');
    assert.deepEqual(missed('02:09:00', history, true), []);
    assert.deepEqual(missed('02:07:00', history, false), ['02:05:00', '02:06:00'], 'it was killed');
  });

  test('are begun a little late, or by a clock that goes a little ahead', () => {
    const history = historyOf(
      '00:59:00 waits @hourly',
      ...run('01:00:20', '01:00:30'),
      ...run('01:59:59.5', '02:00:09'),
    );
    assert.deepEqual(missed('02:30:00', history), []);
    const late = historyOf('00:59:00 waits @hourly', ...run('01:05:01', '01:05:30'));
    assert.deepEqual(missed('01:30:00', late), ['01:00:00']);
  });

  test('of @every are those that no start of Ofelia explains', () => {
    const runs = [...run('02:10:00', '02:10:10'), ...run('02:20:00', '02:20:10')];
    const restarted = historyOf('02:00:30 waits @every 10m', ...runs, ...run('02:38:00', '02:38:10'));
    assert.deepEqual(missed('02:40:00', restarted), []);
    const away = historyOf('02:00:30 waits @every 10m', ...runs, ...run('02:45:00', '02:45:10'));
    assert.deepEqual(missed('02:50:00', away), ['02:30:10']);
    assert.deepEqual(missed('03:20:00', away), ['02:30:10', '02:55:10', '03:05:10'].slice(0, 3));
  });

  test('are not those times that a change of the clock skips', () => {
    const path = join(temporaryFolder(), 'cleanup');
    writeFileSync(
      path,
      '2026-03-28T12:00:00Z waits 0 30 2 * * *\n2026-03-30T00:30:00Z began 7\n2026-03-30T00:31:00Z ended 7 0\n',
    );
    assert.deepEqual(missedRuns(readHistory(path), false, new Date('2026-03-30T12:00:00Z'), 'Europe/Berlin'), []);
  });
});

describe('runs that were begun and did not do their work', () => {
  const failed = (history: JobHistory, isRunning: boolean, now = '02:06:00') =>
    failedRuns(history, isRunning, at(now)).map(({ began }) => began.toISOString().slice(11, 19));

  test('are those that failed or were killed', () => {
    const history = historyOf(
      '02:00:30 waits 0 * * * * *',
      ...run('02:01:00', '02:01:03', 1),
      '02:03:00 began 9',
      ...run('02:04:00', '02:04:01'),
      '02:05:00 began 11',
    );
    assert.deepEqual(failed(history, true), ['02:01:00', '02:03:00']);
    assert.deepEqual(failed(history, false), ['02:01:00', '02:03:00', '02:05:00']);
  });

  test('are not those that found another at work, which ended well or still runs', () => {
    const meanwhile = [...run('02:02:00', '02:02:01', 4), ...run('02:03:00', '02:03:01', 4)];
    const ended = historyOf('02:00:30 waits 0 * * * * *', '02:01:00 began 9', ...meanwhile, '02:03:30 ended 9 0');
    assert.deepEqual(failed(ended, false), []);
    const underWay = historyOf('02:00:30 waits 0 * * * * *', '02:01:00 began 9', ...meanwhile);
    assert.deepEqual(failed(underWay, true), []);
    assert.deepEqual(missed('02:04:30', underWay, true), []);
  });

  test('are also those that a lock kept from it, when who held it did not do it either', () => {
    const kept = run('02:02:00', '02:02:01', 4);
    const elsewhere = historyOf('02:00:30 waits 0 * * * * *', ...run('02:01:00', '02:01:05'), ...kept);
    assert.deepEqual(failed(elsewhere, false), ['02:02:00']);
    const alas = historyOf('02:00:30 waits 0 * * * * *', '02:01:00 began 9', ...kept, '02:02:30 ended 9 1');
    assert.deepEqual(failed(alas, false), ['02:01:00', '02:02:00']);
  });
});

test('a history is told by two files together, where a disk had no room for a while', () => {
  const [kept, inMemory] = ['kept', 'in-memory'].map((name) => join(temporaryFolder(), name)) as [string, string];
  writeFileSync(kept, `${DAY}T02:00:30.000Z waits 0 * * * * *\n${DAY}T02:01:00.000Z began 7\n`);
  writeFileSync(inMemory, `${DAY}T02:01:05.000Z ended 7 0\n${DAY}T02:02:00.000Z began 9\n`);
  const { waits, runs } = readHistory(kept, inMemory, join(temporaryFolder(), 'none'));
  assert.equal(waits.length, 1);
  assert.deepEqual(
    runs.map(({ pid, exitCode }) => [pid, exitCode]),
    [
      ['7', 0],
      ['9', undefined],
    ],
  );
});

test('what was noted in memory is moved to where it outlives the container, or stays where there is no room', () => {
  const [kept, inMemory] = ['kept', 'in-memory'].map((name) => join(temporaryFolder(), name)) as [string, string];
  moveHistory(inMemory, kept);
  assert.equal(existsSync(kept), false, 'nothing was noted');
  addToHistory(inMemory, 'began', '7', at('02:01:00'));
  moveHistory(inMemory, join(kept, 'is a file', 'in no folder'));
  assert.match(readFileSync(inMemory, 'utf8'), /02:01:00.000Z began 7/);
  addToHistory(kept, 'waits', '@hourly', at('02:00:00'));
  moveHistory(inMemory, kept);
  assert.equal(existsSync(inMemory), false);
  assert.match(readFileSync(kept, 'utf8'), /02:00:00.000Z waits @hourly\n.*02:01:00.000Z began 7\n$/);
});

test('a history that has grown long is cut, and still knows its schedule', () => {
  const path = join(temporaryFolder(), 'backup');
  const lines = Array.from({ length: 5_000 }, (_, i) => {
    const time = new Date(Date.UTC(2026, 0, 1) + i * 60_000).toISOString();
    return `${time} began ${i}\n${time} ended ${i} 0\n`;
  });
  writeFileSync(path, `2025-12-31T23:59:30.000Z waits 0 * * * * *\n${lines.join('')}`);
  addToHistory(path, 'began', '4711');
  const text = readFileSync(path, 'utf8');
  const { waits, runs } = readHistory(path);
  assert.ok(text.length < 200_000, `${text.length}`);
  assert.equal(waits[0]?.schedule, '0 * * * * *');
  assert.ok((waits[0]?.from ?? 0) >= new Date('2026-01-02'), 'since when nothing is known');
  assert.equal(runs.at(-1)?.pid, '4711');
  assert.ok(runs.length > 2_000);
});
