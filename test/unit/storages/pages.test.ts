import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pages } from '../../../scripts/lib/storages/s3/pages.ts';

const objects = (...keys: string[]) => keys.map((key, n) => ({ key, sizeBytes: n + 2 ** 40 }));
const keysOf = (pages: Pages) => [...pages.inOrder()].map(({ key }) => key);

test('what was listed comes out as it was, page after page', () => {
  const pages = new Pages();
  const first = objects('a', 'b/ä ö', 'b/😀');
  const second = objects('c\nd', 'é');
  assert.equal(pages.add(first), undefined);
  assert.equal(pages.add([]), undefined);
  assert.equal(pages.add(second), undefined);
  assert.deepEqual([...pages.inOrder()], [...first, ...second]);
});

test('a listing in another order comes out in that of the bytes', () => {
  for (const [first, second] of [
    [
      ['b', 'd'],
      ['a', 'c'],
    ],
    [['d', 'b', 'c'], ['a']],
  ] as const) {
    const pages = new Pages();
    assert.equal(pages.add(objects(...first)), undefined);
    assert.equal(pages.add(objects(...second)), undefined);
    assert.deepEqual(keysOf(pages), ['a', 'b', 'c', 'd']);
  }
});

test('a key that comes twice is told, on one page or on two, in order or not', () => {
  assert.equal(new Pages().add(objects('a', 'a')), 'a');
  assert.equal(new Pages().add(objects('b', 'c', 'a', 'b')), 'b');
  const pages = new Pages();
  assert.equal(pages.add(objects('a', 'b')), undefined);
  assert.equal(pages.add(objects('a', 'c')), 'a');
});
