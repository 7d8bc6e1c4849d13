import { statfs } from 'node:fs/promises';
import type { Config } from '../config/config.ts';
import { folderPrefix } from '../engines/database/throwaway.ts';
import { type Recovered, recover } from '../engines/postgres/recovery/recover.ts';
import { messageOf, OperatorError } from '../errors.ts';
import { formatLsn, parseLsn, segmentStart } from '../log/lsn.ts';
import type { LogStore } from '../log/store.ts';
import { drillDirectory } from '../machine/run-notes.ts';
import { formatBytes } from '../quantities.ts';
import type { Repository } from '../repository/repository.ts';
import { archivesOf } from './archives.ts';
import { isWholeElsewhere, LogChanged } from './elsewhere.ts';
import { assemble, feedOf } from './feed.ts';
import type { MomentPlan } from './plan.ts';
import { isAllReplayed } from './whole.ts';

/** Beside the base: the log that is laid out ahead of the server, what it keeps of it, and what it writes. */
const MORE_BYTES = 1024 ** 3;

/** How much room a recovery takes: all of the server has to fit, whatever of it is wanted. */
export const roomFor = ({ manifest }: MomentPlan): number => Math.ceil(manifest.rawBytes * 1.1) + MORE_BYTES;

/** @throws OperatorError NO_SPACE with both figures, CONFIG when the folder cannot be used */
export async function assertRoomFor(plan: MomentPlan, directory: string, what = 'DRILL_DIR'): Promise<void> {
  const { bavail, bsize } = await statfs(directory).catch((error: unknown) => {
    throw new OperatorError('CONFIG', `${what} ${directory} cannot be used: ${messageOf(error)}`);
  });
  const free = bavail * bsize;
  const needed = roomFor(plan);
  if (free >= needed) return;
  throw new OperatorError(
    'NO_SPACE',
    `${directory} has ${formatBytes(free)} free; recovering ${plan.server} needs about ${formatBytes(needed)}, for the whole server has to fit`,
    {
      hint: `${what === 'DRILL_DIR' ? 'Point DRILL_DIR at a folder with more room, or free some.' : 'Free some, or make the volume larger: what is there is kept beside it.'} Nothing was fetched, and nothing touched.`,
    },
  );
}

/** Files of one kind of processor are none of another's. @throws OperatorError RESTORE_REFUSED */
function assertArchitecture({ manifest, server }: MomentPlan): void {
  const here = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as string];
  const there = manifest.architecture;
  if (there === undefined || here === undefined || there === here) return;
  throw new OperatorError(
    'RESTORE_REFUSED',
    `the files of ${server} are of a machine of the kind ${there}, and this one is ${here}`,
    {
      hint: 'Restore it on a machine of that kind, or restore a dump, which every machine reads. Nothing was touched.',
    },
  );
}

/** What is to be recovered, and from where. */
export interface Order {
  readonly config: Config;
  readonly repository: Repository;
  readonly store: LogStore;
  readonly plan: MomentPlan;
  readonly signal: AbortSignal;
}

/** The folder's prefix, whether its files are to stay, and whose they are to be; in DRILL_DIR, and not to stay, where nothing is said. */
export interface Where {
  readonly prefix?: string;
  readonly durable?: boolean;
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly isForLooking?: boolean;
}

/**
 * Recovers a plan on a throwaway server, and makes sure that all of the log that was promised was replayed. What one of several
 * stores has lost or damaged is taken from the next, and that is said.
 *
 * @throws OperatorError NO_SPACE, TOOL_MISSING, BACKUP_DAMAGED naming the object, RESTORE_FAILED, RESTORE_REFUSED
 */
export async function recoverPlan(of: Order, where: Where = {}): Promise<Recovered> {
  assertArchitecture(of.plan);
  for (;;) {
    try {
      return await recoverOnce(of, where);
    } catch (error) {
      of.signal.throwIfAborted();
      if (!(await isWholeElsewhere(of, error))) throw error;
    }
  }
}

async function recoverOnce({ config, ...of }: Order, where: Where): Promise<Recovered> {
  const { repository, store, plan, signal } = of;
  const { manifest, path, stopsAt } = plan;
  const directory = drillDirectory(config.values.DRILL_DIR);
  const recovered = await recover({
    major: Number.parseInt(manifest.serverVersion, 10),
    base: archivesOf({ store, repository }, plan.base.stem, manifest),
    log: feedOf(store, path, manifest, plan.histories),
    timeline: path.timeline,
    ...(stopsAt === undefined ? {} : { target: stopsAt }),
    endCounts: (stopsAt?.kind === 'time' || stopsAt?.kind === 'lsn') && plan.isCovered,
    prefix: where.prefix ?? folderPrefix('postgres', directory),
    users: [manifest.superuser, config.values.POSTGRES_USER, 'postgres'].filter((user) => user !== undefined),
    locales: manifest.databases
      .flatMap(({ collation, characterType }) => [collation, characterType])
      .filter((name) => name !== undefined),
    reading: manifest.serverSettings ?? {},
    durable: where.durable ?? false,
    ...(where.owner === undefined ? {} : { owner: where.owner }),
    isForLooking: where.isForLooking ?? false,
    signal,
  });
  try {
    if (recovered.isEnd) await assertReached(of, recovered);
    return recovered;
  } catch (error) {
    await recovered.stop();
    throw error;
  }
}

/** @throws OperatorError BACKUP_DAMAGED when the server took something in the middle of the log for its end */
async function assertReached(
  { store, plan, signal }: Pick<Order, 'store' | 'plan' | 'signal'>,
  { reachedLsn }: Recovered,
): Promise<void> {
  const { path, manifest } = plan;
  const reached = parseLsn(reachedLsn) ?? 0n;
  const bytes = manifest.walSegmentBytes;
  const start = segmentStart(reached, bytes);
  if (reached >= path.end) return;
  const from = path.segments.findLastIndex((each) => each.start === start);
  const rest = from < 0 ? [] : path.segments.slice(from, from + 2);
  const contents = await Promise.all(rest.map((each) => assemble(store, each, bytes, signal)));
  const where = { reached, end: path.end, segmentStart: start, segmentBytes: bytes };
  if (rest.length > 0 && isAllReplayed(Buffer.concat(contents), where)) return;
  const keys = rest.flatMap(({ objects }) => objects.map(({ key }) => key));
  throw new LogChanged(
    keys,
    `the log of ${plan.server} is stored up to ${formatLsn(path.end)}, and can be replayed up to ${reachedLsn} alone: what follows is not what the server wrote (${keys.join(', ') || 'no object'})`,
  );
}
