import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A way to a server that does what networks do, when it is told to. */
export interface Link {
  readonly port: number;
  /** Every connection is reset, and so is each new one. */
  cut(is: boolean): void;
  /** Nothing passes; nobody is told. */
  silence(is: boolean): void;
  /** The server is not told when those who are connected now go. */
  hold(): void;
  close(): void;
}

/**
 * The way to a port of this machine.
 * @param delayMs how long what is said to the server is on its way
 */
export async function startLink(port: number, { delayMs = 0 }: { delayMs?: number } = {}): Promise<Link> {
  const sockets = new Set<Socket>();
  let isCut = false;
  const held = new WeakSet<Socket>();
  const server = createServer((client) => {
    if (isCut) return void client.resetAndDestroy();
    const upstream = connect(port, '127.0.0.1');
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      const leave = () => {
        if (one !== client || !held.has(client)) other.destroy();
      };
      one.on('error', leave).on('close', () => {
        sockets.delete(one);
        leave();
      });
      if (delayMs > 0 && one === client) one.on('data', (sent) => setTimeout(() => other.write(sent), delayMs));
      else one.pipe(other, { end: false });
      one.on('end', leave);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut: (is) => {
      isCut = is;
      if (is) for (const socket of sockets) socket.resetAndDestroy();
    },
    silence: (is) => {
      for (const socket of sockets) is ? socket.pause() : socket.resume();
    },
    hold: () => {
      for (const socket of sockets) held.add(socket);
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
