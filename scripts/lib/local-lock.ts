import { rmSync, statSync } from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { codeOf, OperatorError } from './errors.ts';

/**
 * Holds a lock of this machine (or container) while `work` runs: a socket that is listened on, so that a holder that
 * was killed holds nothing.
 *
 * @throws OperatorError LOCKED when another process holds it
 */
export async function withLocalLock<T>(directory: string, name: string, work: () => Promise<T>): Promise<T> {
  const path = join(directory, `${name}.sock`);
  let server = await listen(path);
  if (!server && !(await answers(path))) {
    rmSync(path, { force: true });
    server = await listen(path);
  }
  if (!server) {
    throw new OperatorError('LOCKED', `another ${name} is running here`, { hint: 'Wait until it has ended.' });
  }
  try {
    return await work();
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

/** For how long a lock has been held here, in milliseconds; undefined when nobody holds it. Its holder may be frozen. */
export async function localLockHeldForMs(directory: string, name: string): Promise<number | undefined> {
  const path = join(directory, `${name}.sock`);
  try {
    const since = statSync(path).mtimeMs;
    return (await answers(path)) ? Date.now() - since : undefined;
  } catch {
    return undefined;
  }
}

function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error) => (codeOf(error) === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
    server.listen(path, () => {
      // a lock is no reason to stay alive
      server.unref();
      resolve(server);
    });
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // a holder that has been frozen for long has a full queue of those who asked
    socket.once('error', (error) => resolve(codeOf(error) === 'EAGAIN'));
  });
}
