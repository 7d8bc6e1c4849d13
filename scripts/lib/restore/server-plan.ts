import type { Config } from '../config/config.ts';
import { OperatorError } from '../errors.ts';
import { isBeside } from '../log/beside.ts';
import type { LogStore } from '../log/store.ts';
import { type MomentPlan, planEnd, type ServerLog } from '../moment/plan.ts';
import { findPlan } from '../moment/refusal.ts';
import type { MomentTarget } from '../moment/target.ts';
import type { Repository } from '../repository/repository.ts';
import { command } from '../terminal/hints.ts';
import { log } from '../terminal/log.ts';
import { shownTime } from '../terminal/time.ts';
import { refused } from './server-folder.ts';

/** The server whose log is meant: the one named, the only one that is configured, or the only one that is stored. */
export async function serverIn(
  config: Config,
  store: LogStore,
  wanted: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const stored = [
    ...new Set((await store.bases({}, signal)).filter((base) => base.hasManifest).map((base) => base.server)),
  ];
  const hint =
    stored.length === 0 ? 'Is it the right store, and the right S3_PREFIX?' : `There are: ${stored.sort().join(', ')}.`;
  if (wanted !== undefined) {
    if (stored.includes(wanted)) return wanted;
    throw new OperatorError('USAGE', `there is no base of a server ${JSON.stringify(wanted)} in the store`, { hint });
  }
  const configured = config.servers.map(({ name }) => name).filter((name) => stored.includes(name));
  const candidates = configured.length > 0 ? configured : stored;
  const [only, ...others] = candidates;
  if (only !== undefined && others.length === 0) return only;
  if (only === undefined)
    throw refused(
      'there is no base in the store: there are dumps, and no server to restore',
      `${hint} Dumps: ${command('list')}.`,
    );
  throw new OperatorError('USAGE', 'there are several servers: say which one', {
    hint: `--server with one of: ${candidates.join(', ')}.`,
  });
}

/** How it is restored. @throws OperatorError RESTORE_REFUSED */
export async function planOf(
  repository: Repository,
  serverLog: ServerLog,
  target: MomentTarget | undefined,
  signal: AbortSignal,
): Promise<MomentPlan> {
  const plan =
    target === undefined
      ? await planEnd(serverLog)
      : await findPlan({ repository, source: undefined, log: serverLog, target, signal });
  if (plan !== undefined) {
    if (tellOfTwoServers(serverLog, plan) || target !== undefined) return plan;
    await tellOfOtherServers(serverLog, plan);
    return plan;
  }
  throw refused(`there is no base of ${serverLog.server}`, `Dumps may be there: ${command('list')}.`);
}

/** The server itself is gone, and cannot tell which log was its own. */
function tellOfTwoServers({ server, chains }: ServerLog, { manifest }: MomentPlan): boolean {
  const { systemIdentifier, databases } = manifest;
  const chain = chains.find(({ id }) => id.chain === manifest.chain);
  const others = chains.filter(
    (other) =>
      other.id.systemIdentifier !== systemIdentifier && chain && isBeside(other, chain) && isBeside(chain, other),
  );
  if (others.length === 0) return false;
  log.warn(
    `two servers have stored their logs as ${server} at the same time. This is the one of the system identifier ${systemIdentifier}, with the databases ${databases.map(({ name }) => name).join(', ')}: look whether it is the one that you want`,
  );
  return true;
}

/** Who starts an empty server first, and its receiver, has its base as the newest one: that is not the server that was lost. */
async function tellOfOtherServers(serverLog: ServerLog, { manifest }: MomentPlan): Promise<void> {
  for (const base of serverLog.bases) {
    const other = await serverLog.reach(base);
    if (other.manifest.systemIdentifier === manifest.systemIdentifier) continue;
    const until = shownTime(other.path.coverage);
    log.warn(
      `the newest base is of a server that was made anew; the log of the one before it ends at ${until}: AT=${until} restores that one`,
    );
    return;
  }
}
