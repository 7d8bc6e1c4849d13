import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Backup,
  catalogOf,
  readCatalog,
  readCatalogAndLeftovers,
  selectBackup,
} from '../../../scripts/lib/repository/catalog.ts';
import { keysOf } from '../../../scripts/lib/repository/keys-of.ts';
import type { Storage } from '../../../scripts/lib/storages/storage.ts';

const STEM = '2026/02/03/a_040506';

/** All that a backup tells. */
function told(backup: Backup | undefined): Backup | undefined {
  if (!backup) return undefined;
  const { key, stem, source, kind, createdAt, sizeBytes, hasManifest, format, compression, encrypted } = backup;
  const { globalsKey, isHeld, parts } = backup;
  return {
    ...{ key, stem, source, kind, createdAt, sizeBytes, hasManifest, format, compression, encrypted },
    ...{ globalsKey, isHeld, parts },
  };
}

function catalog(keys: readonly string[], prefix = '') {
  return catalogOf(
    keys.map((key, n) => ({ key, sizeBytes: n + 1 })),
    prefix,
  );
}

test('a backup is its object; what lies beside it says what it is', () => {
  const [backup, ...others] = catalog([
    `${STEM}.globals.sql.gz`,
    `${STEM}.json`,
    `${STEM}.pre-restore`,
    `${STEM}.sql.gz`,
  ]);
  assert.deepEqual(others, []);
  assert.deepEqual(told(backup), {
    key: `${STEM}.sql.gz`,
    stem: STEM,
    source: 'a',
    kind: 'pre-restore',
    createdAt: new Date('2026-02-03T04:05:06Z'),
    sizeBytes: 4,
    hasManifest: true,
    format: 'sql',
    compression: 'gzip',
    encrypted: false,
    globalsKey: `${STEM}.globals.sql.gz`,
    isHeld: false,
    parts: [],
  });
});

test('a folder is one backup, as large as its objects together, by a key that ends in a slash', () => {
  const parts = ['0000-pre-data', '0001-data', '9999-post-data'];
  const [backup, ...others] = catalog([
    `${STEM}.globals.sql.gz.age`,
    `${STEM}.json`,
    ...parts.map((part) => `${STEM}/${part}.sql.zst.age`),
  ]);
  assert.deepEqual(others, []);
  assert.deepEqual(told(backup), {
    key: `${STEM}/`,
    stem: STEM,
    source: 'a',
    kind: 'backup',
    createdAt: new Date('2026-02-03T04:05:06Z'),
    sizeBytes: 3 + 4 + 5,
    hasManifest: true,
    format: 'folder',
    compression: 'zstd',
    encrypted: true,
    globalsKey: `${STEM}.globals.sql.gz.age`,
    isHeld: false,
    parts: parts.map((part) => ({ key: `${STEM}/${part}.sql.zst.age`, part })),
  });
  assert.ok(backup);
  for (const wanted of [`${STEM}/`, STEM]) assert.equal(selectBackup([backup], '', { wanted }), backup);
});

test('a folder without a manifest is a backup when it has the object that is stored last, else what a dead run left', async () => {
  const keys = [
    `${STEM}/0000-pre-data.sql`,
    `${STEM}/9999-post-data.sql`,
    '2026/02/04/a_000000.globals.sql.gz',
    '2026/02/04/a_000000/0000-pre-data.sql',
    '2026/02/04/a_000000/0001-data.sql',
    '2026/02/04/a_000000/notes.txt',
  ];
  const storage = {
    async *list() {
      for (const key of keys) yield { key, sizeBytes: 1 };
    },
  } as unknown as Storage;
  const { backups, leftovers } = await readCatalogAndLeftovers(storage, '', new AbortController().signal);
  assert.deepEqual(
    backups.map(({ key, hasManifest }) => ({ key, hasManifest })),
    [{ key: `${STEM}/`, hasManifest: false }],
  );
  assert.deepEqual(leftovers, [
    {
      source: 'a',
      stem: '2026/02/04/a_000000',
      createdAt: new Date('2026-02-04T00:00:00Z'),
      keys: [keys[3], keys[4], keys[2]],
    },
  ]);
});

test('an object without a manifest is a backup; a manifest without an object is none', () => {
  assert.deepEqual(
    catalog([`${STEM}.dump`, '2026/02/04/a_040506.json', '2026/02/05/a_040506.pre-restore', 'README']).map(
      ({ key, hasManifest, kind }) => ({ key, hasManifest, kind }),
    ),
    [{ key: `${STEM}.dump`, hasManifest: false, kind: 'backup' }],
  );
});

test('a manifest of another source or second does not vouch for a backup', () => {
  const [backup] = catalog([`${STEM}.sql.gz`, '2026/02/03/a_040507.json', '2026/02/03/b_040506.json']);
  assert.equal(backup?.hasManifest, false);
});

