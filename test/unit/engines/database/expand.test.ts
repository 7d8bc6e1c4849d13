import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expandServer } from '../../../../scripts/lib/engines/database/expand.ts';
import type { DatabaseSource } from '../../../../scripts/lib/source.ts';

const source = { name: 'erp', engine: 'postgres', database: '*' } as DatabaseSource;
const { signal } = new AbortController();

function listing(list: () => Promise<string[]>) {
  const did: string[] = [];
  const connect = async () => {
    did.push('connect');
    return { close: async () => void did.push('close') };
  };
  return { did, expand: expandServer({ connect, list }) };
}

test('a source of one database stands for itself, and nobody asks its server', async () => {
  const { did, expand } = listing(async () => ['shop']);
  const one = { ...source, database: 'shop' };
  assert.deepEqual(await expand(one, signal), [one]);
  assert.deepEqual(did, []);
});

test('a source of a server stands for each of its databases, and lets go of the server', async () => {
  const { did, expand } = listing(async () => ['shop', 'blog']);
  assert.deepEqual(
    (await expand(source, signal)).map(({ name, database }) => [name, database]),
    [
      ['erp.shop', 'shop'],
      ['erp.blog', 'blog'],
    ],
  );
  assert.deepEqual(did, ['connect', 'close']);
});

test('a server without databases, or one that fails, is no success, and is let go of', async () => {
  const empty = listing(async () => []);
  await assert.rejects(empty.expand(source, signal), {
    code: 'SOURCE_CONNECT',
    message: 'source erp: the server has no databases',
  });
  const failing = listing(() => Promise.reject(new Error('gone away')));
  await assert.rejects(failing.expand(source, signal), { message: 'gone away' });
  assert.deepEqual(
    [empty.did, failing.did],
    [
      ['connect', 'close'],
      ['connect', 'close'],
    ],
  );
});
