import { availableParallelism } from 'node:os';
import { OperatorError } from '../../../errors.ts';
import type { MeterProgram } from '../../../pipeline/meter.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import { LAST_PART } from '../../../repository/object-key.ts';
import type { DatabaseSource } from '../../../source.ts';
import { command } from '../../../terminal/hints.ts';
import type { Load, LoadStep } from '../../restoring.ts';
import type { Pick } from '../pick/pick.ts';
import { assertComplete } from '../server/completion.ts';
import { loadStage } from '../server/load-stage.ts';
import { type Loading, loadingStatements } from '../server/session-settings.ts';
import { openSessions } from '../server/sessions.ts';
import { build, type Tolerance } from './build.ts';
import { type BuildPlan, planBuild } from './build-plan.ts';
import { CHECKED, FIRST_PART } from './dump.ts';
import { splitStatements } from './statements.ts';

/** More sessions than that are taken only when BACKUP_JOBS asks for them: other databases share the server. */
const MODEST = 4;

/** How many sessions load and build in parallel. */
export function restoreJobs(source: DatabaseSource): number {
  return Math.max(source.jobs, Math.min(availableParallelism(), MODEST));
}

/** How a load goes on without what the dump's own rows or names do not let be made. */
export interface TolerantLoad extends Tolerance {
  readonly takeLine: (line: string) => boolean;
  readonly doom: AbortSignal;
  readToEnd(hasRows: boolean): void;
}

export interface FolderLoad {
  readonly source: DatabaseSource;
  readonly staging: string;
  readonly loading: Loading;
  /** Sees pass what psql reads. */
  readonly meter: MeterProgram;
  /** Sees pass what is taken as a text. */
  readonly textMeter: MeterProgram;
  readonly pick: Pick | undefined;
  readonly manifest: Manifest | undefined;
  /** Takes note of what is left out, where the load is to go on without that. */
  readonly broken?: TolerantLoad | undefined;
  /** Then lets rows in that break checks. */
  readonly loosen?: (() => Promise<void>) | undefined;
  /** Does with what was noted what can be done, when all is loaded. */
  readonly mend?: (() => Promise<void>) | undefined;
  readonly signal: AbortSignal;
}

/**
 * Loads a folder: the definitions, then rows and large objects side by side, then what is built upon them.
 * @throws OperatorError BACKUP_DAMAGED when the first or the last object is not among the parts
 */
export async function planFolder(order: FolderLoad, parts: readonly string[]): Promise<readonly LoadStep[]> {
  const { source, staging, loading, meter, textMeter, pick, broken, loosen, mend } = order;
  const missing = [FIRST_PART, LAST_PART].filter((part) => !parts.includes(part));
  if (missing.length > 0) {
    throw new OperatorError('BACKUP_DAMAGED', `the backup's folder has no ${missing.join(' and no ')}`, {
      hint: `Restore another backup of this source (${command('list')}).`,
    });
  }
  const jobs = restoreJobs(source);
  const psql = await loadStage(source, staging, 'folder', { ...loading, isWhole: false });
  const before = pick && [pick.stage()];
  const byPsql = (part: string): Load => ({ part, into: psql, meter, before, verifyEnd: assertComplete });
  const first = byPsql(FIRST_PART);
  const tolerant = broken && {
    ...first,
    into: await loadStage(source, staging, 'folder', { ...loading, isWhole: false, onRefusal: broken.takeLine }),
    verifyEnd: (tail: string) => {
      assertComplete(tail);
      broken.readToEnd(false);
    },
    doom: broken.doom,
  };
  const rows = parts.filter((part) => part !== FIRST_PART && part !== LAST_PART);
  return [
    { jobs: 1, loads: [tolerant ?? first], after: loosen },
    stepOf(jobs, () => rows.filter((part) => !part.endsWith(CHECKED) && isNeeded(order, part)).map(byPsql)),
    stepOf(1, () => rows.filter((part) => part.endsWith(CHECKED) && isNeeded(order, part)).map(byPsql)),
    {
      jobs: 1,
      loads: [
        {
          part: LAST_PART,
          into: (text) => buildAll(order, text, jobs),
          before,
          meter: textMeter,
          verifyEnd: assertComplete,
        },
      ],
      after: mend,
    },
  ];
}

/** Which objects are needed is known once those before them are loaded. */
function stepOf(jobs: number, find: () => Load[]): LoadStep {
  return {
    jobs,
    get loads() {
      return find();
    },
  };
}

/** Of what is picked, an object that says whose rows it has, and has none of it, need not be read. */
function isNeeded({ pick, manifest }: FolderLoad, part: string): boolean {
  if (!pick) return true;
  const tables = manifest?.objects.find(({ name }) => name.includes(`/${part}.`))?.tables;
  return tables === undefined || tables.some((table) => pick.holds(table));
}

/** Runs the statements of a dump's last part, by several sessions. */
async function buildAll(order: FolderLoad, script: string, jobs: number): Promise<void> {
  await runPlan(order, planBuild(splitStatements(script)), jobs);
}

/** Builds as it was planned, by several sessions. */
export async function runPlan(
  { source, staging, loading, broken, signal }: FolderLoad,
  plan: BuildPlan,
  jobs: number,
): Promise<void> {
  const settings = [...loadingStatements(loading), ...plan.settings];
  const sessions = await openSessions(source, staging, { count: jobs, settings, signal });
  await build(plan, sessions, broken).finally(() => sessions.close());
}
