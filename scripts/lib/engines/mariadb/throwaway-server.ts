import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SourceConfig } from '../../config-sources.ts';
import { OperatorError } from '../../errors.ts';
import { type Stage, startChain } from '../../process-stream.ts';
import { folderPrefix, freePort, guarded, runSetup, stopGuarded, unprivileged } from '../throwaway.ts';
import { type Program, programFor } from './programs.ts';

/** A MariaDB server in a temporary folder, which is gone when it is stopped or when this process ends, however. */
export interface ThrowawayServer {
  /** Its socket, or with `tcp` 127.0.0.1. */
  readonly host: string;
  readonly socket: string;
  readonly port: number;
  readonly user: string;
  readonly version: string;
  /** Stops the server and removes its folder. */
  stop(): Promise<void>;
}

export interface ThrowawayOptions {
  /** Listen on 127.0.0.1 too, without a password: for demonstrations and tests, never for real data. */
  readonly tcp?: boolean;
  /** Where its folder is made; without it, the system's folder for temporary files. */
  readonly parent?: string;
  /** Write as a real server does, so that times measured on it mean something. */
  readonly durable?: boolean;
  /** More options of the server. */
  readonly settings?: readonly string[];
  readonly signal?: AbortSignal;
}

/** For what may be lost at any time. */
const CARELESS = ['--innodb-flush-log-at-trx-commit=0', '--sync-frm=0'];
const START_TIMEOUT_MS = 60_000;
const USER = 'root';

/** @throws OperatorError TOOL_MISSING without the server's programs, PROCESS_FAILED when it does not start */
export async function startThrowawayServer(options: ThrowawayOptions = {}): Promise<ThrowawayServer> {
  const program = await programFor('mariadbd');
  const installer = await programFor('mariadb-install-db');
  const owner = unprivileged('MariaDB', ['mysql', 'postgres', 'nobody']);
  const directory = mkdtempSync(folderPrefix('mariadb', options.parent));
  chmodSync(directory, 0o700);
  if (owner) chownSync(directory, owner.uid, owner.gid);
  const data = join(directory, 'data');
  const socket = join(directory, 's');
  const as = { ...owner, cwd: directory };
  try {
    await initialize(installer, directory, data, as, options.signal);
    const port = options.tcp ? await freePort() : 0;
    const server: Stage = {
      name: 'mariadbd',
      // nobody will miss what it did not write
      ...guarded('KILL', directory, [
        program.path,
        '--no-defaults',
        `--datadir=${data}`,
        `--tmpdir=${directory}`,
        `--socket=${socket}`,
        `--pid-file=${join(directory, 'pid')}`,
        '--skip-log-bin',
        '--skip-name-resolve',
        ...(options.tcp ? ['--bind-address=127.0.0.1', `--port=${port}`] : ['--skip-networking']),
        ...(options.durable ? [] : CARELESS),
        ...(options.settings ?? []),
      ]),
      ...as,
    };
    const chain = startChain([server], { stdin: true });
    const stop = () => stopGuarded(chain, directory);
    try {
      await untilReady(socket, chain.finished, options.signal);
    } catch (error) {
      await stop();
      throw error;
    }
    return { host: options.tcp ? '127.0.0.1' : socket, socket, port, user: USER, version: program.version.text, stop };
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

/** A database of a throwaway server as a source that engines can work with. */
export function throwawaySource(server: ThrowawayServer, like: SourceConfig): SourceConfig {
  const { password: _, sslRootCert: __, sslCert: ___, sslKey: ____, ...rest } = like;
  return { ...rest, host: server.host, port: server.port, user: server.user, sslMode: 'disable' };
}

async function initialize(
  installer: Program,
  directory: string,
  data: string,
  as: object,
  signal: AbortSignal | undefined,
): Promise<void> {
  const setup: Stage = {
    name: 'mariadb-install-db',
    command: installer.path,
    args: [
      '--no-defaults',
      `--datadir=${data}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      '--skip-name-resolve',
    ],
    // the one of this process may not be open to the server's account
    env: { TMPDIR: directory },
    ...as,
  };
  const result = await runSetup(directory, setup, signal);
  if (result.exitCode === 0) return;
  throw new OperatorError(
    'PROCESS_FAILED',
    `mariadb-install-db failed: ${result.stderr || result.startError?.message || `exit code ${result.exitCode}`}`,
    { hint: 'Is there room in the temporary folder (TMPDIR)?' },
  );
}

async function untilReady(
  socketPath: string,
  ended: Promise<readonly { stderr: string }[]>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { createConnection } = await import('mariadb');
  let stopped: string | undefined;
  void ended.then(([result]) => {
    stopped = result?.stderr ?? '';
  });
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    signal?.throwIfAborted();
    if (stopped !== undefined)
      throw new OperatorError('PROCESS_FAILED', `the throwaway MariaDB server did not start: ${stopped}`);
    try {
      const client = await createConnection({ socketPath, user: USER });
      await client.end();
      return;
    } catch {
      if (Date.now() > deadline)
        throw new OperatorError('PROCESS_FAILED', 'the throwaway MariaDB server did not answer in time');
      await sleep(50);
    }
  }
}
