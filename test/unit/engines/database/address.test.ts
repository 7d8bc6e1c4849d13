import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressesOf, addressKept, keepTo } from '../../../../scripts/lib/engines/database/address.ts';

test('a name is asked for once a run, and the address that answered is the only one from then on', async () => {
  const [first] = await addressesOf('localhost');
  assert.ok(first === '127.0.0.1' || first === '::1', first);
  assert.equal(addressKept('localhost'), undefined);
  keepTo('localhost', '127.0.0.1');
  assert.deepEqual(await addressesOf('localhost'), ['127.0.0.1']);
  assert.equal(addressKept('localhost'), '127.0.0.1');
});

test('an address and the folder of a socket are no names', async () => {
  for (const host of ['127.0.0.1', '::1', '/var/run/postgresql']) {
    assert.deepEqual(await addressesOf(host), [undefined]);
    assert.equal(addressKept(host), undefined);
  }
});

test('a name that nobody knows says so each time, as the resolver has it', async () => {
  for (let attempt = 0; attempt < 2; attempt += 1)
    await assert.rejects(addressesOf('nobody.invalid'), (error: NodeJS.ErrnoException) =>
      /ENOTFOUND|EAI_AGAIN/.test(error.code ?? ''),
    );
});
