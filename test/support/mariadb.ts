import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after } from 'node:test';
import { promisify } from 'node:util';
import { type Connection, createConnection } from 'mariadb';
import { quoteIdentifier } from '../../scripts/lib/engines/mariadb/server/connection.ts';
import { programFor } from '../../scripts/lib/engines/mariadb/server/programs.ts';
import { startThrowawayServer } from '../../scripts/lib/engines/mariadb/server/throwaway-server.ts';
import { OperatorError } from '../../scripts/lib/errors.ts';
import { setChildEnvironment } from '../../scripts/lib/machine/child-environment.ts';

const run = promisify(execFile);
const EXAMPLE = readFileSync(new URL('./mariadb-example.sql', import.meta.url), 'utf8');

// biome-ignore lint/suspicious/noExplicitAny: a test reads rows of every shape
type Row = any;

/** A real server: the test file's own, or the one that MARIADB_TEST_URL names. */
export interface MariaDb {
  readonly host: string;
  readonly port: number;
  /** Beside its data, of the test's own server. */
  readonly socket: string | undefined;
  readonly user: string;
  readonly password: string | undefined;
  readonly version: string;
  stop(): Promise<void>;
  /** A name that no other test uses. */
  freshName(): string;
  /** A new database, empty or with the example data. */
  create(name: string, content?: 'empty' | 'example'): Promise<void>;
  sql(text: string, parameters?: unknown[], database?: string): Promise<Row[]>;
  connect(database?: string, user?: string, password?: string): Promise<Connection>;
  /** Runs a script of the client's, delimiters included. */
  script(database: string, text: string | Uint8Array): Promise<void>;
  /** The environment of a source named `shop`, and what is added to its URL. */
  env(database: string, query?: string): Record<string, string>;
  databases(): Promise<string[]>;
  beside(database: string): Promise<string[]>;
  /** Everything in a database as mariadb-dump prints it, rows in order, without what differs from run to run. */
  dump(database: string): Promise<string>;
}

/** The server, or why there is none: `describe(…, { skip: missing })`. */
export async function startMariaDb(
  settings: readonly string[] = [],
): Promise<{ mariadb: MariaDb; missing: false } | { mariadb: MariaDb; missing: string }> {
  setChildEnvironment(process.env);
  try {
    await programFor('mariadb-dump');
    const given = process.env.MARIADB_TEST_URL;
    if (given) {
      const { hostname, port, username, password } = new URL(given);
      return {
        mariadb: wrap({ host: hostname, port: Number(port), user: username, password, stop: async () => {} }),
        missing: false,
      };
    }
    const server = await startThrowawayServer({ tcp: true, settings: ['--event-scheduler=ON', ...settings] });
    after(() => server.stop());
    return { mariadb: wrap({ ...server, password: undefined }), missing: false };
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code !== 'TOOL_MISSING') throw error;
    const missing = `${error.message}. ${error.hint}`;
    const mariadb = new Proxy({} as MariaDb, {
      get: () => {
        throw new Error(missing);
      },
    });
    return { mariadb, missing };
  }
}

interface Place {
  readonly host: string;
  readonly port: number;
  readonly socket?: string;
  readonly user: string;
  readonly password: string | undefined;
  readonly version?: string;
  stop(): Promise<void>;
}

function wrap({ host, port, socket, user, password, version = 'unknown', stop }: Place): MariaDb {
  let names = 0;
  const connect = (database?: string, as = user, secret = password) =>
    createConnection({
      host,
      port,
      user: as,
      ...(secret ? { password: secret } : {}),
      ...(database === undefined ? {} : { database }),
      bigIntAsNumber: true,
      multipleStatements: true,
      dateStrings: true,
      charset: 'utf8mb4',
    });
  const client = async (program: 'mariadb' | 'mariadb-dump', args: string[], input?: string | Uint8Array) => {
    const { path } = await programFor(program);
    const running = run(
      path,
      ['--no-defaults', '--protocol=tcp', `--host=${host}`, `--port=${port}`, `--user=${user}`, '--skip-ssl', ...args],
      { maxBuffer: 1e9, env: password ? { MYSQL_PWD: password } : {} },
    );
    running.child.stdin?.end(input);
    return (await running).stdout;
  };
  const sql = async (text: string, parameters?: unknown[], database?: string): Promise<Row[]> => {
    const connection = await connect(database);
    try {
      return await connection.query(text, parameters);
    } finally {
      await connection.end();
    }
  };
  const databases = async () =>
    (await sql('select schema_name as name from information_schema.schemata order by binary schema_name')).map(
      ({ name }) => name as string,
    );
  return {
    host,
    port,
    socket,
    user,
    password,
    version,
    stop,
    connect,
    sql,
    databases,
    freshName: () => {
      names += 1;
      // none is the beginning of another
      return `shop_${process.pid}_${names}_`;
    },
    script: async (database, text) => {
      await client('mariadb', ['--default-character-set=utf8mb4', `--database=${database}`], text);
    },
    create: async (name, content = 'example') => {
      await sql(`create database ${quoteIdentifier(name)} character set utf8mb4 collate utf8mb4_unicode_ci`);
      if (content === 'example') {
        await client(
          'mariadb',
          ['--default-character-set=utf8mb4', `--database=${name}`],
          EXAMPLE.replaceAll(':DATABASE:', quoteIdentifier(name)),
        );
      }
    },
    env: (database, query = '') => ({
      BACKUP_SOURCE_SHOP: `mariadb://${user}@${host}:${port}/${encodeURIComponent(database)}${query}`,
      ...(password ? { BACKUP_SOURCE_SHOP_PASSWORD: password } : {}),
    }),
    beside: async (database) => (await databases()).filter((name) => name.startsWith(database)),
    dump: async (database) => {
      const text = await client('mariadb-dump', [
        '--single-transaction',
        '--routines',
        '--triggers',
        '--events',
        '--hex-blob',
        '--order-by-primary',
        '--default-character-set=utf8mb4',
        '--skip-dump-date',
        '--',
        database,
      ]);
      // a trigger's head is written again, from its parts: only its wording may differ
      const plainHead = (head: string) =>
        head
          .replaceAll(/\/\*.*?\*\/|(`(?:[^`]|``)*`|\w+)\.(?=[`\w])|`/g, '')
          .replaceAll(/\s+/g, ' ')
          .toLowerCase();
      return text
        .replaceAll(/^-- (Host|Dumping (events|routines) for database|Server version).*$/gm, '')
        .replaceAll(/(?<=\/\*!50003 )trigger .*?for each row\s+/gis, plainHead);
    },
  };
}
