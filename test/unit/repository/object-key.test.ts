import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  dataKey,
  decodeName,
  encodeName,
  extensionOf,
  folderKey,
  globalsKey,
  kindKey,
  LAST_PART,
  manifestKey,
  nameBesideManifest,
  normalizePrefix,
  parseKey,
  partKey,
  stemOf,
} from '../../../scripts/lib/repository/object-key.ts';

const AT = new Date('2026-02-03T04:05:06.789Z');

test('a key is the prefix, the day, the name and the second, in UTC', () => {
  const stem = stemOf('', 'myapp', AT);
  assert.equal(dataKey(stem, extensionOf('sql', 'gzip', false)), '2026/02/03/myapp_040506.sql.gz');
  assert.equal(manifestKey(stem), '2026/02/03/myapp_040506.json');
  assert.equal(globalsKey(stem, false), '2026/02/03/myapp_040506.globals.sql.gz');
  assert.equal(kindKey(stem, 'pre-restore'), '2026/02/03/myapp_040506.pre-restore');
  assert.equal(kindKey(stem, 'backup'), undefined);
  assert.equal(stemOf('/prod/app/', 'myapp', AT), 'prod/app/2026/02/03/myapp_040506');
});

test('every format and compression has an ending, with .age when it is encrypted', () => {
  const endings = [
    ['sql', 'gzip', 'sql.gz'],
    ['sql', 'zstd', 'sql.zst'],
    ['sql', 'none', 'sql'],
    ['custom', 'none', 'dump'],
    ['custom', 'gzip', 'dump'],
    ['tar', 'gzip', 'tar.gz'],
    ['tar', 'zstd', 'tar.zst'],
    ['tar', 'none', 'tar'],
  ] as const;
  for (const [format, compression, ending] of endings) {
    assert.equal(extensionOf(format, compression, false), ending);
    assert.equal(extensionOf(format, compression, true), `${ending}.age`);
    const parsed = parseKey('', `2026/02/03/a_040506.${ending}.age`);
    assert.ok(parsed?.role === 'data' && parsed.encrypted && parsed.format === format, ending);
  }
});

test('what is no letter, digit, dot, underscore or dash is percent-encoded as UTF-8', () => {
  for (const [name, encoded] of [
    ['myapp', 'myapp'],
    ['My-App_1.0', 'My-App_1.0'],
    ['a b', 'a%20b'],
    ['a/b', 'a%2Fb'],
    ['größe', 'gr%C3%B6%C3%9Fe'],
    ["!'()*~", '%21%27%28%29%2A%7E'],
    ['100%', '100%25'],
    ['%20', '%2520'],
    ['.', '%2E'],
    ['..', '%2E%2E'],
    ['.a', '.a'],
  ] as const) {
    assert.equal(encodeName(name), encoded);
    assert.equal(decodeName(encoded), name);
  }
});

test('what encodeName would not have written is not decoded', () => {
  for (const foreign of ['', '%', '%zz', '%2f', 'a b', '%61', '..', '%FF', 'ü']) {
    assert.equal(decodeName(foreign), undefined, foreign);
  }
});

