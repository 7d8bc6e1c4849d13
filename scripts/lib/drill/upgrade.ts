import { existsSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { withTimeout } from '../deadline.ts';
import { removeLeftoverServers } from '../engines/database/throwaway.ts';
import { OperatorError } from '../errors.ts';
import { withLocalLock } from '../machine/local-lock.ts';
import { drillDirectory } from '../machine/run-notes.ts';
import { formatDuration } from '../quantities.ts';
import type { DrillRecord } from '../repository/drill-record.ts';
import type { Repository } from '../repository/repository.ts';
import { log } from '../terminal/log.ts';
import { type DrillOrder, rehearse } from './drill.ts';
import { nothingToDrill } from './findings.ts';
import { type Selected, selectDrills } from './select.ts';

/** What is asked for: the version to go to, and of which source. */
export interface UpgradeRequest {
  /** `18` of PostgreSQL, `11.8` of MariaDB. */
  readonly to: string;
  readonly source?: string;
}

/** How a source's newest backup fared on the newer version, and what to do. */
export type UpgradeResult = DrillRecord & { readonly from: string | null; readonly advice: readonly string[] };

/**
 * Rehearses an upgrade: the newest backup of each source of that kind is restored on a throwaway server of the newer version and
 * proved as in a drill. No record is kept: it says nothing of whether the backup restores where it came from.
 * @throws OperatorError USAGE for a version that is none, when there is no source of that kind, and when none is older
 */
export async function checkUpgrade(
  config: Config,
  repository: Repository,
  request: UpgradeRequest,
  signal: AbortSignal,
): Promise<UpgradeResult[]> {
  const engine = engineOf(request.to);
  const directory = drillDirectory(config.values.DRILL_DIR);
  if (!existsSync(directory))
    throw new OperatorError('CONFIG', `DRILL_DIR ${directory} does not exist`, {
      hint: 'Make it, or point DRILL_DIR elsewhere.',
    });
  return withLocalLock(directory, 'drill', async () => {
    removeLeftoverServers(directory);
    const named = request.source === undefined ? {} : { source: request.source };
    const selected = await selectDrills(config, repository, named, signal);
    const wanted = selected.filter(({ source }) => source.engine === engine);
    if (wanted.length === 0) {
      throw new OperatorError(
        'USAGE',
        `${request.to} is a version of ${engine === 'postgres' ? 'PostgreSQL' : 'MariaDB'}, and there is no such source${request.source === undefined ? '' : ` called ${request.source}`}`,
        { hint: 'PostgreSQL by its major version (18), MariaDB by its series (11.8).' },
      );
    }
    const results: UpgradeResult[] = [];
    for (const each of await olderOnes(repository, wanted, request, signal)) {
      results.push(await check(each, { config, repository, directory, to: request.to, signal }));
      signal.throwIfAborted();
    }
    return results;
  });
}

/** A source, the backup of it that is rehearsed, and the version that this is of. */
interface Candidate extends Selected {
  readonly from: string | null;
}

/**
 * Those whose newest backup is of an older version; before the first is rehearsed, which may take hours.
 * @throws OperatorError USAGE when none is
 */
async function olderOnes(
  repository: Repository,
  wanted: readonly Selected[],
  { to }: UpgradeRequest,
  signal: AbortSignal,
): Promise<Candidate[]> {
  const all = await Promise.all(
    wanted.map(async (each): Promise<Candidate> => ({ ...each, from: await versionOf(repository, each, signal) })),
  );
  const older = all.filter(({ from }) => isOlder(from, to));
  const others = all
    .filter((each) => !older.includes(each))
    .map(({ source, from }) => `the newest backup of ${source.name} is of ${from}, which is not older than ${to}`);
  if (older.length === 0) throw new OperatorError('USAGE', others.join('; '), { hint: 'Name the version to go to.' });
  for (const sentence of others) log.warn(`${sentence}: left out`);
  return older;
}

/** What cannot be read is found again, and told, by the rehearsal. */
async function versionOf(repository: Repository, { backup }: Selected, signal: AbortSignal): Promise<string | null> {
  if (backup === undefined) return null;
  try {
    return (await repository.manifestOf(backup, signal))?.serverVersion ?? null;
  } catch {
    signal.throwIfAborted();
    return null;
  }
}

async function check(
  { source, backup, problem, from }: Candidate,
  order: Pick<DrillOrder, 'config' | 'repository' | 'directory' | 'signal'> & { readonly to: string },
): Promise<UpgradeResult> {
  if (backup === undefined)
    return { ...nothingToDrill(source.name, problem ?? 'there is no backup of it'), from: null, advice: [] };
  const { to, signal: outer, ...rest } = order;
  const advice: string[] = [];
  const record = await withTimeout(
    outer,
    order.config.limits.restore,
    `the upgrade check of ${source.name}`,
    (signal) =>
      rehearse({ ...rest, source, backup, signal, upgrade: { to, tell: (line) => advice.push(line) } }, outer),
  );
  return { ...record, from, advice: [...advice, ...wayOn(record, to)] };
}

function engineOf(to: string): 'postgres' | 'mariadb' {
  if (/^\d{2}$/.test(to)) return 'postgres';
  if (/^\d+\.\d+$/.test(to)) return 'mariadb';
  throw new OperatorError('USAGE', `${JSON.stringify(to)} is no version to go to`, {
    hint: 'PostgreSQL by its major version (TO=18), MariaDB by its series (TO=11.8).',
  });
}

/** `10.11.14-MariaDB` is before `11.8`, and `17.2` before `18`; what is not known may be. */
function isOlder(from: string | null, to: string): boolean {
  if (from === null) return true;
  const numbers = (version: string) =>
    version
      .split(/[.-]/)
      .slice(0, to.includes('.') ? 2 : 1)
      .map(Number);
  const [[a = 0, b = 0], [c = 0, d = 0]] = [numbers(from), numbers(to)];
  return a < c || (a === c && b < d);
}

function wayOn(record: DrillRecord, to: string): string[] {
  if (!record.ok)
    return [`what failed above stands in the way of ${to}: mend it in the source, back up, and check again`];
  const took = record.rtoMs === null ? '' : `, for about ${formatDuration(record.rtoMs)} plus a backup's time`;
  return [`the way to ${to}, and back, is in docs/upgrade.md; the application is away${took}`];
}
