import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from '../server/connection.ts';

const KILL_EVERY_MS = 25;

interface Client {
  readonly id: number;
  readonly user: string;
}

/** Sessions that are in one of the databases. Those of other users are seen with the privilege PROCESS. */
export async function clientsOf(
  connection: Connection,
  databases: readonly string[],
  except: number,
): Promise<Client[]> {
  return connection.query<Client>(
    `select id, user from information_schema.processlist
     where ${connection.nameCase === 0 ? 'binary ' : ''}db in (${databases.map(() => '?').join(', ')}) and id not in (?, connection_id())
       and user not in ('system user', 'event_scheduler') and command not in ('Daemon', 'Binlog Dump', 'Slave_SQL', 'Slave_IO', 'Killed')
     order by user`,
    [...databases, except],
  );
}

/**
 * Ends every session of the databases, again and again until told to stop. Only one that is seen twice: a session that
 * lists the tables of all databases, through information_schema, seems to be in each of them for a moment.
 */
export function keepOthersOut(
  helper: Connection,
  databases: readonly string[],
  except: number,
): { stop(): Promise<void> } {
  let isOver = false;
  const run = async () => {
    let seen = new Set<number>();
    while (!isOver) {
      const ids = (await clientsOf(helper, databases, except).catch(() => [])).map(({ id }) => Number(id));
      // one that may not be ended makes the renaming fail, which is then explained
      for (const id of ids.filter((each) => seen.has(each)))
        await helper.query(`kill connection ${id}`).catch(() => {});
      seen = new Set(ids);
      await sleep(KILL_EVERY_MS);
    }
  };
  const running = run();
  return {
    stop: () => {
      isOver = true;
      return running;
    },
  };
}

/** The names of XA transactions that are prepared, of whichever database; none for a user who may not see them. */
export async function readPrepared({ query }: Connection): Promise<string[]> {
  const rows = await query<{ data: string | Buffer }>('xa recover').catch(() => []);
  return rows.map(({ data }) => String(data));
}
