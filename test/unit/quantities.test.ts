import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, formatDuration, parseDurationMs } from '../../scripts/lib/quantities.ts';

test('durations are read as people write them', () => {
  for (const [text, ms] of [
    ['90s', 90_000],
    ['30m', 1_800_000],
    ['26h', 93_600_000],
    ['7d', 604_800_000],
    ['2w', 1_209_600_000],
    ['1h30m', 5_400_000],
  ] as const) {
    assert.equal(parseDurationMs(text), ms, text);
  }
});

test('what is no duration is not guessed at', () => {
  for (const text of ['', '90', 's', '1.5h', '-1h', '1 h', '0s', '1h ', '1H', '1ms', '1y', `${'9'.repeat(20)}d`]) {
    assert.equal(parseDurationMs(text), undefined, text);
  }
});

test('durations are shown in their two largest units', () => {
  for (const [ms, text] of [
    [0, '0ms'],
    [-5, '0ms'],
    [310.4, '310ms'],
    [999, '999ms'],
    [1_000, '1.0s'],
    [4_240, '4.2s'],
    [60_000, '1m 0s'],
    [125_000, '2m 5s'],
    [3_600_000, '1h 0m'],
    [93_784_000, '1d 2h'],
    [31 * 86_400_000, '31d 0h'],
  ] as const) {
    assert.equal(formatDuration(ms), text);
  }
});

test('just under a minute is not shown as sixty seconds', () => {
  assert.equal(formatDuration(59_949), '59.9s');
  assert.equal(formatDuration(59_990), '1m 0s');
});

test('sizes are shown in binary units', () => {
  for (const [bytes, text] of [
    [0, '0 B'],
    [1_023, '1023 B'],
    [1_024, '1.0 KiB'],
    [1_434, '1.4 KiB'],
    [2 * 1024 ** 3, '2.0 GiB'],
    [5 * 1024 ** 6, '5120.0 PiB'],
  ] as const) {
    assert.equal(formatBytes(bytes), text);
  }
});
