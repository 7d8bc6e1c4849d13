import { readdirSync, rmSync, statSync } from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { codeOf, OperatorError } from '../errors.ts';

/**
 * Holds a lock of this machine (or container) while `work` runs: a socket that is listened on, so that a holder that
 * was killed holds nothing.
 *
 * @throws OperatorError LOCKED when another process holds it
 */
export async function withLocalLock<T>(directory: string, name: string, work: () => Promise<T>): Promise<T> {
  const server = await hold(join(directory, `${name}.sock`));
  if (!server) {
    throw new OperatorError('LOCKED', `another ${name} is running here`, { hint: 'Wait until it has ended.' });
  }
  return work().finally(() => letGo(server));
}

/**
 * Lets localNotesHeldForMs see from another process that `work` is under way, and since when. Excludes nobody, and where
 * nothing can be written `work` goes unseen: it is not to fail for that.
 */
export async function withLocalNote<T>(directory: string, name: string, work: () => Promise<T>): Promise<T> {
  const server = await hold(join(directory, `${name}-${process.pid}.sock`)).catch(() => undefined);
  // those of killed runs tell nobody anything
  for (const path of notesOf(directory, name)) if (!(await answers(path))) rmSync(path, { force: true });
  return work().finally(() => server && letGo(server));
}

/** For how long each of those who noted this has been at it here, in milliseconds. */
export async function localNotesHeldForMs(directory: string, name: string): Promise<number[]> {
  const held = await Promise.all(notesOf(directory, name).map(heldForMs));
  return held.filter((ms) => ms !== undefined);
}

/** For how long a lock has been held here, in milliseconds; undefined when nobody holds it. Its holder may be frozen. */
export async function localLockHeldForMs(directory: string, name: string): Promise<number | undefined> {
  return heldForMs(join(directory, `${name}.sock`));
}

function notesOf(directory: string, name: string): string[] {
  try {
    const isNote = (each: string) => each.startsWith(`${name}-`) && /^\d+\.sock$/.test(each.slice(name.length + 1));
    return readdirSync(directory)
      .filter(isNote)
      .map((each) => join(directory, each));
  } catch {
    return [];
  }
}

async function heldForMs(path: string): Promise<number | undefined> {
  try {
    const since = statSync(path).mtimeMs;
    return (await answers(path)) ? Date.now() - since : undefined;
  } catch {
    return undefined;
  }
}

async function hold(path: string): Promise<Server | undefined> {
  const server = await listen(path);
  if (server || (await answers(path))) return server;
  rmSync(path, { force: true });
  return listen(path);
}

function letGo(server: Server): Promise<unknown> {
  return new Promise((resolve) => server.close(resolve));
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
