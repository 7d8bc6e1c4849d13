import type { Stage } from '../../../pipeline/chain.ts';
import type { SourceConfig } from '../../../source.ts';
import { conninfo, libpqEnvironment } from './connection.ts';
import { programFor } from './programs.ts';

/** For the sessions that load: their work is worthless until the swap, whose commit waits for the disk as ever. */
export const LOADING_SETTINGS = [
  'synchronous_commit=off',
  'maintenance_work_mem=262144',
  'statement_timeout=0',
  'lock_timeout=0',
  'idle_in_transaction_session_timeout=0',
] as const;
const LOADING_OPTIONS = LOADING_SETTINGS.map((option) => `-c ${option}`).join(' ');

/** The program that loads a dump of this format into the database. */
export async function loadStage(
  source: SourceConfig,
  staging: string,
  format: string,
  serverVersionNum: number,
): Promise<Stage> {
  const env = { ...libpqEnvironment(source, staging), PGOPTIONS: LOADING_OPTIONS };
  if (format === 'custom') {
    const program = await programFor('pg_restore', serverVersionNum);
    return {
      name: 'pg_restore',
      command: program.path,
      args: [
        '--no-password',
        '--exit-on-error',
        '--single-transaction',
        `--dbname=${conninfo(staging, program.major)}`,
      ],
      env,
    };
  }
  const program = await programFor('psql', serverVersionNum);
  return {
    name: 'psql',
    command: program.path,
    args: [
      '--no-psqlrc',
      `--dbname=${conninfo(staging, program.major)}`,
      '--no-password',
      '--quiet',
      // of a folder's objects several are loaded at a time: the staging place is worthless unless all of them were
      ...(format === 'folder' ? [] : ['--single-transaction']),
      '--variable=ON_ERROR_STOP=1',
      '--output=/dev/null',
    ],
    env,
  };
}
