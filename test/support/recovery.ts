import { execFile, spawn } from 'node:child_process';
import {
  createReadStream,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { promisify } from 'node:util';
import pg from 'pg';
import { configure } from '../../scripts/lib/config/config.ts';
import { folderPrefix } from '../../scripts/lib/engines/database/throwaway.ts';
import { type Recovered, type RecoveryOrder, recover } from '../../scripts/lib/engines/postgres/recovery/recover.ts';
import type { LogFeed } from '../../scripts/lib/engines/postgres/recovery/spool.ts';
import { findPrograms } from '../../scripts/lib/engines/postgres/server/programs.ts';
import { openLog } from '../../scripts/lib/log/store.ts';
import { openServerLog, planEnd } from '../../scripts/lib/moment/plan.ts';
import { recoverPlan } from '../../scripts/lib/moment/recover.ts';
import { openRepository } from '../../scripts/lib/repository/repository.ts';
import { contentsOf, type Postgres } from './postgres.ts';
import { until } from './verbs.ts';

const run = promisify(execFile);

/** What a server needs whose log is taken: the throwaway servers of tests write as little of it as they can, and late. */
export const WITH_LOG = ['synchronous_commit=on', 'wal_level=replica', 'max_wal_senders=10', 'full_page_writes=on'];

/** A log and a base, taken by PostgreSQL's own tools. */
export interface OwnTools {
  readonly folder: string;
  /** Takes a base into a folder of that name, a tar archive for each tablespace. */
  base(name: string, args?: readonly string[]): Promise<string>;
  /** Waits until pg_receivewal has this position on its disk. */
  received(lsn: string): Promise<void>;
  /** Ends pg_receivewal. */
  stop(): Promise<void>;
}

/** Where the log stands, flushed. */
export async function whereNow(postgres: Postgres): Promise<string> {
  const [row] = await postgres.sql('postgres', 'select pg_current_wal_flush_lsn()::text as lsn');
  return row.lsn;
}

const program = async (name: string) => (await findPrograms(name))[0]?.path ?? name;
const numberOf = (lsn: string) => {
  const [high = '0', low = '0'] = lsn.split('/');
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
};

export async function ownTools(postgres: Postgres, slot = 'own_tools'): Promise<OwnTools> {
  const folder = mkdtempSync(join(tmpdir(), 'own-tools-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const env = { PGHOST: postgres.host, PGPORT: String(postgres.port), PGUSER: postgres.user, PATH: process.env.PATH };
  const receiver = spawn(
    await program('pg_receivewal'),
    ['-D', folder, '--synchronous', '--slot', slot, '--create-slot', '--if-not-exists'],
    { env, stdio: 'ignore' },
  );
  await new Promise((resolve) => receiver.once('exit', resolve));
  const running = spawn(await program('pg_receivewal'), ['-D', folder, '--synchronous', '--slot', slot], {
    env,
    stdio: 'ignore',
  });
  const ended = new Promise<void>((resolve) => running.once('exit', () => resolve()));
  after(() => running.kill('SIGKILL'));
  return {
    folder,
    base: async (name, args = []) => {
      const into = join(folder, name);
      await run(
        await program('pg_basebackup'),
        ['-D', into, '-Ft', '-X', 'fetch', '--checkpoint=fast', '--no-sync', ...args],
        { env },
      );
      // as ours has it: the last member of the first archive
      await run('tar', ['--append', '--file=base.tar', 'backup_manifest'], { cwd: into });
      return into;
    },
    received: async (lsn) => {
      await until(`pg_receivewal has ${lsn}`, async () => {
        const [row] = await postgres.sql(
          'postgres',
          "select coalesce(flush_lsn::text, '0/0') as lsn from pg_stat_replication where application_name = 'pg_receivewal'",
        );
        return row !== undefined && numberOf(row.lsn) >= numberOf(lsn) ? true : undefined;
      });
    },
    stop: async () => {
      running.kill('SIGINT');
      await ended;
    },
  };
}

/** What pg_receivewal has written, as a feed. */
export function feedOf(folder: string, changed: Partial<LogFeed> = {}): LogFeed {
  const names = readdirSync(folder)
    .filter((name) => /^[0-9A-F]{24}(\.partial)?$/.test(name))
    .sort();
  const pathOf = (name: string) => {
    const whole = join(folder, name);
    return existsSync(whole) ? whole : `${whole}.partial`;
  };
  const segments = names.map((name) => name.slice(0, 24));
  const last = segments.at(-1) ?? '';
  const next = `${last.slice(0, 16)}${(Number.parseInt(last.slice(16), 16) + 1).toString(16).toUpperCase().padStart(8, '0')}`;
  return {
    planned: segments,
    absent: [next],
    histories: [],
    segmentBytes: statSync(pathOf(last)).size,
    // a copy would keep the mode of a file that only its owner may read
    write: async (name, path) => writeFileSync(path, readFileSync(pathOf(name))),
    ...changed,
  };
}

/** Recovers what those tools took. The server goes when the file's tests are over. */
export async function recoverOwn(base: string, log: LogFeed, order: Partial<RecoveryOrder> = {}): Promise<Recovered> {
  const archives = readdirSync(base).filter((name) => name.endsWith('.tar'));
  const recovered = await recover({
    major: (await findPrograms('postgres'))[0]?.major ?? 0,
    base: archives.map((name) => ({
      key: name,
      oid: /^\d+/.exec(name)?.[0],
      opening: [],
      bytes: () => createReadStream(join(base, name)),
    })),
    log,
    timeline: 1,
    endCounts: false,
    prefix: folderPrefix('postgres', undefined),
    users: ['postgres'],
    locales: [],
    signal: new AbortController().signal,
    ...order,
  });
  after(() => recovered.stop());
  return recovered;
}

/** A recovered server that can be looked into. */
export type Opened = Recovered & { contents(database: string): Promise<Record<string, string[]>> };

/** Recovers a stored base, with the log that goes on from it, to the end. */
export async function recoverStored(directory: string, key: string): Promise<Opened> {
  const config = configure({ BACKUP_DIR: directory, PATH: process.env.PATH, POSTGRES_HOST: '127.0.0.1', PITR: 'true' });
  const repository = await openRepository(config.repository);
  after(() => repository.close());
  const { signal } = new AbortController();
  const store = openLog(repository);
  const log = await openServerLog(store, '127.0.0.1', signal);
  const plan = await planEnd({ ...log, bases: log.bases.filter(({ stem }) => `${stem}.json` === key) });
  if (!plan) throw new Error(`there is no base ${key}`);
  const recovered = await recoverPlan({ config, repository, store, plan, signal });
  after(() => recovered.stop());
  return {
    ...recovered,
    contents: async (database) => {
      const client = new pg.Client({ host: recovered.host, port: recovered.port, user: recovered.user, database });
      await client.connect();
      return contentsOf(async (text) => (await client.query(text)).rows).finally(() => client.end());
    },
  };
}
