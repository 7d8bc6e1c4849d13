import type { Connection } from '../server/connection.ts';
import { LOADING_MEMORY_KB } from '../server/session-settings.ts';
import type { Task } from './build-plan.ts';

const MIB_KB = 1024;
/** Of maintenance_work_mem for a sort: less does not fit a cache better, and a server makes more runs of it. */
const LEAST_KB = 8 * MIB_KB;
/** What a run takes of the memory while it is merged: MERGE_BUFFER_SIZE and TAPE_BUFFER_OVERHEAD of the server's tuplesort.c. */
const RUN_KB = 264;
/** A server gives a build another process only for so much each: plan_create_index_workers in its planner.c. */
const PROCESS_KB = 32 * MIB_KB;

/**
 * How much memory sorting a table for an index is given: the least by which all runs are merged at once, for the smaller a run is,
 * the more of it is in the processor's cache. With more of it the same sort takes up to twice the CPU time.
 *
 * @param sizeBytes of the table
 * @param cores that nothing else works on: the server's own processes may share the sort then
 */
export function sortMemoryKb(sizeBytes: number, cores: number): number {
  const inOnePass = Math.ceil(1.5 * Math.sqrt((sizeBytes / 1024) * RUN_KB));
  const wanted = Math.max(LEAST_KB, inOnePass, cores > 1 ? cores * PROCESS_KB : 0);
  return Math.min(wanted, LOADING_MEMORY_KB);
}

/** A constraint is one of a tree, too. Other methods keep in memory what they build. */
const isSorted = ({ sql }: Task) => / USING btree | ADD CONSTRAINT .* (?:PRIMARY KEY|UNIQUE) /.test(sql);

/** Gives a session the memory for an index. A server that limits temporary files is to need as few as ever. */
export async function giveMemory(connection: Connection, task: Task, memoryKb: number): Promise<void> {
  await connection.query(
    `select pg_catalog.set_config('maintenance_work_mem',
       case when pg_catalog.current_setting('temp_file_limit') = '-1' then $1 else $2 end, false)`,
    [String(isSorted(task) ? memoryKb : LOADING_MEMORY_KB), String(LOADING_MEMORY_KB)],
  );
}

/** Gives it back what it had. */
export async function giveBackMemory(connection: Connection): Promise<void> {
  await connection.query(`set maintenance_work_mem = '${LOADING_MEMORY_KB}'`);
}
