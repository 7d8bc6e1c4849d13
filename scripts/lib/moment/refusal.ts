import { OperatorError } from '../errors.ts';
import { CAUSES } from '../log/keys.ts';
import type { Backup } from '../repository/catalog.ts';
import type { Repository } from '../repository/repository.ts';
import type { Source } from '../source.ts';
import { command } from '../terminal/hints.ts';
import { shownTime } from '../terminal/time.ts';
import { type MomentPlan, planMoment, type Reach, type Refusal, recoverableRanges, type ServerLog } from './plan.ts';
import { describeTarget, type MomentTarget } from './target.ts';

/**
 * How a moment is to be restored.
 * @throws OperatorError RESTORE_REFUSED when the log does not lead there: with what it does lead to, why, and the nearest dump
 */
export async function findPlan(of: {
  repository: Repository;
  source: Source | undefined;
  log: ServerLog;
  target: MomentTarget;
  signal: AbortSignal;
}): Promise<MomentPlan> {
  const { repository, source, log, target, signal } = of;
  const found = await planMoment(log, target);
  if ('manifest' in found) return found;
  const ranges = (await recoverableRanges(log)).map(({ from, to }) => `${shownTime(from)} to ${shownTime(to)}`);
  const can =
    ranges.length === 0 ? 'There is no base to restore from.' : `Any moment of these can be: ${ranges.join('; ')}.`;
  const dump = source === undefined ? '' : await nearestDump(repository, source, target, signal);
  throw new OperatorError(
    'RESTORE_REFUSED',
    `${describeTarget(target)} cannot be restored: ${why(found, log, target)}`,
    {
      hint: [can, dump, 'Nothing was fetched, and nothing touched.'].filter((each) => each !== '').join(' '),
    },
  );
}

function why(refusal: Refusal, log: ServerLog, target: MomentTarget): string {
  switch (refusal.kind) {
    case 'no base':
      return log.chains.length === 0
        ? `there is neither a base nor a log of ${log.server}`
        : `there is no base of ${log.server} yet, and a log alone restores nothing (${command('base')})`;
    case 'before the first base':
      return target.kind === 'mark'
        ? `no base had ended by then that the log goes on from in which it was made`
        : `it is before the end of the oldest base of ${log.server}`;
    case 'after the end': {
      const end = shownTime(refusal.reach.path.coverage);
      if (target.kind === 'time' && target.at !== undefined && target.at.getTime() > Date.now())
        return `it is in the future, and the log of ${log.server} is stored up to ${end}`;
      if (refusal.reach.path.isBroken)
        return `the log of ${log.server} has a gap from ${end} on: ${causeOf(refusal.reach, undefined)}, and no base was taken since`;
      const ended = refusal.reach.chain === undefined ? ', where its newest base ended, from which no log goes on' : '';
      return `the log of ${log.server} is stored up to ${end}${ended}`;
    }
    case 'in a gap': {
      const { reach, next } = refusal;
      const from = shownTime(reach.path.coverage);
      const to = next === undefined ? 'now' : shownTime(new Date(next.manifest.endedAt));
      return `the log of ${log.server} has a gap there, from ${from} to ${to}: ${causeOf(reach, next)}`;
    }
    case 'of another': {
      const { chain, manifest } = refusal.reach;
      const since = chain === undefined ? '' : ` since ${shownTime(chain.id.begunAt)}`;
      return `only the log of another server (system identifier ${manifest.systemIdentifier}) leads there, which has been stored as ${log.server} too${since}; each wants an S3_PREFIX of its own`;
    }
    case 'no such mark': {
      const { marks } = refusal;
      if (marks.length === 0) return `no mark was made on ${log.server}`;
      return `there is no mark of that name on ${log.server}; there are: ${[...new Set(marks)].slice(-20).join(', ')}`;
    }
  }
}

/** Why the log does not go on: as the next chain says, or because something of this one is missing. */
function causeOf({ chain, path }: Reach, next: Reach | undefined): string {
  if (path.isBroken) return `objects of ${chain?.id.chain ?? 'its chain'} are missing in the store`;
  if (chain === undefined) return 'no log goes on from the base before it';
  const cause = next?.chain?.cause;
  if (next?.chain?.id.chain === chain.id.chain) return `objects of ${chain.id.chain} are missing in the store`;
  return cause === undefined ? 'another chain begins after it' : CAUSES[cause];
}

/** The dump that comes nearest, as a sentence; empty where no time says what is near. */
export async function nearestDump(
  repository: Repository,
  source: Source,
  target: MomentTarget,
  signal: AbortSignal,
): Promise<string> {
  const dumps = (await repository.backups(signal)).filter(
    (backup) => backup.source === source.name && backup.kind === 'backup',
  );
  const at = target.kind === 'time' && target.at !== undefined ? target.at : undefined;
  const before = dumps.find(({ createdAt }) => at === undefined || createdAt <= at);
  if (before) return `The nearest dump at or before it: FILE=${keyAndTime(before)}.`;
  const oldest = dumps.at(-1);
  return oldest
    ? `There is no dump before it; the oldest is FILE=${keyAndTime(oldest)}.`
    : `There is no dump of ${source.name}.`;
}

const keyAndTime = ({ key, createdAt }: Backup) => `${key} (${shownTime(createdAt)})`;
