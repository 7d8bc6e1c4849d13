import { rmSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { type LoggedTransaction, readTransactions } from '../engines/postgres/recovery/read-log.ts';
import { besideProgram } from '../engines/postgres/server/programs.ts';
import { serverProgram } from '../engines/postgres/server/throwaway-server.ts';
import { OperatorError } from '../errors.ts';
import { readServerLogs, type ServerLog } from '../log/server-log.ts';
import { openLog } from '../log/store.ts';
import { drillDirectory } from '../machine/run-notes.ts';
import { formatDuration } from '../quantities.ts';
import type { Repository } from '../repository/repository.ts';
import { command } from '../terminal/hints.ts';
import { log } from '../terminal/log.ts';
import { shownTime } from '../terminal/time.ts';
import { type FileNames, learnNames } from './file-names.ts';
import { type LogStretch, layOut, stretchesBetween } from './stretch.ts';

export interface CommitsRequest {
  readonly at: Date;
  /** So long before it and after it. */
  readonly forMs: number;
  readonly server: string | undefined;
}

/** A transaction that was committed, with names. */
export interface Commit {
  readonly xid: string;
  readonly at: string;
  readonly lsn: string;
  /** The moment just before it, which a restore can be asked for: with everything that was committed earlier. */
  readonly before: string;
  readonly tables: readonly {
    readonly database: string;
    /** Null for one that neither the server nor a dump knows. */
    readonly table: string | null;
    readonly inserted: number;
    readonly updated: number;
    readonly deleted: number;
  }[];
  readonly dropped: readonly { readonly database: string; readonly table: string | null }[];
  /** By TRUNCATE. */
  readonly emptied: readonly { readonly database: string; readonly table: string | null }[];
  readonly droppedDatabases: readonly string[];
  /** Its rows are all counted; else it had begun before what was read, and they are the least. */
  readonly isWhole: boolean;
}

export interface CommitsResult {
  readonly server: string;
  readonly from: string;
  readonly to: string;
  readonly transactions: readonly Commit[];
}

/**
 * What was committed around a time, in the order of the log: rows by table, tables dropped and emptied. For an operator who looks for
 * the second before the accident.
 * @throws OperatorError RESTORE_REFUSED when no log of that time is stored, TOOL_MISSING, BACKUP_DAMAGED, NO_SPACE
 */
export async function commits(
  config: Config,
  repository: Repository,
  { at, forMs, server: wanted }: CommitsRequest,
  signal: AbortSignal,
): Promise<CommitsResult> {
  const store = openLog(repository);
  const serverLog = chosen(await readServerLogs(store, new Date(), signal), config, wanted);
  const window = { from: new Date(at.getTime() - forMs), to: new Date(at.getTime() + forMs) };
  const stretches = stretchesBetween(serverLog.chains, window);
  if (stretches.length === 0) throw notStored(serverLog, window);
  const [base] = serverLog.bases;
  const major = base === undefined ? undefined : Number.parseInt(base.serverVersion, 10);
  const program = await besideProgram(await serverProgram(major), 'pg_waldump');
  const server = config.servers.find(({ name }) => name === serverLog.server);
  const databases = new Map((base?.databases ?? []).map(({ oid, name }) => [oid, name]));
  const names = await learnNames({ config, repository, server, serverLog, databases, at: window.from, signal });
  const directory = drillDirectory(config.values.DRILL_DIR);
  const found: Commit[] = [];
  const [from, to] = [window.from.toISOString(), window.to.toISOString()];
  for (const stretch of stretches) {
    log.info(`reading ${stretch.segments.length} segments of the log of ${serverLog.server}, around ${shownTime(at)}`);
    await readStretch(stretch, (transaction) => {
      // as text: microseconds count, and 20261127T14:02:59.5Z is one of 14:02:59.500000Z
      if (microsOf(transaction.at) < microsOf(from) || microsOf(transaction.at) > microsOf(to)) return;
      found.push(named(transaction, names));
    });
  }
  return { server: serverLog.server, from, to, transactions: found };

  async function readStretch(stretch: LogStretch, onTransaction: (transaction: LoggedTransaction) => void) {
    const folder = await layOut(store, stretch, directory, signal);
    try {
      const [first, last] = [stretch.segments[0], stretch.segments.at(-1)].map((segment) => segment?.segment ?? '');
      await readTransactions(
        {
          program,
          folder,
          timeline: stretch.timeline,
          segments: [first ?? '', last ?? ''],
          last: stretch.last,
          classFiles: names.classFiles,
          signal,
        },
        onTransaction,
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

/** Microseconds since 1970. */
function microsOf(iso: string): bigint {
  const fraction = (/\.(\d+)Z$/.exec(iso)?.[1] ?? '').padEnd(6, '0').slice(0, 6);
  return BigInt(Math.floor(new Date(iso).getTime() / 1_000)) * 1_000_000n + BigInt(fraction);
}

/** A restore to a moment brings what was committed at it, too. */
function justBefore(iso: string): string {
  const micros = microsOf(iso) - 1n;
  const second = new Date(Number(micros / 1_000_000n) * 1_000).toISOString().slice(0, 19);
  return `${second}.${String(micros % 1_000_000n).padStart(6, '0')}Z`;
}

function named(transaction: LoggedTransaction, names: FileNames): Commit {
  const { xid, at, lsn, changes, removed, drops, made, databases, isWhole } = transaction;
  const databaseOf = (file: string) => file.split('/')[0] ?? '';
  const place = (file: string) => ({ database: names.database(databaseOf(file)), table: names.table(file) ?? null });
  const gone = (files: readonly string[]) => {
    const known = files.map(place).filter(({ table }) => table !== null);
    // files of indexes and of long values have no names of their own
    if (known.length > 0 || files.length === 0) return known;
    return [{ database: names.database(databaseOf(files[0] ?? '')), table: null }];
  };
  const dropping = removed.filter((file) => drops.includes(databaseOf(file)));
  const others = removed.filter((file) => !drops.includes(databaseOf(file)));
  // what was written anew is neither dropped nor emptied: its own new file, or else the first one, has rows
  const isEmptied = (file: string) => {
    const own = made.find(
      (each) => names.table(each.file) !== undefined && names.table(each.file) === names.table(file),
    );
    return (own ?? made[0])?.isEmpty ?? false;
  };
  return {
    xid,
    at,
    lsn,
    before: justBefore(at),
    tables: changes
      .filter(({ file }) => Number(file.split('/')[1]) >= FIRST_OF_USERS)
      .map(({ file, inserted, updated, deleted }) => ({ ...place(file), inserted, updated, deleted }))
      .filter(({ table, database }) => table !== null || !names.classFiles.has(database)),
    dropped: gone(dropping),
    emptied: gone(others.filter(isEmptied)),
    droppedDatabases: databases.map(names.database),
    isWhole,
  };
}

/** Lower numbers are the system's own: access/transam.h. */
const FIRST_OF_USERS = 16_384;

function chosen(logs: readonly ServerLog[], config: Config, wanted: string | undefined): ServerLog {
  const names = logs.map(({ server }) => server);
  const configured = config.servers.map(({ name }) => name).filter((name) => names.includes(name));
  const candidates = wanted !== undefined ? [wanted] : configured.length > 0 ? configured : names;
  const [only, ...others] = candidates;
  const found = others.length === 0 ? logs.find(({ server }) => server === only) : undefined;
  if (found) return found;
  throw new OperatorError(
    'USAGE',
    names.length === 0
      ? 'no log of a server is stored: PITR is off, or it is another store'
      : others.length > 0
        ? 'there are several servers: say which one'
        : `there is no log of a server ${JSON.stringify(only)}`,
    {
      hint:
        names.length === 0 ? `PITR=true in .env, then ${command('up')}.` : `--server with one of: ${names.join(', ')}.`,
    },
  );
}

function notStored({ server, ranges }: ServerLog, { from, to }: { from: Date; to: Date }): OperatorError {
  const there = ranges.map((range) => `${shownTime(range.from)} to ${shownTime(range.to)}`).join('; ');
  return new OperatorError(
    'RESTORE_REFUSED',
    `no log of ${server} is stored from ${shownTime(from)} to ${shownTime(to)} (${formatDuration(to.getTime() - from.getTime())})`,
    { hint: there === '' ? `See ${command('status')}.` : `There is: ${there}.` },
  );
}
