import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OperatorError } from '../../../errors.ts';
import type { RecoverySaid } from './server-log.ts';
import type { LogFeed } from './spool.ts';
import type { RecoveryTarget } from './target.ts';

const SHUTDOWN_WITHIN_MS = 600_000;

/** What is said for as long as somebody asks whether it answers, and what is no news. */
export function isChatter(line: string): boolean {
  return /not yet accepting connections|is starting up|Hot standby mode is disabled|restored log file|^LOG: {2}(starting PostgreSQL|listening on)/.test(
    line,
  );
}

/** What was recovered, and how far. */
interface Ended {
  readonly target?: RecoveryTarget;
  readonly log: LogFeed;
}

/** Why a recovery came to nothing. */
export function ending({ target, log: feed }: Ended, said: RecoverySaid): OperatorError {
  const hint = 'Nothing was touched.';
  if (said.hasMissedTarget) {
    if (target?.kind === 'time')
      return new OperatorError(
        'RESTORE_REFUSED',
        `the log is stored for less than that: its last commit is of ${said.lastIn?.at ?? 'before the base ended'}, and no later one shows that nothing is missing before ${target.time}`,
        { hint: `That commit's time, or an earlier one, can be restored. ${hint}` },
      );
    const what =
      target?.kind === 'mark' ? `the mark ${target.name}` : `transaction ${target?.kind === 'xid' ? target.xid : ''}`;
    return new OperatorError(
      'RESTORE_REFUSED',
      `${what} is not in the log between the base and its end (last commit in it: ${said.lastIn?.at ?? 'none'})`,
      { hint: `It may have been rolled back, or be of another time. ${hint}` },
    );
  }
  const fatal = said.fatal ?? 'the server ended without a word';
  const library = /resource manager/.test(fatal)
    ? ' An extension with a log of its own is needed to replay it: install it here.'
    : '';
  const where = /exit code 200/.test(fatal)
    ? ` It asked for a file that the listing does not know (${feed.planned.length} segments were planned).`
    : '';
  return new OperatorError('RESTORE_FAILED', `the log could not be replayed: ${fatal}${where}`, {
    hint: `${library}${hint}`.trim(),
  });
}

/** Where the last record ends that was replayed: where the timeline that the promotion began leaves its parent. */
export function endOfReplay(data: string): string {
  const folder = join(data, 'pg_wal');
  const newest = readdirSync(folder)
    .filter((name) => /^[0-9A-F]{8}\.history$/.test(name))
    .sort()
    .at(-1);
  const lines = newest === undefined ? [] : readFileSync(join(folder, newest), 'utf8').trim().split('\n');
  const lsn = /^\d+\s+([0-9A-F]+\/[0-9A-F]+)/.exec(lines.at(-1) ?? '')?.[1];
  if (lsn !== undefined) return lsn;
  throw new OperatorError('RESTORE_FAILED', 'the recovered server does not say how far it has replayed the log', {
    hint: 'Nothing was touched. This should not happen: please report it.',
  });
}

/** Ends it as its files want it, and waits until it has. @throws OperatorError PROCESS_FAILED */
export async function shutDown(directory: string, data: string): Promise<void> {
  const pid = Number.parseInt(readFileSync(join(data, 'postmaster.pid'), 'utf8'), 10);
  process.kill(pid, 'SIGINT');
  const deadline = Date.now() + SHUTDOWN_WITHIN_MS;
  while (!existsSync(join(directory, 'ended'))) {
    if (Date.now() > deadline)
      throw new OperatorError('PROCESS_FAILED', 'the recovered server did not shut down in time');
    await sleep(50);
  }
}