test('every name and every second come back from their key, in a single path segment', () => {
  fc.assert(
    fc.property(
      fc
        .string({ unit: 'grapheme', minLength: 1, maxLength: 63 })
        .filter((name) => Buffer.from(name).toString() === name),
      fc.date({ min: new Date('1970-01-01'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true }),
      fc.constantFrom('', 'a', 'a/b'),
      (name, at, prefix) => {
        const key = dataKey(stemOf(prefix, name, at), 'sql.gz');
        assert.match(key, /^(a\/|a\/b\/)?\d{4}\/\d\d\/\d\d\/[A-Za-z0-9._%-]+$/);
        const parsed = parseKey(prefix, key);
        assert.equal(parsed?.source, name);
        assert.equal(parsed?.createdAt.getTime(), Math.floor(at.getTime() / 1000) * 1000);
        assert.equal(parsed?.stem, key.slice(0, -'.sql.gz'.length));
      },
    ),
  );
});

test('a name that looks like a key itself keeps its own time apart', () => {
  const parsed = parseKey('', '2026/02/03/a_120000.sql.gz_040506.sql');
  assert.equal(parsed?.source, 'a_120000.sql.gz');
  assert.equal(parsed?.createdAt.toISOString(), '2026-02-03T04:05:06.000Z');
});

test('the parts of one backup are told apart', () => {
  for (const [ending, role] of [
    ['sql.gz', 'data'],
    ['dump', 'data'],
    ['globals.sql.gz', 'globals'],
    ['globals.sql.gz.age', 'globals'],
    ['json', 'manifest'],
    ['pre-restore', 'kind'],
  ] as const) {
    const parsed = parseKey('p', `p/2026/02/03/a_040506.${ending}`);
    assert.equal(parsed?.role, role);
    assert.equal(parsed?.stem, 'p/2026/02/03/a_040506');
  }
});

for (const foreign of [
  '',
  'README.txt',
  '2026/02/03/a_040506',
  '2026/02/03/a_040506.txt',
  '2026/02/03/a_040506.sql.gz.bak',
  '2026/02/03/a_040506.backup',
  '2026/02/03/a_040506.sql.bz2',
  '2026/02/03/a_040506.json.age',
  '2026/02/03/a_040506.age',
  '2026/02/03/a_040506.toString',
  '2026/02/03/a_040506.constructor',
  '2026/02/03/_040506.sql',
  '2026/02/03/a_40506.sql',
  '2026/02/03/a040506.sql',
  '2026/02/30/a_040506.sql',
  '2026/13/01/a_040506.sql',
  '2026/02/03/a_250000.sql',
  '2026/02/03/a_046006.sql',
  '2026/2/3/a_040506.sql',
  '2026/02/03/deeper/a_040506.sql',
  'x/2026/02/03/a_040506.sql',
  '/2026/02/03/a_040506.sql',
  '2026/02/03/a%2f_040506.sql',
  '2026/02/03/a b_040506.sql',
  'wal/2026/02/03/a_040506.sql',
  '2026/02/03/a_040506.sql\n',
]) {
  test(`${JSON.stringify(foreign)} is foreign`, () => assert.equal(parseKey('', foreign), undefined));
}

test('a key under another prefix is foreign, also under one that starts alike', () => {
  assert.equal(parseKey('prod', 'production/2026/02/03/a_040506.sql'), undefined);
  assert.equal(parseKey('prod', '2026/02/03/a_040506.sql'), undefined);
  assert.notEqual(parseKey('prod', 'prod/2026/02/03/a_040506.sql'), undefined);
  assert.equal(normalizePrefix('//'), '');
});

test("a folder's objects are told by their names, in the order in which they restore", () => {
  const stem = stemOf('p', 'my app', new Date('2026-02-03T04:05:06Z'));
  assert.equal(folderKey(stem), 'p/2026/02/03/my%20app_040506/');
  const key = partKey(stem, '0001-data', 'gzip', true);
  assert.equal(key, 'p/2026/02/03/my%20app_040506/0001-data.sql.gz.age');
  assert.equal(nameBesideManifest(stem, key), 'my%20app_040506/0001-data.sql.gz.age');
  assert.deepEqual(parseKey('p', key), {
    role: 'part',
    source: 'my app',
    createdAt: new Date('2026-02-03T04:05:06Z'),
    stem,
    part: '0001-data',
    compression: 'gzip',
    encrypted: true,
  });
  assert.ok('0000-pre-data' < '0001-data' && '0001-data' < LAST_PART);
  for (const name of [
    '0001-data',
    '0001-data.dump',
    '1-data.sql',
    '0001-data.sql.bz2',
    'x/0001-data.sql',
    '0001-data.sql.age.age',
    '../0001-data.sql',
  ]) {
    assert.equal(parseKey('p', `${stem}/${name}`), undefined, name);
  }
});
