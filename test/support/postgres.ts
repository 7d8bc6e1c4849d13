import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { promisify } from 'node:util';
import pg from 'pg';
import { quoteIdentifier } from '../../scripts/lib/engines/postgres/server/connection.ts';
import { findPrograms, type Program } from '../../scripts/lib/engines/postgres/server/programs.ts';
import {
  startThrowawayServer,
  type ThrowawayServer,
} from '../../scripts/lib/engines/postgres/server/throwaway-server.ts';
import { OperatorError } from '../../scripts/lib/errors.ts';
import { setChildEnvironment } from '../../scripts/lib/machine/child-environment.ts';
import { until } from './verbs.ts';

const run = promisify(execFile);

const EXAMPLE = readFileSync(new URL('./example.sql', import.meta.url), 'utf8');
const TEMPLATE = 'example_template';

/** Members of this role have to give their password; everyone else is trusted. */
export const PASSWORD_ROLE = 'needs_password';

const HBA = `
local all all trust
host all +${PASSWORD_ROLE} 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
`;

// biome-ignore lint/suspicious/noExplicitAny: a test reads rows of every shape
type Row = any;

/** A real server of the test file's own. */
export interface Postgres {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly version: string;
  stop(): Promise<void>;
  /** A name that no other test uses. */
  freshName(): string;
  /** A new database, empty or with the example data. */
  create(name: string, content?: 'empty' | 'example'): Promise<void>;
  /** Runs SQL, which may be several statements when it takes no parameters; the rows of the last one. */
  sql(database: string, text: string, parameters?: unknown[]): Promise<Row[]>;
  connect(database: string, user?: string, password?: string): Promise<pg.Client>;
  /** What POSTGRES_* would be in .env. */
  env(database: string): Record<string, string>;
  databases(): Promise<string[]>;
  /** The databases whose names start with this one's: itself and what restores put beside it. */
  beside(database: string): Promise<string[]>;
  /** Everything that is in a database, row by row, and the identity of the database itself. */
  fingerprint(database: string): Promise<{ oid: string; contents: Record<string, string[]> }>;
  contents(database: string): Promise<Record<string, string[]>>;
  /** As pg_dump prints it, without what differs from run to run. */
  dump(database: string): Promise<string>;
  /** Makes a dump of this database stop half way, after its rows and before its large objects, until let go. */
  holdDump(database: string): Promise<HeldDump>;
}

/** The server processes of dumps of the current database that wait where holdDump makes them. */
export const WAITING_DUMPS = `
  select pid from pg_locks l join pg_database d on d.oid = l.database
  where not granted and datname = current_database() and relation = 'pg_catalog.pg_largeobject'::regclass`;

export interface HeldDump {
  /** Resolves when a dump has come to the point and waits. */
  reached(): Promise<void>;
  release(): Promise<void>;
}

