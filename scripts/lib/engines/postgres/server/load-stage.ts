import type { DumpFormat } from '../../../formats.ts';
import type { Stage } from '../../../pipeline/chain.ts';
import type { DatabaseSource } from '../../../source.ts';
import { conninfo, libpqEnvironment } from './connection.ts';
import { ANY_REFUSAL, LOAD_HINTS } from './load-hints.ts';
import { programFor } from './programs.ts';
import { PROGRAM_HINTS, programWords } from './server-says.ts';
import { type Loading, loadingOptions } from './session-settings.ts';

/**
 * The program that loads a dump of this format into the database.
 * @param isWhole in one transaction, which holds a lock for each table and index: for what cannot be thrown away
 * @param first of psql: statements that are run before what it reads, in its transaction where there is one
 * @param onRefusal goes on after a statement that the server refuses; is shown each line of what is said of it
 */
export async function loadStage(
  source: DatabaseSource,
  staging: string,
  format: DumpFormat,
  {
    isWhole,
    onRefusal,
    first = [],
    ...loading
  }: Loading & {
    isWhole: boolean;
    onRefusal?: ((line: string) => boolean) | undefined;
    first?: readonly string[];
  },
): Promise<Stage> {
  const { serverVersionNum } = loading;
  const env = { ...libpqEnvironment(source, staging), PGOPTIONS: loadingOptions(loading) };
  const says = { hints: [...LOAD_HINTS, ...PROGRAM_HINTS, ANY_REFUSAL], words: programWords };
  const inOne = isWhole ? ['--single-transaction'] : [];
  if (format === 'custom') {
    const program = await programFor('pg_restore', serverVersionNum);
    return {
      name: 'pg_restore',
      command: program.path,
      args: ['--no-password', '--exit-on-error', ...inOne, `--dbname=${conninfo(staging, program.major)}`],
      env,
      ...says,
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
      // of a folder's objects several are loaded at a time
      ...(format === 'folder' ? [] : inOne),
      ...(first.length === 0 ? [] : [...first.map((sql) => `--command=${sql}`), '--file=-']),
      ...(onRefusal ? ['--echo-errors', '--variable=VERBOSITY=verbose'] : ['--variable=ON_ERROR_STOP=1']),
      '--output=/dev/null',
    ],
    env,
    ...says,
    ...(onRefusal ? { onLine: onRefusal } : {}),
  };
}
