import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';
import { progressText, startProgress } from '../../../scripts/lib/terminal/progress.ts';

const MIB = 1024 * 1024;

describe('progress', () => {
  test('tells bytes, percentage, rate and the time left', () => {
    const order = { what: 'reading a', totalBytes: 100 * MIB };
    assert.equal(
      progressText(order, 25 * MIB, 5_000),
      'reading a: 25.0 MiB of 100.0 MiB (25 %), 5.0 MiB/s, 15.0s left',
    );
    assert.equal(progressText(order, 100 * MIB, 20_000), 'reading a: 100.0 MiB of 100.0 MiB (100 %), 5.0 MiB/s');
  });

  test('never claims to be at the end of a total that is a guess', () => {
    const order = { what: 'backup of a', totalBytes: 100 * MIB, isEstimate: true };
    assert.equal(
      progressText(order, 120 * MIB, 10_000),
      'backup of a: 120.0 MiB of about 100.0 MiB (99 %), 12.0 MiB/s',
    );
  });

  test('without a total, or at the very start, says what it knows', () => {
    assert.equal(progressText({ what: 'x' }, 2 * MIB, 4_000), 'x: 2.0 MiB, 512.0 KiB/s');
    assert.equal(progressText({ what: 'x', totalBytes: 0 }, 0, 60_000), 'x: 0 B');
    assert.equal(progressText({ what: 'x', totalBytes: 4 * MIB }, MIB, 100), 'x: 1.0 MiB of 4.0 MiB (25 %)');
  });

  test('logs a line every 30 seconds where nobody watches, none before and none after the end', (t) => {
    mock.timers.enable({ apis: ['setInterval', 'Date'] });
    t.after(() => mock.timers.reset());
    const lines: string[] = [];
    const stderr = mock.method(process.stderr, 'write', (text: string) => lines.push(text) > 0);
    t.after(() => stderr.mock.restore());

    const progress = startProgress({ what: 'backup of shop', totalBytes: 10 * MIB, isEstimate: true });
    mock.timers.tick(29_000);
    assert.deepEqual(lines, []);
    progress.reached(3 * MIB);
    mock.timers.tick(1_000);
    assert.equal(lines.length, 1);
    assert.match(
      lines[0] ?? '',
      /Z backup of shop: 3\.0 MiB of about 10\.0 MiB \(30 %\), 102\.4 KiB\/s, 1m 10s left\n$/,
    );
    progress.add(MIB);
    mock.timers.tick(30_000);
    assert.equal(lines.length, 2);
    assert.match(lines[1] ?? '', /4\.0 MiB of about/);
    progress.end();
    mock.timers.tick(120_000);
    assert.equal(lines.length, 2);
  });
});
