import assert from 'node:assert/strict';
import { test } from 'node:test';
import { svgOf } from '../../../bench/lib/chart.ts';
import { between, documentOf, END, START } from '../../../bench/lib/documents.ts';
import { comparison, figure, type Section, table, targetsTable } from '../../../bench/lib/report.ts';
import type { Runs } from '../../../bench/lib/rounds.ts';

function runsOf(name: string, ...walls: number[]): Runs {
  const rest = { cpuS: 1, serverCpuS: 2, treePeakBytes: 3e6, nodePeakBytes: 0, temporaryBytes: 0, stdout: '' };
  return { name, runs: walls.map((wallS, round) => ({ ...rest, wallS, temporaryBytes: round * 1e6 })) };
}

const floor = runsOf('a | b', 2, 4, 3);
const other = runsOf('ours <c>', 4, 2, 9);

test('a bar in a cell does not end the cell', () => {
  assert.equal(table(['', 'x'], [['a | b', '1']]), '|  | x |\n| --- | ---: |\n| a \\| b | 1 |');
});

test('a comparison shows medians with the spread, ratios within the rounds, and the largest of what has to fit', () => {
  const [, , first, second] = comparison([floor, other]).split('\n');
  assert.equal(first, '| a \\| b | **3.0** (2.0–4.0) | 1.00 × | 1.0 | 2.0 | 3 | – | 2 |');
  // 4/2, 2/4, 9/3: the median of the three, and not 4/3
  assert.equal(second, '| ours <c> | **4.0** (2.0–9.0) | 2.00 × | 1.0 | 2.0 | 3 | – | 2 |');
});

test('a figure that could not be had is a dash', () => {
  assert.equal(figure(1.256, 2), '1.26');
  assert.equal(figure(12.4, 0, ' s'), '12 s');
  for (const value of [Number.NaN, -3, 0]) assert.equal(figure(value, 2, ' s'), '–');
});

test('a target that is missed, on either side, is said to be missed', () => {
  const rows = targetsTable([
    { what: 'time', reached: 1.1, atMost: 1.1, unit: '×' },
    { what: 'time', reached: 1.11, atMost: 1.1, unit: '×' },
    { what: 'speed', reached: 3, atLeast: 3, unit: '×' },
    { what: 'speed', reached: 2.9, atLeast: 3, unit: '×' },
    { what: 'nothing measured', reached: Number.NaN, atMost: 3, unit: '×' },
  ]).split('\n');
  assert.deepEqual(
    rows.slice(2).map((row) => row.split(' | ').at(-1)),
    ['PASS |', 'MISSED |', 'PASS |', 'MISSED |', 'MISSED |'],
  );
});

test('a chart has a bar for each candidate, and nothing of a name that could be markup', () => {
  const svg = svgOf({ file: 'x', title: 'A & B', note: '1 < 2', results: [floor, other] });
  assert.equal(svg.match(/<rect [^>]*rx="3"/g)?.length, 2);
  assert.match(svg, />a \| b</);
  assert.match(svg, />ours &lt;c&gt;</);
  assert.match(svg, />A &amp; B</);
  assert.match(svg, />1 &lt; 2; wall time/);
  assert.match(svg, />2\.00 × · 4\.0 s</);
});

const section: Section = {
  title: 'Backup',
  body: 'all of it',
  targets: [
    { what: 'slow', reached: 2, atMost: 1, unit: '×' },
    { what: 'fast', reached: 1, atMost: 1, unit: '×' },
  ],
  chart: { file: 'backup-speed', title: 'Backup', note: '1 MB', results: [floor] },
};
const found = {
  circumstances: '- date: today\n- machine: this one\n- databases: 1 MB as plain dumps',
  sections: [section],
};

test('the document begins with what was missed, and has each chart with its table', () => {
  const text = documentOf(found);
  for (const part of [
    '](backup-speed.svg)\n\nall of it',
    'Of 2 targets 1 were reached',
    '| slow | ≤ 1 × | 2.00 × | MISSED |',
  ])
    assert.ok(text.includes(part), part);
  assert.ok(text.indexOf('MISSED') < text.indexOf('all of it'));
  assert.ok(!text.slice(0, text.indexOf('all of it')).includes('PASS'));
});

test('the document gets every section whole, and no table of targets where there are none', () => {
  assert.ok(documentOf(found).includes('all of it'));
  assert.ok(documentOf(found).includes('### Targets'));
  assert.ok(!documentOf({ ...found, sections: [{ ...section, targets: [] }] }).includes('### Targets'));
});

test('figures go between the marks, and a document without them is left alone', () => {
  const text = `before\n${START}\nold\n${END}\nafter\n`;
  assert.equal(between(text, 'new\n'), `before\n${START}\n\nnew\n\n${END}\nafter\n`);
  assert.equal(between(between(text, 'a'), 'new'), between(text, 'new'));
  for (const broken of ['', START, `${END}${START}`, `${text}${text}`])
    assert.throws(() => between(broken, 'x'), /marks/);
});
