import type { Config } from '../config/config.ts';
import { folderPrefix } from '../engines/database/throwaway.ts';
import type { Check } from '../engines/engine.ts';
import { endPrepared } from '../engines/postgres/recovery/prepared.ts';
import { checkChecksums, checkStructure } from '../engines/postgres/recovery/prove.ts';
import type { Recovered } from '../engines/postgres/recovery/recover.ts';
import { runQuery } from '../engines/postgres/rehearsal.ts';
import { readWithout } from '../engines/postgres/server/called-around.ts';
import { connect, sqlState } from '../engines/postgres/server/connection.ts';
import { countContents } from '../engines/postgres/server/contents.ts';
import { throwawaySource } from '../engines/postgres/server/throwaway-server.ts';
import { messageOf, OperatorError } from '../errors.ts';
import { baseManifestKey } from '../log/base-keys.ts';
import { formatLsn } from '../log/lsn.ts';
import { openLog } from '../log/store.ts';
import { liveServer } from '../moment/live.ts';
import { type MomentPlan, openServerLog, planEnd } from '../moment/plan.ts';
import { assertRoomFor, recoverPlan } from '../moment/recover.ts';
import { describeTarget } from '../moment/target.ts';
import { borderOf } from '../moment/text.ts';
import { compareTables } from '../repository/contents.ts';
import { type DrillRecord, drillOfServer } from '../repository/drill-record.ts';
import type { Manifest } from '../repository/manifest.ts';
import type { Repository } from '../repository/repository.ts';
import type { DatabaseSource, LogServer } from '../source.ts';
import { log } from '../terminal/log.ts';
import { type Findings, failedCheck, nothingToDrill, recordOf } from './findings.ts';
import { checkInvariants, readInvariants } from './invariants.ts';
import { type Destination, destinationOf } from './server-destination.ts';

interface ServerDrill {
  readonly config: Config;
  readonly repository: Repository;
  readonly server: LogServer;
  readonly directory: string;
  readonly signal: AbortSignal;
}

/**
 * Rehearses the recovery of a whole server on a throwaway one: its newest base to the end of its log, and every second time to a
 * moment within. Proves it: the files against the server's own checksums, how far the log was replayed against how far it is
 * stored, every table and index, the operator's queries, and at the position that a dump was taken at, the dump's exact rows.
 */
export async function drillServer(order: ServerDrill, outer: AbortSignal): Promise<DrillRecord> {
  const { repository, server, directory, signal } = order;
  const name = drillOfServer(server.name);
  const startedAt = new Date();
  const found: Findings = { checks: [], tables: [], rtoMs: null, rawBytes: null };
  let recovered: Recovered | undefined;
  let plan: MomentPlan | undefined;
  try {
    const store = openLog(repository);
    const serverLog = await openServerLog(store, server.name, signal, (of) => liveServer(server.source, of, signal));
    const toEnd = await planEnd(serverLog);
    if (toEnd === undefined) return nothingToDrill(name, `there is no base of ${server.name}`);
    const destination = await destinationOf({ ...order, serverLog, toEnd });
    plan = destination.plan;
    const where = plan.target === undefined ? 'the end of its log' : describeTarget(plan.target);
    log.info(`drill: recovering ${server.name} from ${baseManifestKey(plan.base.stem)} to ${where}`);
    found.rawBytes = plan.manifest.rawBytes;
    await assertRoomFor(plan, directory);
    const asked = Date.now();
    recovered = await recoverPlan({ ...order, store, plan }, { prefix: folderPrefix('postgres', directory) });
    found.rtoMs = Date.now() - asked;
    found.checks.push(
      { name: 'base', ok: true, detail: `${baseManifestKey(plan.base.stem)}: every file as the server sent it` },
      reached(plan, recovered, where),
    );
    await endPrepared(throwawaySource({ ...recovered, version: '', notRehearsed: [] }, '', server.source), signal);
    found.checks.push(
      await checkStructure(recovered, signal),
      ...(await checkDatabases(order, recovered, destination.dump, found)),
      await checkChecksums(recovered, signal),
    );
  } catch (error) {
    outer.throwIfAborted();
    const hint = error instanceof OperatorError && error.hint !== '' ? `. ${error.hint}` : '';
    const what = failedCheck(error) === 'digest' ? 'base and log as stored' : failedCheck(error);
    found.checks.push({ name: what, ok: false, detail: `${messageOf(error)}${hint}` });
  } finally {
    await recovered?.stop();
  }
  const sizeBytes = plan === undefined ? null : plan.base.sizeBytes + plan.storedLogBytes;
  const coverage = plan?.path.coverage ?? startedAt;
  const key = plan === undefined ? null : baseManifestKey(plan.base.stem);
  return recordOf({ source: name, key, sizeBytes, createdAt: coverage }, startedAt, found);
}

