import type { Config } from '../config/config.ts';
import { type Connection, connect } from '../engines/postgres/server/connection.ts';
import { tableFiles } from '../engines/postgres/server/table-files.ts';
import { messageOf } from '../errors.ts';
import type { ServerLog } from '../log/server-log.ts';
import type { Repository } from '../repository/repository.ts';
import { type DatabaseSource, type LogServer, serverOf } from '../source.ts';
import { log } from '../terminal/log.ts';

/** What the numbers in a log are called. */
export interface FileNames {
  /** Of a database's OID; the number itself where nobody knows it any more. */
  database(oid: string): string;
  /** Of `16384/16391`; undefined where neither the server nor a dump knows it. */
  table(file: string): string | undefined;
  /** The files of pg_class by database, where they are not the usual ones. */
  readonly classFiles: ReadonlyMap<string, string>;
}

/** So many of the newest dumps of a source are read for the files that tables had then. */
const DUMPS = 3;

/**
 * Learns names from the server, as far as it answers and the tables are still there, and from dumps of before `at`, which know
 * those that have been dropped or emptied since.
 */
export async function learnNames(of: {
  config: Config;
  repository: Repository;
  server: LogServer | undefined;
  serverLog: Pick<ServerLog, 'server'>;
  databases: ReadonlyMap<string, string>;
  at: Date;
  signal: AbortSignal;
}): Promise<FileNames> {
  const { config, repository, server, at, signal } = of;
  const databases = new Map(of.databases);
  const tables = new Map<string, string>();
  const classFiles = new Map<string, string>();
  if (server) {
    try {
      await askServer(server.source, { databases, tables, classFiles }, signal);
    } catch (error) {
      signal.throwIfAborted();
      log.warn(`${server.name} does not answer, so that names come from dumps alone: ${messageOf(error)}`);
    }
  }
  const sources = config.sources.filter(
    (source): source is DatabaseSource =>
      source.engine === 'postgres' && (!server || serverOf([server], source) !== undefined),
  );
  const backups = (await repository.backups(signal)).filter(({ hasManifest }) => hasManifest);
  for (const source of sources) {
    const own = backups.filter((each) => each.source === source.name || each.source.startsWith(`${source.name}.`));
    const before = own.filter(({ createdAt }) => createdAt <= at);
    // the newest before it, and what was made since in the oldest after it
    const read = [...own.slice(0, own.length - before.length).slice(-1), ...before.slice(0, DUMPS)];
    for (const backup of read) {
      const manifest = await repository.manifestOf(backup, signal).catch(() => undefined);
      // one of the same name may have been put in its place since, and has other files
      const oid = manifest?.databaseOid;
      if (manifest === undefined || oid === undefined) continue;
      if (!databases.has(oid)) databases.set(oid, manifest.database);
      for (const [table, file] of Object.entries(manifest.tableFiles ?? {})) {
        const key = `${oid}/${file}`;
        if (!tables.has(key)) tables.set(key, table);
      }
    }
  }
  return {
    database: (oid) => databases.get(oid) ?? `database ${oid}`,
    table: (file) => tables.get(file),
    classFiles,
  };
}

async function askServer(
  source: DatabaseSource,
  {
    databases,
    tables,
    classFiles,
  }: { databases: Map<string, string>; tables: Map<string, string>; classFiles: Map<string, string> },
  signal: AbortSignal,
): Promise<void> {
  const each = await within(source, source.database, signal, (connection) =>
    connection.query<{ oid: string; name: string; open: boolean }>(
      "select oid::text, datname as name, datallowconn and has_database_privilege(oid, 'connect') as open from pg_database",
    ),
  );
  for (const { oid, name } of each) databases.set(oid, name);
  for (const { oid, name } of each.filter((database) => database.open)) {
    await within(source, name, signal, async (connection) => {
      const [row] = await connection.query<{ file: string }>("select pg_relation_filenode('pg_class')::text as file");
      if (row) classFiles.set(oid, row.file);
      for (const { table, file } of await tableFiles(connection)) tables.set(`${oid}/${file}`, table);
    }).catch((error: unknown) => {
      signal.throwIfAborted();
      log.info(`names of ${name} are not known: ${messageOf(error)}`);
    });
  }
}

async function within<T>(
  source: DatabaseSource,
  database: string,
  signal: AbortSignal,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await connect(source, database, signal);
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}
