import { join } from 'node:path';
import { OperatorError } from '../../../errors.ts';
import type { Stage } from '../../../pipeline/chain.ts';
import type { DatabaseSource } from '../../../source.ts';
import { folderPrefix, freePort, guarded, runSetup, startInFolder } from '../../database/throwaway.ts';
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
  /** For somebody who looks into it at a terminal, whose Ctrl-C is not to reach the server. */
  readonly isForLooking?: boolean;
  /** Write as a real server does, so that times measured on it mean something. */
  readonly durable?: boolean;
  /** More options of the server. */
  readonly settings?: readonly string[];
  readonly signal?: AbortSignal;
}

/** For what may be lost at any time. */
const CARELESS = ['--innodb-flush-log-at-trx-commit=0', '--sync-frm=0'];
const USER = 'root';

/** @throws OperatorError TOOL_MISSING without the server's programs, PROCESS_FAILED when it does not start */
export async function startThrowawayServer(options: ThrowawayOptions = {}): Promise<ThrowawayServer> {
  const program = await programFor('mariadbd');
  const installer = await programFor('mariadb-install-db');
  const port = options.tcp ? await freePort() : 0;
  const socketIn = (directory: string) => join(directory, 's');
  const { directory, stop } = await startInFolder({
    product: 'MariaDB',
    accounts: ['mysql', 'postgres', 'nobody'],
    prefix: folderPrefix('mariadb', options.parent, options.isForLooking ? 'look' : 'drill'),
    signal: options.signal,
    prepare: async (directory, as) => {
      const data = join(directory, 'data');
      await initialize(installer, directory, data, as, options.signal);
      const command = [
        program.path,
        '--no-defaults',
        `--datadir=${data}`,
        `--tmpdir=${directory}`,
        `--socket=${socketIn(directory)}`,
        `--pid-file=${join(directory, 'pid')}`,
        '--skip-log-bin',
        '--skip-name-resolve',
        ...(options.tcp ? ['--bind-address=127.0.0.1', `--port=${port}`] : ['--skip-networking']),
        ...(options.durable ? [] : CARELESS),
        ...(options.settings ?? []),
      ];
      // nobody will miss what it did not write
      return {
        name: 'mariadbd',
        ...guarded('KILL', directory, command),
        ownSession: options.isForLooking === true,
        ...as,
      };
    },
    connect: async (directory) => {
      const { createConnection } = await import('mariadb');
      const client = await createConnection({ socketPath: socketIn(directory), user: USER });
      await client.end();
    },
  });
  const socket = socketIn(directory);
  return { host: options.tcp ? '127.0.0.1' : socket, socket, port, user: USER, version: program.version.text, stop };
}

/** A database of a throwaway server as a source that engines can work with. Of what is on it nothing is left out. */
export function throwawaySource(server: ThrowawayServer, like: DatabaseSource): DatabaseSource {
  const { password: _, sslRootCert: __, sslCert: ___, sslKey: ____, leaveOut: _____, ...rest } = like;
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
