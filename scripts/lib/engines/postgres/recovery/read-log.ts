import type { Readable } from 'node:stream';
import { OperatorError } from '../../../errors.ts';
import { type Lsn, parseLsn } from '../../../log/lsn.ts';
import { startChain } from '../../../pipeline/chain.ts';
import { stageError } from '../../../pipeline/result.ts';
import type { Program } from '../server/programs.ts';

/** What a transaction did to the rows of one file of a table. */
export interface FileChanges {
  /** OIDs and numbers, as the log has them: `16384/16391`, a database and a file. */
  readonly file: string;
  inserted: number;
  updated: number;
  deleted: number;
}

/** A transaction that was committed. */
export interface LoggedTransaction {
  readonly xid: string;
  /** By the server's clock, with microseconds: ISO 8601. */
  readonly at: string;
  readonly lsn: string;
  readonly changes: readonly FileChanges[];
  /** Files that it removed: of tables that it dropped, emptied or wrote anew. */
  readonly removed: readonly string[];
  /** A table was dropped: rows of pg_class were deleted, by database. */
  readonly drops: readonly string[];
  /** Files that it made, in order, and whether it wrote something into them: of a table, then of its long values, then of indexes. */
  readonly made: readonly { readonly file: string; readonly isEmpty: boolean }[];
  /** Databases that it dropped, by their OIDs. */
  readonly databases: readonly string[];
  /** It began within what was read, so that nothing of it is left out. */
  readonly isWhole: boolean;
}

interface Open {
  readonly changes: Map<string, FileChanges>;
  readonly made: Set<string>;
  readonly written: Set<string>;
  readonly drops: Set<string>;
  /** Rows of pg_class that it made. */
  readonly own: Set<string>;
  readonly databases: Set<string>;
}

const PG_CLASS = '1259';
const RECORD =
  /^rmgr: (\S+)\s+len \(rec\/tot\):\s*\d+\/\s*\d+, tx:\s*(\d+), lsn: ([0-9A-F]+\/[0-9A-F]+), .*?desc: (.*)$/;
const RELATION = /blkref #0: rel \d+\/(\d+)\/(\d+)(?: fork (\w+))? blk/;
const COMMIT = /^COMMIT(?:_PREPARED (\d+):)? (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) \S+?(?:;|$)/;
/** The log ends in what was read: pg_waldump says so as of an error. */
const ENDS = /error in WAL record at ([0-9A-F]+\/[0-9A-F]+)|could not find a valid record after ([0-9A-F]+\/[0-9A-F]+)/;

/**
 * Reads segments that lie in a folder by the server's own pg_waldump, and calls back for each transaction that was committed in them,
 * in the order of the log.
 * @param last from here on the log may end
 * @param classFile the files of pg_class, by database, where they are not the usual one
 * @throws OperatorError BACKUP_DAMAGED
 */
