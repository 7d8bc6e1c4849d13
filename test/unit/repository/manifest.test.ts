import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Manifest, parseManifest } from '../../../scripts/lib/repository/manifest.ts';
import { dumpBytes, encodeManifest } from '../../../scripts/lib/repository/manifest-text.ts';

const KEY = '2026/02/03/a_040506.json';
const TIME = '2026-02-03T04:05:06.000Z';
const MANIFEST: Manifest = {
  version: 1,
  source: 'a',
  engine: 'postgres',
  database: 'größe',
  kind: 'backup',
  createdAt: TIME,
  startedAt: TIME,
  finishedAt: TIME,
  serverVersion: '18.1',
  clientVersion: '18.1',
  format: 'sql',
  compression: 'gzip',
  encryption: null,
  objects: [
    { name: 'a_040506.sql.gz', sizeBytes: 17, sha256: 'a'.repeat(64) },
    { name: 'a_040506.globals.sql.gz', sizeBytes: 100, sha256: 'b'.repeat(64) },
  ],
  rawBytes: 170,
  tables: [{ table: 'public."t"', rows: 3 }],
  sequences: [
    { sequence: 'public.s', value: '9223372036854775807', isCalled: true, valueAtEnd: '-9223372036854775808' },
  ],
  largeObjects: 0,
};

test('a manifest comes back as it was written', () => {
  assert.deepEqual(parseManifest(KEY, encodeManifest(MANIFEST)), MANIFEST);
});

test('fields of later versions do not make it unreadable', () => {
  const later = Buffer.from(JSON.stringify({ ...MANIFEST, colour: 'blue' }));
  assert.equal(parseManifest(KEY, later).source, 'a');
});

test('the size of a backup is that of its dump alone', () => {
  assert.equal(dumpBytes(MANIFEST), 17);
});

const { objects: _, ...withoutObjects } = MANIFEST;
for (const [what, document, names] of [
  ['another version', { ...MANIFEST, version: 2 }, 'version'],
  ['no objects', withoutObjects, 'objects'],
  ['an empty list of objects', { ...MANIFEST, objects: [] }, 'objects'],
  ['a digest that is none', { ...MANIFEST, objects: [{ name: 'x', sizeBytes: 1, sha256: 'A'.repeat(64) }] }, 'sha256'],
  ['a negative size', { ...MANIFEST, objects: [{ name: 'x', sizeBytes: -1, sha256: 'a'.repeat(64) }] }, 'sizeBytes'],
  ['a count that is no whole number', { ...MANIFEST, tables: [{ table: 't', rows: 1.5 }] }, 'rows'],
  ['a time that is none', { ...MANIFEST, createdAt: 'yesterday' }, 'createdAt'],
  ['null', null, 'document'],
  ['a list', [], 'document'],
] as const) {
  test(`${what} is refused, and named with the key`, () => {
    assert.throws(() => parseManifest(KEY, Buffer.from(JSON.stringify(document))), {
      code: 'BACKUP_DAMAGED',
      message: new RegExp(`${KEY}.*${names}`),
      hint: /another backup/,
    });
  });
}

for (const bytes of ['', '{', '\0', '{"version":1}x']) {
  test(`${JSON.stringify(bytes)} is refused`, () => {
    assert.throws(() => parseManifest(KEY, Buffer.from(bytes)), { code: 'BACKUP_DAMAGED' });
  });
}