/** The server, or why there is none: `describe(…, { skip: missing })`. */
export async function startPostgres(
  settings: readonly string[] = [],
  /** Lines of pg_hba.conf that come before those for everybody. */
  rules: readonly string[] = [],
  /** Instead of one that is installed: see extensionTree. */
  program?: Program,
): Promise<{ postgres: Postgres; missing: false } | { postgres: Postgres; missing: string }> {
  setChildEnvironment(process.env);
  const folder = mkdtempSync(join(tmpdir(), 'postgres-test-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  await chmod(folder, 0o755);
  const hba = join(folder, 'pg_hba.conf');
  writeFileSync(hba, [...rules, HBA].join('\n'));
  try {
    const server = await startThrowawayServer({
      tcp: true,
      settings: [`hba_file=${hba}`, ...settings],
      ...(program === undefined ? {} : { program }),
    });
    after(() => server.stop());
    return { postgres: await wrap(server), missing: false };
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code !== 'TOOL_MISSING') throw error;
    const missing = `${error.message}. ${error.hint}`;
    // a skipped test does not run; what would is told
    const postgres = new Proxy({} as Postgres, {
      get: () => {
        throw new Error(missing);
      },
    });
    return { postgres, missing };
  }
}

async function wrap(server: ThrowawayServer): Promise<Postgres> {
  let names = 0;
  let hasTemplate: Promise<unknown> | undefined;
  const { host, port, user, version } = server;
  const connect = async (database: string, as = user, password?: string) => {
    const client = new pg.Client({ host, port, user: as, database, password });
    client.on('error', () => {});
    await client.connect();
    return client;
  };
  const sql = async (database: string, text: string, parameters?: unknown[]): Promise<Row[]> => {
    const client = await connect(database);
    try {
      const result: unknown = await client.query(text, parameters);
      const last = Array.isArray(result) ? result.at(-1) : result;
      return (last as pg.QueryResult).rows;
    } finally {
      await client.end();
    }
  };
  await sql('postgres', `create role ${PASSWORD_ROLE}`);
  const makeTemplate = async () => {
    await sql('postgres', `create database ${TEMPLATE}`);
    await sql(TEMPLATE, EXAMPLE);
    // so that nobody is connected to it when it is copied
    await sql('postgres', `alter database ${TEMPLATE} with allow_connections false is_template true`);
  };
  // one at a time: a template must not be in use
  let creating: Promise<unknown> = Promise.resolve();
  const contents = async (database: string) => {
    const client = await connect(database);
    try {
      return await contentsOf(async (text) => (await client.query(text)).rows);
    } finally {
      await client.end();
    }
  };
  const databases = async () =>
    (await sql('postgres', 'select datname as name from pg_database order by datname collate "C"')).map(
      ({ name }) => name as string,
    );
  return {
    host,
    port,
    user,
    version,
    sql,
    connect,
    databases,
    contents,
    stop: () => server.stop(),
    freshName: () => {
      names += 1;
      // none is the beginning of another
      return `shop_${names}_`;
    },
    create: async (name, content = 'example') => {
      if (content === 'example') {
        hasTemplate ??= makeTemplate();
        await hasTemplate;
      }
      const template = content === 'example' ? TEMPLATE : 'template0';
      const made = creating.then(() =>
        sql('postgres', `create database ${quoteIdentifier(name)} template ${template}`),
      );
      creating = made.catch(() => {});
      await made;
    },
    env: (database) => ({
      POSTGRES_HOST: host,
      POSTGRES_PORT: String(port),
      POSTGRES_USER: user,
      POSTGRES_DB: database,
    }),
    beside: async (database) => (await databases()).filter((name) => name.startsWith(database)),
    fingerprint: async (database) => {
      const [row] = await sql('postgres', 'select oid::text as oid from pg_database where datname = $1', [database]);
      return { oid: String(row?.oid), contents: await contents(database) };
    },
    dump: async (database) => {
      const [program] = await findPrograms('pg_dump');
      const { stdout } = await run(program?.path ?? 'pg_dump', [], {
        maxBuffer: 1e9,
        env: { PGHOST: host, PGPORT: String(port), PGUSER: user, PGDATABASE: database },
      });
      return stdout.replaceAll(/^\\(un)?restrict .*\n/gm, '');
    },
    holdDump: async (database) => {
      const client = await connect(database);
      await client.query('begin; lock table pg_catalog.pg_largeobject in access exclusive mode');
      return {
        reached: () =>
          until(`a dump of ${database} has come half way`, async () => {
            const { rows } = await client.query(`select from (${WAITING_DUMPS}) waiting`);
            return rows.length > 0 ? true : undefined;
          }).then(() => {}),
        release: () => client.end(),
      };
    },
  };
}

/** Everything that is in a database, by a session of the caller's. */
export async function contentsOf(sql: (text: string) => Promise<Row[]>): Promise<Record<string, string[]>> {
  const relations = await sql(`
    select format('%I.%I', n.nspname, c.relname) as name, c.relkind as kind
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'S', 'm') and c.relispopulated and n.nspname !~ '^(pg_|information_schema)' order by 1`);
  const contents: Record<string, string[]> = {};
  for (const { name, kind } of relations) {
    const text =
      kind === 'S'
        ? `select last_value || ' ' || is_called as row from ${name}`
        : `select t::text as row from ${kind === 'r' ? 'only ' : ''}${name} t order by 1`;
    contents[name] = (await sql(text)).map(({ row }) => row as string);
  }
  const objects = await sql(
    "select oid || ' ' || encode(lo_get(oid), 'hex') as row from pg_largeobject_metadata order by oid",
  );
  contents['large objects'] = objects.map(({ row }) => row as string);
  return contents;
}
