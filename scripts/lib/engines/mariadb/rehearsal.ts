import { OperatorError } from '../../errors.ts';
import { compareCodeObjects } from '../../repository/contents.ts';
import type { Manifest } from '../../repository/manifest.ts';
import type { DatabaseSource } from '../../source.ts';
import { QUERY_TIMEOUT_SECONDS, rehearseOn, SHOWN_ROWS } from '../database/rehearsal.ts';
import type { Check, Rehearsal, RehearsalOptions } from '../engine.ts';
import { withLeftOut } from './restore/made-later.ts';
import { type Connection, connect, errorName, quoteIdentifier } from './server/connection.ts';
import { serverMessage } from './server/connection-errors.ts';
import { countCode, displayName, listTables } from './server/contents.ts';
import { readDefaults } from './server/facts.ts';
import { startThrowawayServer, throwawaySource } from './server/throwaway-server.ts';
import { fillZones } from './server/time-zones.ts';
import { readOrphans, readUnheldChecks } from './server/unheld.ts';
import { parseVersion } from './server/version.ts';

const EMPTY_SERVER_BYTES = 256 * 1024 * 1024;

/** See Engine.rehearse. There is one MariaDB server in the image: it stands in for those of other versions. */
export function rehearse(source: DatabaseSource, options: RehearsalOptions): Promise<Rehearsal> {
  const { directory, manifest, signal } = options;
  return rehearseOn(options, {
    serverBytes: EMPTY_SERVER_BYTES,
    start: () =>
      startThrowawayServer({
        parent: directory,
        durable: options.isForLooking !== true,
        isForLooking: options.isForLooking === true,
        settings: [
          '--innodb-buffer-pool-size=256M',
          '--innodb-log-file-size=256M',
          '--max-allowed-packet=1G',
          ...likeTheSource(manifest),
          '--event-scheduler=OFF',
          '--local-infile=OFF',
        ],
        signal,
      }),
    furnish: async (server) => {
      const place = throwawaySource(server, source);
      if (options.version !== undefined) await assertVersion(place, options.version, signal);
      await makeDefiners(place, manifest?.roles ?? [], signal);
      await fillZones(place, manifest, signal);
      return place;
    },
    connect: (place, staging) => connect(place, signal, staging),
    inspect: async (connection, staging) => [
      versionCheck(connection, manifest),
      ...(await defaultsCheck(connection, staging, manifest)),
      await checkTables(connection, staging),
      await checkForeignKeys(connection, staging),
      ...(await checkChecks(connection, staging)),
      await checkViews(connection, staging),
      await checkCode(connection, staging, manifest),
    ],
    query: runQuery,
    isWrite: (error) => errorName(error) === 'ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION',
    reasonOf: serverMessage,
  });
}

/**
 * What changes how a dump is read, as it was where the dump was made. Of the rest of the manifest's settings a restore
 * says what it lacks.
 */
function likeTheSource(manifest: Manifest | undefined): string[] {
  const { lower_case_table_names: nameCase, innodb_default_row_format: rowFormat } = manifest?.settings ?? {};
  return [
    // names that differ in case alone have no 2 on a file system that tells them apart
    ...(nameCase === '1' ? ['--lower-case-table-names=1'] : []),
    ...(rowFormat !== undefined && ['redundant', 'compact', 'dynamic'].includes(rowFormat)
      ? [`--innodb-default-row-format=${rowFormat}`]
      : []),
  ];
}

/** @throws OperatorError TOOL_MISSING when the server here is of another series than the one that is asked for */
async function assertVersion(place: DatabaseSource, wanted: string, signal: AbortSignal): Promise<void> {
  const connection = await connect(place, signal);
  await connection.close();
  if (connection.server.text.startsWith(`${wanted}.`)) return;
  throw new OperatorError('TOOL_MISSING', `the MariaDB server here is ${connection.server.text}, and not ${wanted}`, {
    hint: `Install mariadb-server-core of ${wanted}, or run inside an image that has it (Debian 13: 11.8).`,
  });
}

/** Views are read as their definers, who own nothing here: nobody but this process reaches the server. */
async function makeDefiners(place: DatabaseSource, definers: readonly string[], signal: AbortSignal): Promise<void> {
  const connection = await connect(place, signal);
  try {
    for (const definer of definers) {
      const at = definer.lastIndexOf('@');
      const isRole = at < 0 || at === definer.length - 1;
      const user = quoteIdentifier(isRole ? definer.replace(/@$/, '') : definer.slice(0, at));
      const account = isRole ? user : `${user}@${quoteIdentifier(definer.slice(at + 1))}`;
      await connection.query(`create ${isRole ? 'role' : 'user'} if not exists ${account}`);
      await connection.query(`grant all on *.* to ${account}`);
    }
  } finally {
    await connection.close();
  }
}

