import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepTo } from '../../../../scripts/lib/engines/database/address.ts';
import { clientArguments } from '../../../../scripts/lib/engines/mariadb/server/client.ts';
import type { Connection } from '../../../../scripts/lib/engines/mariadb/server/connection.ts';
import type { DatabaseSource } from '../../../../scripts/lib/source.ts';

const source = (host: string, sslMode: string) => ({ host, port: 3306, user: 'root', sslMode }) as DatabaseSource;
const over = (isEncrypted: boolean) => ({ isEncrypted }) as Connection;

test('a client program comes to the server that our own session came to, or to the one whose name is verified', () => {
  keepTo({ host: 'db', port: 3306 }, '10.0.0.2');
  assert.ok(clientArguments(source('db', 'prefer'), over(false)).includes('--host=10.0.0.2'));
  assert.ok(clientArguments(source('db', 'prefer'), over(true)).includes('--host=10.0.0.2'));
  assert.ok(clientArguments(source('db', 'verify-full'), over(true)).includes('--host=db'));
  assert.ok(clientArguments(source('other', 'prefer'), over(false)).includes('--host=other'));
});