export async function readTransactions(
  {
    program,
    folder,
    timeline,
    segments,
    last,
    classFiles,
    signal,
  }: {
    program: Program;
    folder: string;
    timeline: number;
    segments: readonly [string, string];
    last: Lsn;
    classFiles: ReadonlyMap<string, string>;
    signal: AbortSignal;
  },
  onTransaction: (transaction: LoggedTransaction) => void,
): Promise<void> {
  const args = ['--path', folder, '--timeline', String(timeline), ...segments];
  const chain = startChain([{ name: 'pg_waldump', command: program.path, args }], { stdout: true, signal });
  const open = new Map<string, Open>();
  /** Transactions with this number or a later one began after where the reading did. */
  let firstOwn: bigint | undefined;
  try {
    for await (const line of linesOf(chain.stdout)) take(line);
  } catch (error) {
    // it would wait for somebody to read the rest
    chain.kill();
    await chain.finished;
    throw error;
  }
  const [result] = await chain.finished;
  signal.throwIfAborted();
  if (result === undefined || result.exitCode === 0) return;
  const end = ENDS.exec(result.stderr);
  const at = parseLsn(end?.[1] ?? end?.[2] ?? '');
  if (at !== undefined && at >= last) return;
  throw new OperatorError('BACKUP_DAMAGED', `the log cannot be read: ${stageError(result).message}`, {
    hint: 'Find out what changed it; verify reads all of it. Nothing was touched.',
  });

  function take(line: string): void {
    const [, manager, xid = '', lsn = '', desc = ''] = RECORD.exec(line) ?? [];
    if (manager === 'Heap' || manager === 'Heap2') row(xid, desc);
    else if (manager === 'XLOG') page(xid, desc);
    else if (manager === 'Storage') storage(xid, desc);
    else if (manager === 'Database') dropped(xid, desc);
    else if (manager === 'Transaction') transaction(xid, lsn, desc);
    else if (manager === 'Standby') {
      const next = /^RUNNING_XACTS nextXid (?:\d+:)?(\d+)/.exec(desc)?.[1];
      if (next !== undefined) firstOwn ??= BigInt(next);
    }
  }

  function opened(xid: string): Open {
    const known = open.get(xid);
    if (known) return known;
    const begun: Open = {
      changes: new Map(),
      made: new Set(),
      written: new Set(),
      drops: new Set(),
      own: new Set(),
      databases: new Set(),
    };
    open.set(xid, begun);
    return begun;
  }

  function row(xid: string, desc: string): void {
    const [, database = '', number = '', fork] = RELATION.exec(desc) ?? [];
    const kind = /^([A-Z_]+)/.exec(desc)?.[1];
    if (number === '' || (fork !== undefined && fork !== 'main') || xid === '0') return;
    const file = `${database}/${number}`;
    if (number === (classFiles.get(database) ?? PG_CLASS)) {
      ofPgClass(opened(xid), { kind, database, desc });
      return;
    }
    const count = { INSERT: 1, UPDATE: 1, HOT_UPDATE: 1, DELETE: 1, MULTI_INSERT: tuplesOf(desc) }[kind ?? ''];
    if (count === undefined) return;
    const { changes, written } = opened(xid);
    written.add(file);
    const change = changes.get(file) ?? { file, inserted: 0, updated: 0, deleted: 0 };
    changes.set(file, change);
    if (kind === 'DELETE') change.deleted += count;
    else if (kind === 'UPDATE' || kind === 'HOT_UPDATE') change.updated += count;
    else change.inserted += count;
  }

  /** A row of pg_class that is deleted is a drop, but for one that the transaction has made: what writes a table anew makes one. */
  function ofPgClass(
    { own, drops }: Open,
    { kind, database, desc }: { kind: string | undefined; database: string; desc: string },
  ): void {
    const [block, before = block] = [...desc.matchAll(/blkref #[01]: rel \d+\/\d+\/\d+ blk (\d+)/g)].map(
      ([, number]) => number,
    );
    const place = (number: string | undefined, offset: string | undefined) => `${database}/${number}/${offset}`;
    const [, offset] = /\boff:? (\d+)/.exec(desc) ?? [];
    const old = /\bold_off: (\d+)/.exec(desc)?.[1] ?? offset;
    const next = /\bnew[_ ]off:? (\d+)/.exec(desc)?.[1];
    if (kind === 'INSERT') own.add(place(block, offset));
    else if (kind === 'DELETE' && !own.has(place(block, offset))) drops.add(database);
    else if (next !== undefined && own.has(place(before, old))) own.add(place(block, next));
  }

  /** A table that is written anew is written page by page. */
  function page(xid: string, desc: string): void {
    const [, database, number, fork] = RELATION.exec(desc) ?? [];
    if (number !== undefined && (fork === undefined || fork === 'main') && xid !== '0')
      opened(xid).written.add(`${database}/${number}`);
  }

  function dropped(xid: string, desc: string): void {
    for (const [, oid = ''] of /^DROP dir (.*)$/.exec(desc)?.[1]?.matchAll(/\d+\/(\d+)/g) ?? [])
      opened(xid).databases.add(oid);
  }

  function storage(xid: string, desc: string): void {
    const made = /^CREATE (\S+)/.exec(desc)?.[1];
    const file = made === undefined ? undefined : fileOf(made);
    if (file !== undefined) opened(xid).made.add(file);
  }

  function transaction(xid: string, lsn: string, desc: string): void {
    const [, prepared, day, time] = COMMIT.exec(desc) ?? [];
    const top = prepared ?? xid;
    const listed = /; subxacts: ([\d ]+)/.exec(desc)?.[1]?.trim().split(' ') ?? [];
    const parts = [top, ...listed].flatMap((each) => open.get(each) ?? []);
    if (!/^PREPARE/.test(desc)) for (const each of [top, ...listed]) open.delete(each);
    if (day === undefined) return;
    const rels = /; rels: ([^;]+)/.exec(desc)?.[1]?.trim().split(' ') ?? [];
    const removed = rels.flatMap((path) => fileOf(path) ?? []);
    const written = new Set(parts.flatMap((part) => [...part.written]));
    onTransaction({
      xid: top,
      at: `${day}T${time}Z`,
      lsn,
      changes: merged(parts),
      removed,
      drops: [...new Set(parts.flatMap((part) => [...part.drops]))],
      made: [...new Set(parts.flatMap((part) => [...part.made]))].map((file) => ({
        file,
        isEmpty: !written.has(file),
      })),
      databases: [...new Set(parts.flatMap((part) => [...part.databases]))],
      isWhole: firstOwn !== undefined && BigInt(top) >= firstOwn,
    });
  }
}

async function* linesOf(output: Readable | null): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of output ?? []) {
    const lines = `${rest}${(chunk as Buffer).toString('latin1')}`.split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}

/** How many rows a record holds that were written at once, as versions 15 and 16 and newer say it. */
function tuplesOf(desc: string): number {
  return Number(/^MULTI_INSERT\S*? (?:(\d+) tuples|ntuples: (\d+))/.exec(desc)?.slice(1).find(Boolean) ?? 0);
}

/** `16384/16391` of `base/16384/16391` or `pg_tblspc/16390/PG_18_202506291/16384/16391`; undefined for a fork of one. */
function fileOf(path: string): string | undefined {
  return /(?:^|\/)(\d+\/\d+)$/.exec(path)?.[1];
}

function merged(parts: readonly Open[]): FileChanges[] {
  const all = new Map<string, FileChanges>();
  for (const { changes } of parts)
    for (const { file, inserted, updated, deleted } of changes.values()) {
      const sum = all.get(file) ?? { file, inserted: 0, updated: 0, deleted: 0 };
      all.set(file, {
        file,
        inserted: sum.inserted + inserted,
        updated: sum.updated + updated,
        deleted: sum.deleted + deleted,
      });
    }
  return [...all.values()];
}