function versionCheck({ server }: Connection, manifest: Manifest | undefined): Check {
  const name = 'server version';
  if (!manifest) return { name, ok: true, detail: `rehearsed on ${server.text}` };
  const isSame = Math.floor(parseVersion(manifest.serverVersion).number / 100) === Math.floor(server.number / 100);
  return {
    name,
    ok: true,
    detail: isSame
      ? `${server.text}, of the series that was dumped`
      : `dumped from ${manifest.serverVersion}, rehearsed on ${server.text}: this does not prove that the former accepts it`,
  };
}

/** What new tables and the parameters of routines are made with. */
async function defaultsCheck(
  connection: Connection,
  staging: string,
  manifest: Manifest | undefined,
): Promise<Check[]> {
  if (manifest?.encoding === undefined) return [];
  const found = await readDefaults(connection, staging);
  const [expected, restored] = [manifest, found].map((each) => `${each?.encoding}, ${each?.collation}`);
  const ok = expected === restored;
  return [
    { name: 'character set of the database', ok, detail: ok ? `${restored}` : `${restored}, expected ${expected}` },
  ];
}

async function checkTables(connection: Connection, staging: string): Promise<Check> {
  const name = 'CHECK TABLE';
  const tables = (await listTables(connection, staging)).filter(({ kind }) => kind === 'table');
  const problems: string[] = [];
  for (const table of tables) {
    const rows = await connection.query<{ Msg_type: string; Msg_text: string }>(
      `check table ${quoteIdentifier(staging)}.${quoteIdentifier(table.name)} extended`,
    );
    const bad = rows.filter(({ Msg_type: type }) => type.toLowerCase() === 'error' || type.toLowerCase() === 'warning');
    problems.push(...bad.map(({ Msg_text: text }) => `${displayName(table.name)}: ${text}`));
  }
  return {
    name,
    ok: problems.length === 0,
    detail: problems.join('; ') || `${tables.length} tables sound, with their indexes`,
  };
}

/** A load leaves foreign keys unchecked: rows that refer to nothing are looked for here. */
async function checkForeignKeys(connection: Connection, staging: string): Promise<Check> {
  const name = 'foreign keys';
  const { keys, unheld } = await readOrphans(connection, staging);
  const broken = unheld.map((each) => `${each.table} (${each.name}, ${counted(each.rows)})`).join(', ');
  const ok = unheld.length === 0;
  return { name, ok, detail: ok ? `${keys} hold for every row` : `rows that refer to nothing: ${broken}` };
}

/** A row that a CHECK would not take is the source's own: the rows are compared with those of the dump. */
async function checkChecks(connection: Connection, staging: string): Promise<Check[]> {
  const unheld = await readUnheldChecks(connection, staging);
  if (unheld.length === 0) return [];
  const broken = unheld.map((each) => `${each.table} (${each.name}, ${counted(each.rows)})`).join(', ');
  return [
    { name: 'CHECK constraints', ok: true, detail: `rows that they would not let in, as they were dumped: ${broken}` },
  ];
}

const counted = (rows: number) => `${rows} ${rows === 1 ? 'row' : 'rows'}`;

async function checkViews(connection: Connection, staging: string): Promise<Check> {
  const name = 'views';
  const views = (await listTables(connection, staging)).filter(({ kind }) => kind === 'view');
  const problems: string[] = [];
  for (const view of views) {
    try {
      await connection.query(`select * from ${quoteIdentifier(view.name)} limit 0`);
    } catch (error) {
      // an account that this server does not have says nothing of the view
      if (errorName(error) === 'ER_NO_SUCH_USER') continue;
      problems.push(`${displayName(view.name)}: ${serverMessage((error as Error).cause ?? error)}`);
    }
  }
  return { name, ok: problems.length === 0, detail: problems.join('; ') || `${views.length} can be read` };
}

async function checkCode(connection: Connection, staging: string, manifest: Manifest | undefined): Promise<Check> {
  const codeObjects = withLeftOut(await countCode(connection, staging), staging);
  const found = { tables: [], sequences: [], codeObjects };
  const differences = manifest ? compareCodeObjects(manifest, found) : [];
  const named = Object.entries(codeObjects).map(([kind, n]) => `${n} ${kind}${n === 1 ? '' : 's'}`);
  return { name: 'code', ok: differences.length === 0, detail: differences.join('; ') || named.join(', ') || 'none' };
}

async function runQuery(connection: Connection, sql: string): Promise<Record<string, unknown>[]> {
  // what is no transaction, such as DDL, is refused in a read-only one too
  await connection.query(`set session max_statement_time = ${QUERY_TIMEOUT_SECONDS}`);
  await connection.query('start transaction read only');
  return connection.firstRows(sql, SHOWN_ROWS);
}
