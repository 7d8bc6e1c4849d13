import type { Report } from '../notify/reporting.ts';
import type { Backup } from '../repository/catalog.ts';
import { keysOf } from '../repository/keys-of.ts';
import type { RetentionDecision } from '../repository/retention.ts';
import type { RemoveFailure } from '../storages/storage.ts';
import { command } from '../terminal/hints.ts';
import { print } from '../terminal/log.ts';
import type { CleanupResult } from './cleanup.ts';
import type { CopyCleanup } from './copies.ts';

/** What to tell people of a cleanup. */
export function reportOf({ plan, failures: ofPrimary, copies }: CleanupResult): Report {
  const failures = [...ofPrimary, ...copies.flatMap((copy) => copy.failures)];
  const unlocked = failures.filter(({ isLocked }) => !isLocked);
  const [first] = unlocked;
  if (!first) {
    const locked = failures.length === 0 ? '' : `, but for ${failures.length} objects that the store has locked`;
    const what = `${plan.remove.length} backups deleted${locked}, ${plan.keep.length} kept`;
    const unreached = copies.filter(({ ok }) => !ok);
    if (unreached.length === 0) return { outcome: 'success', items: [{ source: 'all', what }] };
    const items = unreached.map(({ name, skipped = '' }) => ({ source: name, what: `not cleaned up: ${skipped}` }));
    return { outcome: 'failure', items };
  }
  const what = `${unlocked.length} objects could not be deleted, the first is ${first.key}: ${first.reason}`;
  return {
    outcome: 'failure',
    items: [{ source: 'all', what, next: `Check that the credentials may delete; then ${command('cleanup')}.` }],
  };
}

/** A decision as the JSON document has it. */
export function row({ backup, reasons }: RetentionDecision<Backup>) {
  return { key: backup.key, source: backup.source, createdAt: backup.createdAt.toISOString(), reasons };
}

/** The decisions as the JSON document has them, made as they are asked for. */
export function* rows(decisions: Iterable<RetentionDecision<Backup>>): Generator<ReturnType<typeof row>> {
  for (const decision of decisions) yield row(decision);
}

/** Prints what is kept and what goes, each with its reasons. */
export function printPlan(
  keep: readonly RetentionDecision<Backup>[],
  remove: readonly RetentionDecision<Backup>[],
  failures: readonly RemoveFailure[],
  databases: readonly { name: string; since: string }[],
  dryRun: boolean,
) {
  for (const { backup, reasons } of keep) print(`keep    ${backup.key}  (${reasons.join(', ')})`);
  const undeleted = new Map(failures.map(({ key, reason }) => [key, reason]));
  const stayed = remove.filter(({ backup }) =>
    keysOf(backup)
      .flat()
      .some((key) => undeleted.has(key)),
  );
  for (const { backup, reasons } of remove) {
    const why = keysOf(backup)
      .flat()
      .flatMap((key) => undeleted.get(key) ?? [])[0];
    if (why !== undefined) print(`NOT deleted  ${backup.key}  (${why})`);
    else print(`${dryRun ? 'would delete' : 'deleted'}  ${backup.key}  (${reasons.join(', ')})`);
  }
  for (const { name, since } of databases)
    print(`${dryRun ? 'would drop' : 'dropped'}  database ${name}  (put aside ${since})`);
  print(
    `${keep.length} kept, ${remove.length - stayed.length} ${dryRun ? 'would be deleted (dry run: nothing was)' : 'deleted'}${stayed.length > 0 ? `, ${stayed.length} NOT deleted` : ''}`,
  );
}

/** What came of a copy, as the JSON document has it. */
export function copyRow({ name, plan, failures, logs, skipped }: CopyCleanup) {
  return {
    name,
    keep: plan.keep.map(row),
    remove: plan.remove.map(row),
    failed: failures,
    logs,
    ...(skipped === undefined ? {} : { skipped }),
  };
}

/** Prints what came of a copy. */
export function printCopy({ name, plan, failures, skipped }: CopyCleanup, dryRun: boolean) {
  print('');
  print(skipped === undefined ? `${name}:` : `${name}: not cleaned up: ${skipped}`);
  if (skipped === undefined) printPlan(plan.keep, plan.remove, failures, [], dryRun);
}

/** Prints what was picked out and is gone. */
export function printPicked(databases: readonly { name: string; since: string }[], dryRun: boolean) {
  for (const { name, since } of databases)
    print(`${dryRun ? 'would remove' : 'removed'}  ${name}  (picked out ${since})`);
  if (databases.length === 0) print('nothing that was picked out is there');
}
