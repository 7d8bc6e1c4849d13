import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import type { Plugin } from 'esbuild';
import pg from 'pg';
import { bundleVerbs } from '../../docker/backup/bundle.ts';
import { findPrograms } from '../../scripts/lib/engines/postgres/server/programs.ts';
import { startThrowawayServer } from '../../scripts/lib/engines/postgres/server/throwaway-server.ts';
import { setChildEnvironment } from '../../scripts/lib/machine/child-environment.ts';
import type { S3Settings } from '../../scripts/lib/storages/s3/s3.ts';
import { hasEngine } from '../../test/support/container.ts';
import { startGarage } from '../../test/support/garage.ts';
import { type Command, type Measurement, measure } from './measure.ts';

export const PROJECT = resolve(import.meta.dirname, '../..');

/** PostgreSQL's own defaults, so that commits and checkpoints cost what they do in use, and less of the tuning noise. */
export const SERVER_SETTINGS = [
  'fsync=on',
  'full_page_writes=on',
  'synchronous_commit=on',
  'wal_level=replica',
  'max_wal_senders=10',
  'shared_buffers=512MB',
  'max_wal_size=4GB',
  'autovacuum=off',
];

export type S3 = Required<Pick<S3Settings, 'endpoint' | 'region' | 'bucket' | 'accessKey' | 'secretKey'>>;

/** One of the databases that are alike but for their size. */
export interface Sized {
  readonly name: string;
  /** Of its plain dump. */
  readonly dumpBytes: number;
}

/** What of a run is looked at beside the time; see Command. */
export type Watch = Pick<Command, 'target' | 'isWatched' | 'serverPid' | 'onStarted'>;

/** What every candidate works on: one server, a folder, and an S3-compatible store where there is one. */
export interface TestBed {
  readonly folder: string;
  readonly host: string;
  readonly port: number;
  readonly serverVersion: string;
  readonly s3: S3 | undefined;
  readonly dataDirectory: string;
  /** Where the server's socket is, for what connects by nothing else. */
  readonly socketFolder: string;
  /** TMPDIR and HOME of every run, empty at its start. */
  readonly scratch: string;
  /** PATH (with the server's own client programs first), the verbs' folders and libpq's variables. */
  readonly env: Readonly<Record<string, string>>;
  query<Row extends pg.QueryResultRow>(database: string, sql: string): Promise<Row[]>;
  /** Runs a candidate. Nothing but `env` and what is added reaches it. */
  run(script: string, env?: Record<string, string>, watch?: Watch): Promise<Measurement>;
  has(program: string): boolean;
  /** A new, empty folder of this name. */
  empty(name: string): string;
  close(): Promise<void>;
}

/** The same verbs, but that nothing is read a second time and compared: what that costs can be measured beside them. */
const WITHOUT_PROOF: Plugin = {
  name: 'without proof',
  setup: ({ onLoad }) => {
    onLoad({ filter: /scripts\/lib\/restore\/proof\.ts$/ }, () => ({
      contents: 'export const beginProof = async () => undefined;',
      loader: 'ts',
    }));
  },
};

export async function setUp(): Promise<TestBed> {
  setChildEnvironment(process.env);
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  // a drill's server runs as another account, and has to get to its folder
  chmodSync(folder, 0o711);
  const verbs = join(folder, 'verbs');
  const scratch = join(folder, 'scratch');
  await bundleVerbs(verbs);
  const withoutProof = `${verbs}-without-proof`;
  await bundleVerbs(withoutProof, [WITHOUT_PROOF]);
  const server = await startThrowawayServer({ tcp: true, settings: SERVER_SETTINGS });
  const garage = hasEngine() ? await startGarage() : undefined;
  const clients = await findPrograms('pg_dump');
  // the programs themselves, not the wrappers that Debian has in PATH
  const programs = dirname(clients.find(({ version }) => version === server.version)?.path ?? '/usr/bin/pg_dump');
  const path = [programs, dirname(process.execPath), process.env.PATH ?? ''].join(delimiter);
  const env = {
    PATH: path,
    HOME: scratch,
    TMPDIR: scratch,
    LANG: 'C.UTF-8',
    BENCH_VERBS: verbs,
    BENCH_VERBS_WITHOUT_PROOF: withoutProof,
    PGHOST: server.host,
    PGPORT: String(server.port),
    PGUSER: server.user,
  };
  const emptied = (path: string) => {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path, { recursive: true });
    return path;
  };

  const query: TestBed['query'] = async (database, sql) => {
    const client = new pg.Client({ host: server.host, port: server.port, user: server.user, database });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };
  const [row] = await query<{ data_directory: string }>('postgres', 'show data_directory');
  const dataDirectory = row?.data_directory ?? '';
  const serverPid = Number.parseInt(readFileSync(join(dataDirectory, 'postmaster.pid'), 'utf8'), 10);

  return {
    folder,
    host: server.host,
    port: server.port,
    serverVersion: server.version,
    s3: garage?.settings as S3 | undefined,
    dataDirectory,
    socketFolder: dirname(dataDirectory),
    scratch,
    env,
    query,
    run(script, added = {}, watch = {}) {
      chmodSync(emptied(scratch), 0o1777);
      return measure({ script, env: { ...env, ...added }, cwd: folder, serverPid, scratch, ...watch });
    },
    has: (program) => path.split(delimiter).some((directory) => existsSync(join(directory, program))),
    empty: (name) => emptied(join(folder, name)),
    async close() {
      await garage?.stop();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The first line that a program says of its version, or nothing. */
export function versionLine(bed: TestBed, program: string, args: string[] = ['--version']): string {
  const { stdout, stderr } = spawnSync(program, args, { env: { ...bed.env }, encoding: 'utf8' });
  return `${stdout ?? ''}${stderr ?? ''}`.split('\n')[0]?.trim() ?? '';
}
