import { messageOf } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import {
  CALLED_AROUND,
  type CalledAround,
  calledAroundIn,
  callMember,
  memberFunction,
} from '../server/called-around.ts';
import { type Connection, connect } from '../server/connection.ts';

const TIMEOUT_MS = 60_000;

/**
 * Lets the workers of extensions into a database that has its place, out of which each renaming, also one that was taken back,
 * keeps them. Never throws: the database is in its place, and what is missing is told.
 *
 * @param connection beside it
 */
export async function resumeWork(connection: Connection, source: DatabaseSource, database: string): Promise<void> {
  await inEach(connection, source, database, async (inside, known) => {
    await callMember(inside, known.name, known.start);
    const jobs = await jobsOf(inside, known);
    if (jobs.length > 0) log.info(`the jobs of ${known.name} run again in ${database}: ${jobs.join(', ')}`);
  });
}

/** Of a database beside the live one: its workers would change what it was made for, and do a second time what they do outside. */
export async function tellOfStillness(connection: Connection, source: DatabaseSource, database: string): Promise<void> {
  await inEach(connection, source, database, async (inside, known) => {
    const jobs = await jobsOf(inside, known);
    if (jobs.length === 0) return;
    const start = await memberFunction(inside, known.name, known.start);
    log.warn(
      `the jobs of ${known.name} do not run in ${database}, until the server is started anew: ${jobs.join(', ')}. Where they are to run: SELECT ${start}(); in it`,
    );
  });
}

/** Does something for each such extension that the database has, where the server has any. */
async function inEach(
  connection: Connection,
  source: DatabaseSource,
  database: string,
  work: (inside: Connection, known: CalledAround) => Promise<void>,
): Promise<void> {
  const names = CALLED_AROUND.map(({ name }) => name);
  try {
    // one that lets nobody in has no workers either
    const rows = await connection.query(
      `select from pg_database where datname = $1 and datallowconn
         and exists (select from pg_available_extensions where name = any($2))`,
      [database, names],
    );
    if (rows.length === 0) return;
    const inside = await connect(source, database, AbortSignal.timeout(TIMEOUT_MS));
    try {
      for (const known of await calledAroundIn(inside)) await work(inside, known);
    } finally {
      await inside.close();
    }
  } catch (error) {
    const starts = CALLED_AROUND.map(
      ({ name, after }) => `where it has ${name}, SELECT ${after}(); in it lets them run`,
    );
    log.warn(`whether jobs of extensions run in ${database} is not known (${messageOf(error)}): ${starts.join('; ')}`);
  }
}

async function jobsOf(connection: Connection, { jobs }: CalledAround): Promise<string[]> {
  return (await connection.query<{ name: string }>(jobs)).map(({ name }) => name);
}
