import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperatorError } from '../../../errors.ts';
import { isInContainer } from '../../../machine/container.ts';
import { log } from '../../../terminal/log.ts';
import { besideProgram, type Program } from '../server/programs.ts';
import { readControlData } from './settings.ts';

/** What a data folder (PGDATA) holds. */
export interface DataFolder {
  readonly major: number;
  /** Undefined where pg_controldata cannot read it. */
  readonly systemIdentifier: string | undefined;
}

/**
 * Looks into a data folder that is to be replaced.
 * @param reserved entries that are nobody's data
 * @returns undefined when it is empty, or not there
 * @throws OperatorError RESTORE_REFUSED for a folder that holds something else
 */
export async function readDataFolder(
  folder: string,
  reserved: readonly string[],
  program: Program,
): Promise<DataFolder | undefined> {
  const entries = existsSync(folder) ? readdirSync(folder).filter((name) => !reserved.includes(name)) : [];
  if (entries.length === 0) return undefined;
  const version = join(folder, 'PG_VERSION');
  const major = existsSync(version) ? Number.parseInt(readFileSync(version, 'utf8'), 10) : Number.NaN;
  if (Number.isNaN(major) || !existsSync(join(folder, 'global')))
    throw new OperatorError(
      'RESTORE_REFUSED',
      `${folder} holds something else than the data of a PostgreSQL server (${entries.slice(0, 5).join(', ')})`,
      { hint: 'Name the folder that the server has as PGDATA: --into FOLDER (INTO=). Nothing was fetched or touched.' },
    );
  const { path } = await besideProgram(program, 'pg_controldata');
  const control = await readControlData(path, folder, {}).catch(() => undefined);
  return { major, systemIdentifier: control?.get('Database system identifier') };
}

/**
 * Makes sure that no server runs on a data folder. One in another container shows by its postmaster.pid alone, which a server that
 * shuts down removes.
 * @throws OperatorError RESTORE_REFUSED
 */
export function assertAtRest(folder: string): void {
  const stop = 'Stop the server first (docker compose stop postgres receiver). Nothing was fetched or touched.';
  const pid = processIn(folder);
  if (pid !== undefined)
    throw new OperatorError('RESTORE_REFUSED', `a server is running on ${folder} (process ${pid})`, { hint: stop });
  const path = join(folder, 'postmaster.pid');
  if (!existsSync(path)) return;
  if (!isInContainer()) {
    log.warn(`${path} was left behind by a server that was killed: it does not run any more`);
    return;
  }
  throw new OperatorError(
    'RESTORE_REFUSED',
    `a server is running on ${folder}, or was killed there: it has left postmaster.pid`,
    {
      hint: `${stop} Should it have been killed with its machine, so that nothing runs there any more: delete ${path}, and run this again.`,
    },
  );
}

/** A server works in its data folder. */
function processIn(folder: string): number | undefined {
  const wanted = statSync(folder, { throwIfNoEntry: false });
  if (!wanted || !existsSync('/proc')) return undefined;
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    try {
      const { dev, ino } = statSync(`/proc/${name}/cwd`);
      if (dev === wanted.dev && ino === wanted.ino) return Number(name);
    } catch {
      // it has ended, or is somebody else's
    }
  }
  return undefined;
}

/** Where prepareFiles keeps what ALTER SYSTEM had set on the source, while a recovery must not heed it. */
export const SET_BY_SERVER = 'auto.conf.of-the-source';

/** What the file of the source's settings may not bring along: where a log is fetched from, and how far it is replayed. */
const OF_RECOVERY = /^\s*(restore_command|archive_cleanup_command|recovery_\w+)\s*=/i;
/** What a recovery leaves, and the server that takes over has no use for. */
const TRACES = [
  'backup_label.old',
  'tablespace_map.old',
  'backup_manifest',
  'recovery.done',
  'recovery.signal',
  'standby.signal',
  'postmaster.opts',
  'postmaster.pid',
];

/**
 * Makes the files of a server that was recovered and shut down its own again: the settings that it had, and nothing that tells of
 * the recovery.
 */
export function removeTraces(directory: string, data: string): void {
  for (const name of TRACES) rmSync(join(data, name), { force: true });
  const kept = join(directory, SET_BY_SERVER);
  const lines = existsSync(kept) ? readFileSync(kept, 'utf8').split('\n') : [];
  writeFileSync(join(data, 'postgresql.auto.conf'), lines.filter((line) => !OF_RECOVERY.test(line)).join('\n'));
}
