import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choose, FLOOR, ours } from '../../../bench/lib/candidate.ts';
import { HELP, PARTS, readOptions } from '../../../bench/lib/options.ts';

test('flags go before the environment, and that before what is usual', () => {
  assert.equal(readOptions([], {}).sizeBytes, 1e9);
  assert.equal(readOptions([], { BENCH_SIZE: '100MB' }).sizeBytes, 100e6);
  assert.equal(readOptions(['--size', '4GB'], { BENCH_SIZE: '100MB' }).sizeBytes, 4e9);
  assert.equal(readOptions([], {}).rounds, 5);
});

test('other tools are compared at a quarter of the size, or at a size of their own', () => {
  assert.equal(readOptions(['--size', '4GB'], {}).rivalsBytes, 1e9);
  assert.equal(readOptions(['--size', '4GB', '--rivals', '100MB'], {}).rivalsBytes, 100e6);
});

test('the command that is told makes the same run again', () => {
  const typed = [
    '--size=50MB',
    '--rounds=2',
    '--parts=backup,growth',
    '--only=mc pipe,ours',
    '--keys=2000',
    '--rivals=9MB',
  ];
  const { command } = readOptions(typed, {});
  const env = Object.fromEntries(
    [...command.matchAll(/(BENCH_\w+)=('[^']*'|\S+)/g)].map(([, name, value]) => [name, value?.replaceAll("'", '')]),
  );
  assert.deepEqual(readOptions([], env), readOptions(typed, {}));
  assert.match(readOptions(['--write'], {}).command, /make bench -- --write$/);
});

test('every part is in the help, and one that is not there is refused with those that are', () => {
  for (const part of PARTS) assert.ok(HELP.includes(`\n    ${part} `), part);
  assert.deepEqual(readOptions(['--parts', 'all'], {}).parts, PARTS);
  assert.throws(() => readOptions(['--parts', 'backup,nothing'], {}), /no nothing.*backup/);
});

test('sizes and rounds that are none are refused', () => {
  for (const words of [
    ['--size', '1'],
    ['--size=-1GB'],
    ['--size', '0GB'],
    ['--rivals', 'much'],
    ['--rounds', '0'],
    ['--rounds', '1.5'],
    ['--keys', 'x'],
  ])
    assert.throws(() => readOptions(words, {}), /wants a/, words.join(' '));
});

test('a row that another stands for runs when it is named, and the floor always', () => {
  const [usual, rare] = [ours('ours, usual'), { ...ours('ours, rare'), isOptional: true }];
  const chosen = (only: string) =>
    choose([FLOOR, usual, rare], readOptions([`--only=${only}`], {}), [FLOOR]).map(({ name }) => name);
  assert.deepEqual(chosen(''), [FLOOR.name, 'ours, usual']);
  assert.deepEqual(chosen('rare'), [FLOOR.name, 'ours, rare']);
  assert.deepEqual(chosen('nothing of this name'), [FLOOR.name]);
});
