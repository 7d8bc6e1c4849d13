import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

/** Stands before a server and holds back what it sends after so many bytes: whoever reads is then half way, at any speed. */
export interface Gate {
  readonly port: number;
  /** Resolves when that many bytes have passed, over all connections. */
  readonly reached: Promise<void>;
  /** Lets everything pass from now on. */
  open(): void;
  close(): Promise<void>;
}

/** @param bytes how many of the server's pass before it shuts */
export async function gateBefore(server: { host: string; port: number }, bytes: number): Promise<Gate> {
  let shut = () => {};
  const reached = new Promise<void>((resolve) => {
    shut = resolve;
  });
  const upstreams = new Set<Socket>();
  const clients = new Set<Socket>();
  let passed = 0;
  let isHeld = false;
  let isOpen = false;
  const count = (more: number) => {
    passed += more;
    if (isOpen || isHeld || passed < bytes) return;
    isHeld = true;
    for (const upstream of upstreams) upstream.pause();
    shut();
  };
  const listener = createServer((client) => {
    const upstream = connect(server.port, server.host);
    upstreams.add(upstream);
    clients.add(client);
    client.pipe(upstream);
    upstream.on('data', (chunk: Buffer) => {
      if (!client.write(chunk)) upstream.pause();
      count(chunk.length);
    });
    client.on('drain', () => {
      if (!isHeld) upstream.resume();
    });
    upstream.on('end', () => client.end());
    upstream.on('close', () => upstreams.delete(upstream));
    client.on('close', () => clients.delete(client));
    // a side that breaks off takes the other one with it
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const)
      one.on('error', () => other.destroy());
    if (isHeld) upstream.pause();
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const open = () => {
    isOpen = true;
    isHeld = false;
    for (const upstream of upstreams) upstream.resume();
  };
  return {
    port: (listener.address() as AddressInfo).port,
    reached,
    open,
    async close() {
      open();
      listener.close();
      for (const socket of [...upstreams, ...clients]) socket.destroy();
      await once(listener, 'close');
    },
  };
}
