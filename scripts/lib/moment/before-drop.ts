import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Recovered } from '../engines/postgres/recovery/recover.ts';
import { connect } from '../engines/postgres/server/connection.ts';
import { besideProgram } from '../engines/postgres/server/programs.ts';
import { throwawaySource } from '../engines/postgres/server/throwaway-server.ts';
import { OperatorError } from '../errors.ts';
import { parseLsn } from '../log/lsn.ts';
import { runProgram } from '../pipeline/chain.ts';
import type { DatabaseSource } from '../source.ts';
import { log } from '../terminal/log.ts';
import { writeSegment } from './feed.ts';
import { type Order, recoverPlan, type Where } from './recover.ts';

/** A database whose DROP had begun, and was not committed, at the moment that a server was recovered to. */
interface Dropped {
  readonly oid: string;
  readonly name: string;
  /** The first position in the log that belongs to the DROP; undefined where it does not tell. */
  readonly began: string | undefined;
  /** Whether others have committed something between that and the moment. */
  readonly isAlone: boolean;
}

/** Of pg_database.datconnlimit: what a DROP DATABASE says before it removes the files. */
const INVALID = -2;
/** A DROP waits for a checkpoint and for a disk; further back than this it has not begun. */
const SEGMENTS = 16;

/**
 * As recoverPlan. A server that is recovered to a moment stops before the first commit that is later; a DROP DATABASE removes the files
 * before its own commit. So short before it the database is there in name alone: then the server is recovered once more, to where
 * the DROP began. Nobody is in a database that is dropped, and so nothing was committed in it meanwhile.
 *
 * @param of.source whose database is wanted; undefined for the whole server
 * @throws OperatorError as recoverPlan; RESTORE_REFUSED for a server of which no position has all that was committed, and the database
 */
export async function recoverBeforeDrop(
  { source, like, ...of }: Order & { source: DatabaseSource | undefined; like: DatabaseSource },
  where: Where,
): Promise<Recovered> {
  const recovered = await recoverPlan(of, where);
  try {
    if (of.plan.target === undefined) return recovered;
    const dropped = await droppedIn(of, recovered, { like, wanted: source?.database });
    const [first] = dropped.flatMap(({ began }) => began ?? []).sort((a, b) => Number(lsnOf(a) - lsnOf(b)));
    if (first === undefined) return recovered;
    const names = dropped.map(({ name }) => name).join(', ');
    if (source === undefined && !dropped.every(({ isAlone }) => isAlone))
      throw new OperatorError(
        'RESTORE_REFUSED',
        `${names} was being dropped at that moment, and its files were gone already, while others went on committing`,
        {
          hint: `LSN=${first} restores the server as it was just before, without what was committed since; one database alone can be restored to that moment. Nothing was touched.`,
        },
      );
    log.info(`${names} was being dropped at that moment: recovering once more, to ${first}, where that began`);
    await recovered.stop();
    const plan = { ...of.plan, stopsAt: { kind: 'lsn' as const, lsn: first }, isCovered: true };
    const again = await recoverPlan({ ...of, plan }, where);
    await letIn(again, like, dropped, of.signal);
    return { ...again, firstOut: again.firstOut ?? recovered.firstOut };
  } catch (error) {
    await recovered.stop();
    throw error;
  }
}

const lsnOf = (text: string) => parseLsn(text) ?? 0n;

const placeOf = (recovered: Recovered, like: DatabaseSource) =>
  throwawaySource({ ...recovered, version: '', notRehearsed: [] }, 'template1', like);

async function droppedIn(
  of: Order,
  recovered: Recovered,
  { like, wanted }: { like: DatabaseSource; wanted: string | undefined },
): Promise<Dropped[]> {
  const connection = await connect(placeOf(recovered, like), 'template1', of.signal);
  const rows = await connection
    .query<{ oid: string; name: string; space: string; limit: number }>(
      `select oid::text, datname as name, dattablespace::text as space, datconnlimit as limit
       from pg_catalog.pg_database where $1::text is null or datname = $1`,
      [wanted ?? null],
    )
    .finally(() => connection.close());
  const gone = rows.filter(({ oid, space, limit }) => limit === INVALID || !hasFiles(recovered.data, oid, space));
  if (gone.length === 0) return [];
  const folder = join(recovered.directory, 'dropped');
  mkdirSync(folder, { recursive: true });
  try {
    const waldump = await waldumpOf(of, recovered, folder);
    const found: Dropped[] = [];
    for (const { oid, name } of gone) {
      const drops = recordsIn(await waldump(['--rmgr=Database'])).filter(({ what }) =>
        new RegExp(`^DROP dir (.* )?\\d+/${oid}( |$)`).test(what),
      );
      const xid = drops.at(-1)?.xid;
      const began = xid === undefined ? undefined : recordsIn(await waldump([`--xid=${xid}`]))[0]?.lsn;
      const commits = recordsIn(await waldump(['--rmgr=Transaction'])).filter(
        ({ lsn, what }) => began !== undefined && lsnOf(lsn) > lsnOf(began) && /^COMMIT/.test(what),
      );
      const isAlone = commits.every(({ lsn }) => lsnOf(lsn) >= lsnOf(recovered.reachedLsn));
      found.push({ oid, name, began, isAlone });
    }
    return found;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Of the default tablespace, 1663, they lie in `base`. */
function hasFiles(data: string, oid: string, space: string): boolean {
  if (space === '1663') return existsSync(join(data, 'base', oid));
  const folder = join(data, 'pg_tblspc', space);
  return existsSync(folder) && readdirSync(folder).some((version) => existsSync(join(folder, version, oid)));
}

/** Runs pg_waldump over the last of what was replayed. Where the log ends in it, it says so as of an error. */
async function waldumpOf(
  { store, plan, signal }: Order,
  recovered: Recovered,
  folder: string,
): Promise<(words: readonly string[]) => Promise<string>> {
  const { path } = await besideProgram(recovered.program, 'pg_waldump');
  const segmentBytes = plan.manifest.walSegmentBytes;
  const reached = plan.path.segments.filter(({ start }) => start <= lsnOf(recovered.reachedLsn));
  const last = reached.at(-1);
  const segments = reached.filter(({ timeline }) => timeline === last?.timeline).slice(-SEGMENTS);
  for (const segment of segments)
    await writeSegment(store, segment, { segmentBytes, path: join(folder, segment.segment) }, signal);
  const [from = '', to = ''] = [segments[0]?.segment, last?.segment];
  return async (words) => {
    if (from === '') return '';
    const args = ['--path', folder, '--timeline', String(last?.timeline), ...words, from, to];
    return (await runProgram({ name: 'pg_waldump', command: path, args }, { signal })).stdout;
  };
}

function recordsIn(text: string): { xid: string; lsn: string; what: string }[] {
  return [...text.matchAll(/, tx:\s*(\d+), lsn: ([0-9A-F]+\/[0-9A-F]+), .*?desc: (.*)$/gm)].map(
    ([, xid = '', lsn = '', what = '']) => ({ xid, lsn, what }),
  );
}

/** What the DROP says first of a database belongs to no transaction: it may be in already. */
async function letIn(
  recovered: Recovered,
  like: DatabaseSource,
  dropped: readonly Dropped[],
  signal: AbortSignal,
): Promise<void> {
  const connection = await connect(placeOf(recovered, like), 'template1', signal);
  try {
    await connection.query(
      `update pg_catalog.pg_database set datconnlimit = -1 where datconnlimit = ${INVALID} and oid::text = any($1)`,
      [dropped.map(({ oid }) => oid)],
    );
  } finally {
    await connection.close();
  }
}
