import { execFile, execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after } from 'node:test';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePort } from '../../scripts/lib/engines/database/throwaway.ts';
import { findPrograms } from '../../scripts/lib/engines/postgres/server/programs.ts';
import { setChildEnvironment } from '../../scripts/lib/machine/child-environment.ts';
import { until } from './sessions.ts';

const run = promisify(execFile);

// biome-ignore lint/suspicious/noExplicitAny: a test reads rows of every shape
type Row = any;

/** A server that writes as a real one does, can be killed, and started again on what is left on its disk. */
export interface Cluster {
  readonly port: number;
  readonly data: string;
  /** The folder with PostgreSQL's programs. */
  readonly programs: string;
  readonly owner: { uid?: number; gid?: number };
  sql(database: string, text: string, parameters?: unknown[]): Promise<Row[]>;
  connect(database: string): Promise<pg.Client>;
  env(database: string): Record<string, string>;
  start(): Promise<void>;
  /** SIGKILL to all of its processes at once, as when the machine goes. */
  kill(): Promise<void>;
  /** Shuts it down cleanly. */
  stop(): Promise<void>;
  /** Runs one of PostgreSQL's programs against it. */
  program(name: string, args: readonly string[]): Promise<string>;
}

/** The account that a server runs as: PostgreSQL refuses to run as root. */
export function accountOfServers(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (which: string) => Number(execFileSync('id', [which, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

/** @param options.initdb more words for it, such as `--wal-segsize=1` */
export async function startCluster(
  options: { settings?: readonly string[]; initdb?: readonly string[]; folder?: string } = {},
): Promise<Cluster> {
  setChildEnvironment(process.env);
  const found = (await findPrograms('initdb'))[0];
  if (!found) throw new Error('PostgreSQL is not installed here');
  const programs = dirname(found.path);
  const owner = accountOfServers();
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'cluster-'));
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  if (owner.uid !== undefined) chownSync(folder, owner.uid, owner.gid ?? owner.uid);
  const data = join(folder, 'data');
  const port = await freePort();
  const as = { ...owner, cwd: folder };
  await run(
    join(programs, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync', ...(options.initdb ?? [])],
    as,
  );
  // in the file, so that the data start by themselves elsewhere
  const settings = [
    `port=${port}`,
    "listen_addresses='127.0.0.1'",
    `unix_socket_directories=''`,
    ...(options.settings ?? []),
  ];
  appendFileSync(join(data, 'postgresql.conf'), settings.map((line) => `${line}\n`).join(''));
  let postmaster: number | undefined;
  let ended: Promise<void> = Promise.resolve();
  const connect = async (database: string) => {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database });
    client.on('error', () => {});
    await client.connect();
    return client;
  };
  const cluster: Cluster = {
    port,
    data,
    programs,
    owner,
    connect,
    sql: async (database, text, parameters) => {
      const client = await connect(database);
      try {
        const result: unknown = await client.query(text, parameters);
        return (Array.isArray(result) ? result.at(-1) : (result as pg.QueryResult)).rows;
      } finally {
        await client.end();
      }
    },
    env: (database) => ({
      POSTGRES_HOST: '127.0.0.1',
      POSTGRES_PORT: String(port),
      POSTGRES_USER: 'postgres',
      POSTGRES_DB: database,
    }),
    start: async () => {
      const server = spawn(join(programs, 'postgres'), ['-D', data], { ...as, stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      server.stderr.setEncoding('utf8').on('data', (text: string) => {
        said = `${said}${text}`.slice(-4_000);
      });
      let isOver = false;
      ended = new Promise((resolve) => server.once('exit', () => resolve()));
      void ended.then(() => {
        isOver = true;
      });
      postmaster = server.pid;
      await until('the server answers', async () => {
        if (isOver) throw new Error(`the server did not start: ${said}`);
        return connect('postgres').then(
          (client) => client.end().then(() => true as const),
          () => undefined,
        );
      });
    },
    kill: async () => {
      // one that still starts processes would leave one behind, and the data cannot be started on while it lives
      signal(postmaster, 'SIGSTOP');
      const all = [...childrenOf(postmaster), ...(postmaster === undefined ? [] : [postmaster])];
      for (const pid of all) signal(pid, 'SIGKILL');
      await ended;
      await until('all of its processes have ended', () => all.every(hasEnded) || undefined);
      postmaster = undefined;
    },
    stop: async () => {
      signal(postmaster, 'SIGINT');
      await ended;
      postmaster = undefined;
    },
    program: async (name, args) => {
      const env = { ...process.env, PGHOST: '127.0.0.1', PGPORT: String(port), PGUSER: 'postgres' };
      return (await run(join(programs, name), args as string[], { env, maxBuffer: 2 ** 30 })).stdout;
    },
  };
  after(async () => {
    if (postmaster !== undefined) await cluster.kill();
    rmSync(folder, { recursive: true, force: true });
  });
  await cluster.start();
  return cluster;
}

function signal(pid: number | undefined, name: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(pid, name);
  } catch {
    // it has ended by itself
  }
}

function hasEnded(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return true;
  }
}

function childrenOf(parent: number | undefined): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent;
      } catch {
        return false;
      }
    })
    .map(Number);
}
