import assert from 'node:assert/strict';
import { test } from 'node:test';
import { takeEntries } from '../../../scripts/lib/storages/s3/entries.ts';

const page = (...entries: string[]) =>
  `<?xml version="1.0"?><ListBucketResult><Name>backups</Name><IsTruncated>false</IsTruncated>${entries.join('')}</ListBucketResult>`;
const entry = (key: string, more = '') =>
  `<Contents>${more}<Key>${key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>7</Size></Contents>`;

test('the objects of a page are taken out of it, whatever else stands in them, and the rest is left', () => {
  const owner = '<Owner><ID>0</ID><DisplayName>Key 1, Size 2</DisplayName></Owner>\n';
  assert.deepEqual(takeEntries(page(entry('a/b', owner), entry('wal/1%2B+2'))), {
    entries: [
      { Key: 'a/b', Size: 7 },
      { Key: 'wal/1%2B+2', Size: 7 },
    ],
    rest: page(),
  });
  assert.deepEqual(takeEntries(page()), { entries: [], rest: page() });
});

test('a page in which one object is written otherwise is left whole: none may be passed over', () => {
  for (const odd of [
    entry('a&amp;b'),
    entry(''),
    entry('a').replace('<Size>7</Size>', ''),
    entry('a').replace('7', '7.0'),
    entry('a').replace('<Contents>', '<Contents xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'),
    '<s3:Contents><Key>a</Key><Size>7</Size></s3:Contents>',
    '<Contents><Key>a</Key><Size>7</Size>',
  ])
    assert.equal(takeEntries(page(entry('first'), odd)), undefined, odd);
});
