import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namesWithoutSchema, notRestorable } from '../../../../scripts/lib/engines/postgres/dump/not-restorable.ts';
import type { Connection } from '../../../../scripts/lib/engines/postgres/server/connection.ts';

const having = (...extensions: string[]) =>
  ({
    query: async (_: string, parameters?: [string[]]) =>
      parameters ? extensions.filter((name) => parameters[0].includes(name)).map((name) => ({ name })) : [],
  }) as unknown as Connection;

test('an extension that one database alone can have is told of when it is backed up, not when it is restored', async () => {
  const [warning, ...others] = await notRestorable(having('pg_cron', 'pgcrypto'));
  assert.match(warning ?? '', /pg_cron.*cron\.database_name/);
  assert.deepEqual(others, []);
  assert.deepEqual(await notRestorable(having('pgcrypto')), []);
});

test('a name is found by the search path when it is called, cast to or read without its schema', () => {
  for (const body of [
    'begin return lower(unaccent(v)); end',
    'select 1::unaccent',
    'select cast(x as unaccent)',
    'select * from unaccent where true',
    'select "unaccent" (1)',
  ])
    assert.equal(namesWithoutSchema(body, 'unaccent'), true, body);
  for (const body of [
    'begin return lower(public.unaccent(v)); end',
    "select 'unaccent(x)'",
    'select 1 -- unaccent(x)',
    'select unaccent from t',
    'select immutable_unaccent(x)',
    'select x::public.unaccent',
  ])
    assert.equal(namesWithoutSchema(body, 'unaccent'), false, body);
});
