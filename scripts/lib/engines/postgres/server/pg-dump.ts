import type { Stage } from '../../../pipeline/chain.ts';
import { inLargeWrites } from '../../../pipeline/large-writes.ts';
import type { DatabaseSource } from '../../../source.ts';
import { conninfo, libpqEnvironment } from './connection.ts';
import { withoutLoneLoops } from './lone-loops.ts';
import type { Program } from './programs.ts';
import { PROGRAM_HINTS, programWords } from './server-says.ts';

/** A dump of a snapshot, or with more arguments a part of it. */
export function pgDumpStage(
  source: DatabaseSource,
  program: Program,
  snapshotId: string,
  args: readonly string[],
): Stage {
  return {
    name: 'pg_dump',
    ...inLargeWrites(program.path, [
      '--no-password',
      `--dbname=${conninfo(source.database, program.major)}`,
      `--lock-wait-timeout=${source.lockTimeoutMs}`,
      `--snapshot=${snapshotId}`,
      ...args,
    ]),
    env: libpqEnvironment(source, source.database),
    hints: [
      // one without room for a lock names the statement too
      ...PROGRAM_HINTS,
      [
        /permission denied for/i,
        'It may not be read by the user of the backup, or by the role that its sessions become (ALTER DATABASE or ALTER ROLE … SET role): GRANT pg_read_all_data to it, or back up as another user.',
      ],
      [
        /lock timeout|could not obtain lock/i,
        'Another session has locked a table for longer than LOCK_TIMEOUT: end that session (pg_stat_activity), or raise it.',
      ],
    ],
    words: programWords,
    onLine: withoutLoneLoops(),
  };
}
