import type { ObjectMember } from '../../../repository/manifest.ts';
import { plainly } from '../pick/pick.ts';
import { type Connection, connect } from '../server/connection.ts';
import { loadingStatements } from '../server/session-settings.ts';
import { runOne } from './build.ts';
import { type BuildPlan, planBuild } from './build-plan.ts';
import { IndexBuilds } from './index-builds.ts';
import { type FolderLoad, runPlan } from './load.ts';
import { giveMemory, sortMemoryKb } from './sort-memory.ts';
import { splitStatements } from './statements.ts';

/** What is built upon a dump's tables, from where nothing is left to be loaded but what others load. */
export interface BuildBeside {
  /** Takes what is to be built. */
  plan(script: string): Promise<void>;
  /** These will come. */
  expect(members: readonly (ObjectMember | undefined)[]): void;
  /** This one is in. */
  loaded(member: ObjectMember): void;
  /** Builds indexes on what is in, until none is left; or those on tables that are loaded in order are. */
  work(signal: AbortSignal): Promise<void>;
  /** Builds what is left. */
  rest(): Promise<void>;
}

/**
 * Begins with the indexes before all rows are in: of what the dump builds first, those of a table that is in, and of nothing but its
 * columns. What calls a function waits until every table is in, for that may read others.
 *
 * @param members of the whole dump
 * @param jobs how many sessions build, and what is left at the end
 */
export function buildBeside(order: FolderLoad, members: readonly ObjectMember[], jobs: number): BuildBeside {
  const { source, staging, loading } = order;
  let plan: BuildPlan | undefined;
  let expected = new Set<ObjectMember | undefined>();
  const tables = new Set<string>();
  // rows that are loaded in order come later
  const allCome = !members.some(({ inOrder }) => inOrder === 'last');
  const areIn = () => expected.size === 0;
  const builds = new IndexBuilds({
    mayBegin: ({ table, isOfColumns }) => (areIn() && allCome) || (isOfColumns === true && tables.has(plainly(table))),
    mayFollow: () => plan === undefined || !areIn(),
  });
  const bytes = new Map<string, number>();
  for (const { tables: held = [], rawBytes } of members)
    for (const table of held) bytes.set(plainly(table), rawBytes / held.length);

  return {
    async plan(script) {
      plan = planBuild(splitStatements(script));
      const [first] = plan.steps;
      builds.add(first?.kind === 'indexes' ? first.tasks : [], ({ table }) => bytes.get(plainly(table)) ?? 0);
    },
    expect: (some) => {
      expected = new Set(some);
    },
    loaded: (member) => {
      expected.delete(member);
      for (const table of member.tables ?? []) tables.add(plainly(table));
      builds.wake();
    },
    async work(signal) {
      let connection: Connection | undefined;
      const session = async () => {
        const own = await connect(source, staging, signal);
        connection = own;
        await own.query([...loadingStatements(loading), ...(plan?.settings ?? [])].join(';\n'));
        return own;
      };
      try {
        await builds.work(async ({ task, sizeBytes, isAlone }) => {
          const own = connection ?? (await session());
          await giveMemory(own, task, sortMemoryKb(sizeBytes, isAlone ? jobs : 1));
          await runOne(own, task.sql);
        }, signal);
      } finally {
        await connection?.close();
      }
    },
    async rest() {
      if (!plan) return;
      const [first, ...others] = plan.steps;
      const left = first?.kind === 'indexes' ? [{ ...first, tasks: [...builds.waiting] }] : first ? [first] : [];
      await runPlan(order, { ...plan, steps: [...left, ...others] }, jobs);
    },
  };
}
