import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { gateBefore } from '../../../bench/lib/gate.ts';

const SENT = 4 << 20;

test('a gate holds what a server sends when half of it has passed, and lets the rest pass when it is opened', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end(Buffer.alloc(SENT));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const gate = await gateBefore({ host: '127.0.0.1', port: (server.address() as AddressInfo).port }, SENT / 2);
  const client = connect(gate.port, '127.0.0.1');
  let got = 0;
  client.on('data', (chunk: Buffer) => {
    got += chunk.length;
  });
  await gate.reached;
  const late = connect(gate.port, '127.0.0.1').resume();
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(got < SENT, `${got} bytes`);
  gate.open();
  await Promise.all([once(client, 'close'), once(late, 'close')]);
  assert.equal(got, SENT);
  await gate.close();
  server.close();
});
