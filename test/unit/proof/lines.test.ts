import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Lines } from '../../../scripts/lib/proof/lines.mjs';
import { LONG_ROW_BYTES } from '../../../scripts/lib/proof/row-sums.mjs';

interface Cut {
  readonly lines: string[];
  /** Of lines that came in parts: what they were in all, and of each the longest part but the last. */
  readonly long: string[];
  readonly lastParts: string[];
  longestPart: number;
}

function cut(text: string, chunkBytes: number, { mayCome = true, lastBytes = 0 } = {}): Cut {
  const cut: Cut = { lines: [], long: [], lastParts: [], longestPart: 0 };
  let parts = '';
  const lines = new Lines(
    {
      line: (line) => cut.lines.push(line.toString('latin1')),
      mayCome: (start) => mayCome && start[0] === '('.charCodeAt(0),
      part: (part) => {
        parts += part.toString('latin1');
        cut.longestPart = Math.max(cut.longestPart, part.length);
      },
      lastPart: (part) => {
        cut.long.push(parts + part.toString('latin1'));
        cut.lastParts.push(part.toString('latin1'));
        parts = '';
      },
    },
    lastBytes,
  );
  // a chunk's memory is used again once it has been fed
  const chunk = Buffer.alloc(chunkBytes);
  for (let at = 0; at < text.length; at += chunkBytes) {
    const length = chunk.write(text.slice(at, at + chunkBytes), 'latin1');
    lines.feed(chunk.subarray(0, length));
  }
  chunk.fill('#');
  lines.end();
  return cut;
}

const LONG = `(${'x'.repeat(3 * LONG_ROW_BYTES)},`;

describe('what passes in chunks is cut into lines', () => {
  test('wherever a chunk ends, empty lines and a last one without a line break too', () => {
    for (const chunkBytes of [1, 2, 3, 5, 100]) {
      assert.deepEqual(cut('one\n\n\ntwo\nthree', chunkBytes).lines, ['one', '', '', 'two', 'three'], `${chunkBytes}`);
      assert.deepEqual(cut('one\ntwo\n', chunkBytes).lines, ['one', 'two'], `${chunkBytes}`);
    }
  });

  test('one that is too long for memory comes in parts, and those around it do not', () => {
    for (const chunkBytes of [4096, 65_537, 2 * LONG_ROW_BYTES]) {
      const found = cut(`a\n${LONG}\nb\n`, chunkBytes);
      assert.deepEqual(found.lines, ['a', 'b'], `${chunkBytes}`);
      assert.ok(found.long.length === 1 && found.long[0] === LONG, `${chunkBytes}`);
      assert.ok(found.longestPart <= LONG_ROW_BYTES + chunkBytes, `${found.longestPart}`);
    }
  });

  test('the last part has the bytes that may be no part of the row, also when the line ends with the chunk', () => {
    const [last = ''] = cut(`${LONG}\n`, LONG.length, { lastBytes: 1 }).lastParts;
    assert.equal(last, ',');
    assert.equal(cut(LONG, 1 << 20, { lastBytes: 1 }).long[0]?.length, LONG.length);
  });

  test('one that has to be whole is whole, however long', () => {
    assert.deepEqual(cut(`${LONG}\nb\n`, 65_536, { mayCome: false }).lines, [LONG, 'b']);
  });
});
