import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressesOf, addressKept, keepTo } from '../../../../scripts/lib/engines/database/address.ts';

const LOCAL = { host: 'localhost', port: 5432 };

test('a name is asked for once a run, and the address that answered is the only one from then on', async () => {
  const [first] = await addressesOf(LOCAL);
  assert.ok(first === '127.0.0.1' || first === '::1', first);
  assert.equal(addressKept(LOCAL), undefined);
  keepTo(LOCAL, '127.0.0.1');
  assert.deepEqual(await addressesOf(LOCAL), ['127.0.0.1']);
  assert.equal(addressKept(LOCAL), '127.0.0.1');
  // what answers at another port may be elsewhere
  assert.equal(addressKept({ ...LOCAL, port: 3306 }), undefined);
});

test('an address and the folder of a socket are no names', async () => {
  for (const host of ['127.0.0.1', '::1', '/var/run/postgresql']) {
    assert.deepEqual(await addressesOf({ host, port: 1 }), [undefined]);
    assert.equal(addressKept({ host, port: 1 }), undefined);
  }
});

test('a name that nobody knows says so each time, as the resolver has it', async () => {
  for (let attempt = 0; attempt < 2; attempt += 1)
    await assert.rejects(addressesOf({ host: 'nobody.invalid', port: 1 }), (error: NodeJS.ErrnoException) =>
      /ENOTFOUND|EAI_AGAIN/.test(error.code ?? ''),
    );
});