function reached({ path, target }: MomentPlan, recovered: Recovered, where: string): Check {
  const promised = target === undefined ? `, of ${formatLsn(path.end)} that are stored` : '';
  return {
    name: 'log',
    ok: true,
    detail: `replayed to ${where}: ${recovered.reachedLsn}${promised}; ${borderOf(recovered).sentence}`,
  };
}

/** The operator's queries on the databases that are sources, and the rows of the dump whose very state this is. */
async function checkDatabases(
  { config, server, signal }: ServerDrill,
  recovered: Recovered,
  dump: Destination['dump'],
  found: Findings,
): Promise<Check[]> {
  const checks: Check[] = [];
  const { host, port } = server.source;
  const sources = config.sources.filter(
    (source): source is DatabaseSource =>
      source.engine === 'postgres' && source.host === host && source.port === port && source.database !== '*',
  );
  for (const source of sources) {
    const place = throwawaySource({ ...recovered, version: '', notRehearsed: [] }, source.database, source);
    const invariants = readInvariants(config.values.DRILL_CHECKS, source.name);
    if (invariants.length > 0) checks.push(...(await checkLibraries(place, signal)));
    checks.push(...(await checkInvariants((sql) => ask(place, sql, signal), invariants)));
  }
  if (dump !== undefined) {
    const place = throwawaySource(
      { ...recovered, version: '', notRehearsed: [] },
      dump.manifest.database,
      server.source,
    );
    checks.push(await checkRows(place, dump, found, signal));
  }
  return checks;
}

/** A query that does not see all rows says nothing of them, whatever it says. Who cannot be asked is told by the query itself. */
async function checkLibraries(place: DatabaseSource, signal: AbortSignal): Promise<Check[]> {
  const look = async () => {
    const connection = await connect(place, place.database, signal);
    return readWithout(connection).finally(() => connection.close());
  };
  const said = await look().catch(() => undefined);
  return said === undefined ? [] : [{ name: `queries of ${place.database}`, ok: false, detail: said }];
}

async function ask(place: DatabaseSource, sql: string, signal: AbortSignal): Promise<Record<string, unknown>[]> {
  const connection = await connect(place, place.database, signal);
  try {
    return await runQuery(connection, sql);
  } catch (error) {
    if (sqlState(error) === '25006')
      throw new OperatorError('DRILL_FAILED', 'it tries to write, which a check may not', { cause: error });
    throw error;
  } finally {
    await connection.close();
  }
}

const UNLOGGED = `
  select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relpersistence = 'u' and c.relkind in ('r', 'p')`;

async function checkRows(
  place: DatabaseSource,
  { key, manifest }: { key: string; manifest: Manifest },
  found: Findings,
  signal: AbortSignal,
): Promise<Check> {
  const connection = await connect(place, place.database, signal);
  try {
    // no log is written of them: they are empty
    const unlogged = new Set((await connection.query<{ name: string }>(UNLOGGED)).map(({ name }) => name));
    const logged = <T extends { table: string }>(tables: readonly T[]) =>
      tables.filter(({ table }) => !unlogged.has(table));
    const contents = await countContents(connection);
    const restored = new Map(contents.tables.map(({ table, rows }) => [table, rows]));
    found.tables = logged(manifest.tables).map(({ table, rows }) => ({
      table,
      expected: rows,
      restored: restored.get(table) ?? null,
    }));
    const differences = compareTables(
      { ...manifest, tables: logged(manifest.tables) },
      { ...contents, sequences: [], tables: logged(contents.tables) },
    );
    const rows = logged(manifest.tables).reduce((sum, table) => sum + table.rows, 0);
    return {
      name: `rows as in the dump of that position`,
      ok: differences.length === 0,
      detail:
        differences.length === 0 ? `${key}: ${manifest.tables.length} tables, ${rows} rows` : differences.join('; '),
    };
  } finally {
    await connection.close();
  }
}
