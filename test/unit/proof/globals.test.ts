import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeGlobals } from '../../../scripts/lib/proof/globals.ts';

test('a role that the server had is told of, and a setting of it in the database is compared', () => {
  const expected = [
    `create role "app" with LOGIN;\nalter role "app" set "work_mem" to '7MB';`,
    `alter role "app" in database :"DBNAME" set "search_path" to 'app';`,
    'grant CONNECT on database :"DBNAME" to "app";\n',
  ].join('\n');
  const { differences, notCompared } = describeGlobals(expected, '', ['app']);
  assert.deepEqual(differences, [
    `missing: alter role "app" in database :"DBNAME" set "search_path" to 'app'`,
    'missing: grant CONNECT on database :"DBNAME" to "app"',
  ]);
  assert.deepEqual([...new Set(notCompared.map(({ what }) => what))], ['role app']);
});