test('the newest comes first, across days and sources', () => {
  const keys = [
    '2026/01/31/z_235959.sql',
    '2026/02/01/a_000000.sql',
    '2025/12/31/m_120000.sql',
    '2026/02/01/b_000000.sql',
  ];
  assert.deepEqual(
    catalog(keys).map(({ key }) => key),
    ['2026/02/01/b_000000.sql', '2026/02/01/a_000000.sql', '2026/01/31/z_235959.sql', '2025/12/31/m_120000.sql'],
  );
});

test('a listing that breaks off throws, and is never taken for the whole', async () => {
  const storage = {
    async *list() {
      yield { key: `${STEM}.sql.gz`, sizeBytes: 1 };
      throw new Error('the listing broke off');
    },
  } as unknown as Storage;
  await assert.rejects(readCatalog(storage, '', new AbortController().signal), /broke off/);
});

test('the manifest is deleted first, then all the rest', () => {
  const [whole] = catalog([`${STEM}.globals.sql.gz`, `${STEM}.json`, `${STEM}.pre-restore`, `${STEM}.sql.gz`]);
  assert.ok(whole);
  assert.deepEqual(keysOf(whole), [
    [`${STEM}.json`],
    [],
    [`${STEM}.sql.gz`, `${STEM}.globals.sql.gz`, `${STEM}.pre-restore`],
  ]);
  const [bare] = catalog([`${STEM}.sql.gz`]);
  assert.ok(bare);
  assert.deepEqual(keysOf(bare), [[], [], [`${STEM}.sql.gz`]]);
});

test('of a folder the object that says that it is whole is deleted before the others', () => {
  const [folder] = catalog([
    `${STEM}.json`,
    `${STEM}.pre-restore`,
    `${STEM}/0000-pre-data.sql`,
    `${STEM}/0001-data.sql`,
    `${STEM}/9999-post-data.sql`,
  ]);
  assert.ok(folder);
  assert.deepEqual(keysOf(folder), [
    [`${STEM}.json`],
    [`${STEM}/9999-post-data.sql`],
    [`${STEM}/0000-pre-data.sql`, `${STEM}/0001-data.sql`, `${STEM}.pre-restore`],
  ]);
});

const BACKUPS = catalog(
  [
    'p/2026/02/01/a_000000.sql',
    'p/2026/02/02/a_000000.sql',
    'p/2026/02/03/a_000000.sql',
    'p/2026/02/03/a_000000.pre-restore',
    'p/2026/02/04/b_000000.sql',
  ],
  'p',
);

test('latest is the newest of the source, and never a safety backup', () => {
  assert.equal(selectBackup(BACKUPS, 'p', { wanted: 'latest' }).key, 'p/2026/02/04/b_000000.sql');
  assert.equal(selectBackup(BACKUPS, 'p', { wanted: 'latest', source: 'a' }).key, 'p/2026/02/02/a_000000.sql');
  const at = (time: string) => selectBackup(BACKUPS, 'p', { wanted: 'latest', source: 'a', at: new Date(time) }).key;
  assert.equal(at('2026-02-02T00:00:00Z'), 'p/2026/02/02/a_000000.sql');
  assert.equal(at('2026-02-01T23:59:59Z'), 'p/2026/02/01/a_000000.sql');
});

test('a safety backup is restored by its key', () => {
  assert.equal(selectBackup(BACKUPS, 'p', { wanted: 'p/2026/02/03/a_000000.sql' }).kind, 'pre-restore');
});

test('a key is taken with or without the prefix', () => {
  for (const wanted of ['p/2026/02/01/a_000000.sql', '2026/02/01/a_000000.sql']) {
    assert.equal(selectBackup(BACKUPS, 'p', { wanted }).key, 'p/2026/02/01/a_000000.sql');
  }
});

test('what is not there is told with what is', () => {
  assert.throws(() => selectBackup([], '', { wanted: 'latest' }), { code: 'NO_SUCH_BACKUP', hint: /make backup/ });
  assert.throws(() => selectBackup(BACKUPS, 'p', { wanted: 'latest', source: 'c' }), {
    message: 'there is no backup of source c',
    hint: /backups of: a, b\./,
  });
  assert.throws(() => selectBackup(BACKUPS, 'p', { wanted: 'latest', source: 'a', at: new Date('2026-01-31') }), {
    message: /of source a at or before 2026-01-31T00:00:00/,
  });
  assert.throws(() => selectBackup(BACKUPS, 'p', { wanted: '2026/02/05/b_000000.sq' }), {
    hint: /^Nearest: p\/2026\/02\/04\/b_000000\.sql, /,
  });
});

test('a listing that is out of order is no listing: what belongs together would be taken for apart', async () => {
  const storage = {
    async *list(prefix: string) {
      if (prefix !== '2') return;
      for (const key of [`${STEM}.sql.gz`, '2026/02/04/a_000000.sql.gz', `${STEM}.json`]) yield { key, sizeBytes: 1 };
    },
  } as unknown as Storage;
  await assert.rejects(readCatalog(storage, '', new AbortController().signal), /out of order/);
});
