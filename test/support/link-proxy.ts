import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

/** What goes wrong with a connection, once that many bytes of the server's have passed. */
export interface LinkFault {
  readonly kind: 'reset' | 'hang' | 'refuse';
  /** Which connection, from 1; it and all later ones for `refuse`. */
  readonly connection: number;
  readonly afterBytes: number;
}

/**
 * A connection of any protocol through this process, and what a network does to one: cut off, gone silent, refused.
 */
export async function startLinkProxy(target: { host: string; port: number }, fault: LinkFault | undefined) {
  const sockets = new Set<Socket>();
  let connections = 0;
  let happened = false;
  const server = createServer((client) => {
    connections += 1;
    const number = connections;
    const isHit =
      fault !== undefined && (fault.kind === 'refuse' ? number >= fault.connection : number === fault.connection);
    sockets.add(client);
    client.on('error', () => {}).on('close', () => sockets.delete(client));
    if (isHit && fault.kind === 'refuse') {
      happened = true;
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(target.port, target.host);
    sockets.add(upstream);
    upstream
      .on('error', () => client.destroy())
      .on('close', () => {
        sockets.delete(upstream);
        if (!client.destroyed && !isSilent) client.destroy();
      });
    client.on('close', () => upstream.destroy());
    let passed = 0;
    let isSilent = false;
    upstream.on('data', (chunk: Buffer) => {
      if (isSilent) return;
      passed += chunk.length;
      if (isHit && passed > fault.afterBytes) {
        happened = true;
        if (fault.kind === 'reset') {
          client.resetAndDestroy();
          upstream.resetAndDestroy();
          return;
        }
        isSilent = true;
        return;
      }
      if (!client.write(chunk)) {
        upstream.pause();
        client.once('drain', () => upstream.resume());
      }
    });
    client.on('data', (chunk: Buffer) => {
      if (isSilent) return;
      if (!upstream.write(chunk)) {
        client.pause();
        upstream.once('drain', () => client.resume());
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    /** Whether the fault has come to pass. */
    happened: () => happened,
    async close(): Promise<void> {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
