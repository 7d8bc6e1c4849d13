import assert from 'node:assert/strict';
import { test } from 'node:test';
import stringWidth from 'string-width';
import { statusTable } from '../../../scripts/lib/status/table.ts';
import { cutTo, padEnd, tableOf, widest, wrapped } from '../../../scripts/lib/terminal/table.ts';

test('a column begins at the same place in every row, whatever its names are written in', () => {
  const rows = ['shop', 'магазин', '商店データ', '🛒🛒', 'é'].map((name) => [name, 'ok']);
  const starts = tableOf(rows).map((line) => stringWidth(line.slice(0, line.indexOf('ok'))));
  assert.deepEqual(new Set(starts), new Set([12]));
});

test('plain letters take what the tables of Unicode say, alone and with a mark behind them', () => {
  const letters = Array.from({ length: 0x2030 }, (_, code) => String.fromCodePoint(code));
  for (const letter of letters) {
    assert.equal(widest([letter]), stringWidth(letter), JSON.stringify(letter));
    assert.equal(widest([`${letter}\u0301x`]), stringWidth(`${letter}\u0301x`), JSON.stringify(letter));
  }
});

test('a list may be as long as a repository that nobody prunes', () => {
  const keys = Array.from({ length: 200_000 }, (_, i) => `shop_${i}`);
  assert.equal(widest(keys), 11);
  assert.equal(tableOf(keys.map((key) => [key])).length, keys.length);
});

test('what is cut takes no more columns than it may, and no character is cut in two', () => {
  assert.equal(cutTo('商店データ', 6), '商店…');
  assert.equal(cutTo('商店データ', 10), '商店データ');
  assert.equal(cutTo('👩‍👩‍👧‍👦👩‍👩‍👧‍👦', 3), '👩‍👩‍👧‍👦…');
  assert.equal(stringWidth(padEnd('商', 5)), 5);
});

test('a sentence is broken so that each line fits a terminal, also one without Latin letters', () => {
  const lines = wrapped(`商店: note: ${'データベース '.repeat(20)}`);
  assert.ok(lines.length > 1);
  for (const line of lines) assert.ok(stringWidth(line) <= 80, line);
});

const NO_STORE = {
  ...{ name: 'primary', ok: true, reasons: [], warnings: [], description: '', isAway: false, lastBackup: null },
  ...{ lagMs: 0, missing: 0, unreadable: 0, lastVerified: null, lastDrill: null, lock: null, isDestroyable: null },
  ...{ backups: 0, storedBytes: 0 },
};

test('the rows of status stay in their columns beside a source with wide characters', () => {
  const base = {
    ok: true,
    reasons: [],
    warnings: [],
    lastBackup: null,
    lastDrill: null,
    rpoMs: null,
    rpoTargetMs: 1,
    rtoMs: null,
    rtoTargetMs: 1,
    drillAgeMs: null,
    drillMaxAgeMs: 1,
    backups: 0,
    storedBytes: 0,
    nextRun: null,
    running: [],
    keptDatabases: null,
  };
  const sources = ['商店データベース', 'shop'].map((source) => ({ source, ...base }));
  const [, wide = '', narrow = ''] = statusTable({
    ...{ ok: true, checkedAt: '', jobs: [], servers: [], sources },
    ...{ primary: NO_STORE, copies: [], protection: '' },
  }).split('\n');
  assert.equal(
    stringWidth(wide.slice(0, wide.indexOf('  ok'))),
    stringWidth(narrow.slice(0, narrow.indexOf('  ok'))) - 0,
  );
});
