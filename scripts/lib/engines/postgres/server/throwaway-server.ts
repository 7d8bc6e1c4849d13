import { dirname, join } from 'node:path';
import { OperatorError } from '../../../errors.ts';
import type { Stage } from '../../../pipeline/chain.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { command } from '../../../terminal/hints.ts';
import { folderPrefix, freePort, guarded, runSetup, startInFolder } from '../../database/throwaway.ts';
import { likeSource } from './like-source.ts';
import { findPrograms, type Program } from './programs.ts';

/** A PostgreSQL server in a temporary folder, which is gone when it is stopped or when this process ends, however. */
export interface ThrowawayServer {
  /** The folder of its socket, or with `tcp` 127.0.0.1. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** How to get in; of one of our own, whose socket nobody else reaches, nothing. */
  readonly access?: Pick<DatabaseSource, 'password' | 'sslMode' | 'sslRootCert' | 'sslCert' | 'sslKey'>;
  readonly version: string;
  /** What of the server that it is to be like could not be had here. */
  readonly notRehearsed: readonly string[];
  /** Stops the server and removes its folder. */
  stop(): Promise<void>;
}

export interface ThrowawayOptions {
  /** The major version wanted; without it, the newest that is installed. */
  readonly major?: number;
  /** Instead of one that is installed. */
  readonly program?: Program;
  /** Listen on 127.0.0.1 too, without a password: for demonstrations and tests, never for real data. */
  readonly tcp?: boolean;
  /** Where its folder is made; without it, the system's folder for temporary files. */
  readonly parent?: string;
  /** For somebody who looks into it at a terminal, whose Ctrl-C is not to reach the server. */
  readonly isForLooking?: boolean;
  /** Write as a real server does, so that times measured on it mean something. */
  readonly durable?: boolean;
  /** More settings of the server, `name=value`. */
  readonly settings?: readonly string[];
  /** The source's server, which it is to be like: see likeSource. */
  readonly like?: Manifest;
  readonly signal?: AbortSignal;
}

/** For what may be lost at any time. */
const CARELESS = [
  'fsync=off',
  'full_page_writes=off',
  'synchronous_commit=off',
  'wal_level=minimal',
  'max_wal_senders=0',
];

const ATTEMPT_MS = 5_000;
const USER = 'postgres';

/** @throws OperatorError TOOL_MISSING without the server's programs, PROCESS_FAILED when it does not start */
export async function startThrowawayServer(options: ThrowawayOptions = {}): Promise<ThrowawayServer> {
  const program = options.program ?? (await serverProgram(options.major));
  const port = options.tcp ? await freePort() : 5432;
  let notRehearsed: readonly string[] = [];
  const { directory, stop } = await startInFolder({
    product: 'PostgreSQL',
    accounts: ['postgres', 'nobody'],
    prefix: folderPrefix('postgres', options.parent, options.isForLooking ? 'look' : 'drill'),
    signal: options.signal,
    prepare: async (directory, as) => {
      const data = join(directory, 'data');
      await initialize(program, directory, data, options, as);
      const like =
        options.like === undefined ? undefined : await likeSource(options.like, program, directory, options.signal);
      notRehearsed = like?.notRehearsed ?? [];
      const settings = [
        ...(options.durable ? [] : CARELESS),
        `unix_socket_directories=${directory}`,
        `listen_addresses=${options.tcp ? '127.0.0.1' : ''}`,
        ...(like?.settings ?? []),
        ...(options.settings ?? []),
      ];
      const command = [program.path, '-D', data, '-p', String(port), ...settings.flatMap((s) => ['-c', s])];
      return {
        name: 'postgres',
        ...guarded('INT', directory, command),
        ownSession: options.isForLooking === true,
        env: like?.env ?? {},
        ...as,
      };
    },
    connect: (directory) => connectOnce(directory, port),
  });
  return {
    host: options.tcp ? '127.0.0.1' : directory,
    port,
    user: USER,
    version: program.version,
    notRehearsed,
    stop,
  };
}

/** A database of a throwaway server as a source that engines can work with. Of what is on it nothing is left out. */
export function throwawaySource(server: ThrowawayServer, database: string, like: DatabaseSource): DatabaseSource {
  const { password: _, sslRootCert: __, sslCert: ___, sslKey: ____, leaveOut: _____, ...rest } = like;
  const { host, port, user, access = { sslMode: 'disable' } } = server;
  return { ...rest, host, port, user, loadsAs: like.user, database, ...access };
}

/** @throws OperatorError TOOL_MISSING when no server of this version is installed */
export async function serverProgram(major: number | undefined): Promise<Program> {
  const programs = await findPrograms('postgres');
  const fitting = programs.find((program) => major === undefined || program.major === major);
  if (fitting) return fitting;
  const wanted = major === undefined ? 'PostgreSQL server' : `PostgreSQL ${major} server`;
  const here = programs.length === 0 ? 'none is' : `${programs.map((program) => program.version).join(', ')} is`;
  throw new OperatorError('TOOL_MISSING', `the ${wanted} is not installed here (${here})`, {
    hint: `Install it (apt-get install postgresql${major === undefined ? '' : `-${major}`}), or use the backup image of that version: POSTGRES_VERSION=${major ?? '…'} in .env, then ${command('up')}.`,
  });
}

async function initialize(
  program: Program,
  directory: string,
  data: string,
  options: ThrowawayOptions,
  as: object,
): Promise<void> {
  const initdb: Stage = {
    name: 'initdb',
    command: program.path.replace(/postgres$/, 'initdb'),
    args: [
      `--pgdata=${data}`,
      `--username=${USER}`,
      '--auth=trust',
      '--no-sync',
      // of the server's own databases; one that is restored brings what it had
      '--encoding=UTF8',
      '--locale=C.UTF-8',
    ],
    ...as,
  };
  const result = await runSetup(directory, initdb, options.signal);
  if (result.exitCode === 0) return;
  throw new OperatorError(
    'PROCESS_FAILED',
    `initdb failed: ${result.stderr || result.startError?.message || `exit code ${result.exitCode}`}`,
    {
      hint: /permission denied/i.test(result.stderr)
        ? `As root the server runs as another account, which has to be able to enter ${dirname(directory)}: chmod o+x it, or choose another folder (DRILL_DIR, TMPDIR).`
        : 'Is there room in the temporary folder (DRILL_DIR, TMPDIR)?',
    },
  );
}

async function connectOnce(host: string, port: number): Promise<void> {
  const { default: pg } = await import('pg');
  // said, because the driver would otherwise take PGSSLMODE, which is about the source, for itself
  const ssl = false;
  const client = new pg.Client({
    host,
    port,
    user: USER,
    database: 'template1',
    ssl,
    connectionTimeoutMillis: ATTEMPT_MS,
  });
  client.on('error', () => {});
  await client.connect();
  await client.end();
}
