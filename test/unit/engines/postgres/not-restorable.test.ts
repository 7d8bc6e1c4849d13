import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notRestorable } from '../../../../scripts/lib/engines/postgres/dump/not-restorable.ts';
import type { Connection } from '../../../../scripts/lib/engines/postgres/server/connection.ts';

const having = (...extensions: string[]) =>
  ({
    query: async (_: string, [asked]: [string[]]) =>
      extensions.filter((name) => asked.includes(name)).map((name) => ({ name })),
  }) as unknown as Connection;

test('an extension that one database alone can have is told of when it is backed up, not when it is restored', async () => {
  const [warning, ...others] = await notRestorable(having('pg_cron', 'pgcrypto'));
  assert.match(warning ?? '', /pg_cron.*cron\.database_name/);
  assert.deepEqual(others, []);
  assert.deepEqual(await notRestorable(having('pgcrypto')), []);
});
