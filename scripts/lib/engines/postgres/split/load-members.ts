import type { ObjectMember } from '../../../repository/manifest.ts';
import type { Load, LoadStep } from '../../restoring.ts';
import { plainly } from '../pick/pick.ts';
import { assertComplete } from '../server/completion.ts';
import { connect } from '../server/connection.ts';
import { loadStage } from '../server/load-stage.ts';
import { psqlMeter } from '../server/psql-meter.ts';
import { buildBeside } from './build-beside.ts';
import { type FolderLoad, restoreJobs } from './load.ts';

/** A dump in one object, some of whose bytes can be read without the others. */
export interface MembersLoad extends FolderLoad {
  readonly members: readonly ObjectMember[];
  /** Statements: what is set for the session where the first rows begin. */
  readonly settings: readonly string[];
  /** Lines that this server would not understand. */
  readonly droppedLines: readonly string[];
  /** For psql's restricted mode: see psqlMeter. */
  readonly guard: string | undefined;
}

/**
 * Tables whose rows can come frozen: COPY does so for a table that was emptied in its transaction, and neither for a partitioned
 * nor for a foreign one. https://www.postgresql.org/docs/current/sql-copy.html
 */
const FREEZABLE = `
  select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and has_table_privilege(c.oid, 'TRUNCATE')
    and (c.relam = 0 or exists (select from pg_am a where a.oid = c.relam and a.amname = 'heap'))
    and not exists (select from pg_constraint k where k.contype = 'f' and k.confrelid = c.oid)`;

/**
 * Loads a dump by its members, as a folder's objects are loaded: the definitions, then rows side by side, the most first, then what
 * is built upon them; indexes of tables that are in beside the last rows, where nothing is left to be loaded. A table that has a member of its own is emptied in the transaction that loads it, so that its rows come frozen
 * and no later reader has to write their pages again.
 */
export async function planMembers(order: MembersLoad): Promise<readonly LoadStep[]> {
  const { source, staging, loading, members, settings, droppedLines, guard, pick, signal } = order;
  const jobs = restoreJobs(source);
  const before = pick && [pick.stage()];
  const plain = await loadStage(source, staging, 'folder', { ...loading, isWhole: false });
  const freezing = async (table: string) =>
    loadStage(source, staging, 'sql', { ...loading, isWhole: true, first: [`TRUNCATE ONLY ${table}`] });
  const stages = new Map<ObjectMember, Load['into']>();
  const of = (section: ObjectMember['section']) => members.filter((member) => member.section === section);
  const beside = buildBeside(order, members, jobs);

  // what has rows of wanted tables alone, and when: which tables are wanted is known once the definitions have passed
  const rows = (when: ObjectMember['inOrder']): Load[] =>
    of('data')
      .filter((member) => member.inOrder === when)
      .filter(({ tables }) => !pick || !tables || tables.some((table) => pick.holds(table)))
      .map((member) => {
        const into = stages.get(member);
        return {
          member,
          into: into ?? plain,
          meter: psqlMeter(droppedLines, guard, { settings, freezes: into !== undefined }),
          before,
          verifyEnd: () => {},
          onLoaded: () => beside.loaded(member),
        };
      });
  const inOrder = (when: 'first' | 'last'): LoadStep => ({
    jobs: 1,
    get loads() {
      return rows(when);
    },
  });
  const builds = of('post-data').map((member) => ({
    member,
    into: beside.plan,
    before,
    meter: psqlMeter(droppedLines, undefined, { settings }),
    verifyEnd: assertComplete,
  }));
  const findFreezable = async () => {
    const alone = of('data').filter(({ tables }) => tables?.length === 1);
    if (alone.length === 0) return;
    const connection = await connect(source, staging, signal);
    const found = await connection.query<{ name: string }>(FREEZABLE).finally(() => connection.close());
    const names = new Map(found.map(({ name }) => [plainly(name), name]));
    for (const member of alone) {
      const name = names.get(plainly(member.tables?.[0] ?? ''));
      if (name !== undefined) stages.set(member, await freezing(name));
    }
  };
  return [
    {
      jobs: 1,
      loads: of('pre-data').map((member) => ({
        member,
        into: plain,
        meter: psqlMeter(droppedLines, guard),
        before,
        verifyEnd: () => {},
      })),
      after: findFreezable,
    },
    inOrder('first'),
    {
      jobs,
      // what is to be built is little to read, and known then
      get loads() {
        const most = rows(undefined).toSorted((a, b) => (b.member?.rawBytes ?? 0) - (a.member?.rawBytes ?? 0));
        beside.expect(most.map(({ member }) => member));
        return [...builds, ...most];
      },
      meanwhile: beside.work,
    },
    inOrder('last'),
    { jobs: 1, loads: [], after: beside.rest },
  ];
}
