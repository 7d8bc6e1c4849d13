import { inLargeWrites } from '../../../pipeline/large-writes.ts';
import type { DatabaseSource } from '../../../source.ts';
import type { ProofSide } from '../../restoring.ts';
import { withoutData } from '../dump/left-out.ts';
import { dumpOptions } from '../dump/stage.ts';
import { clientEnvironment } from '../server/client.ts';
import type { Connection } from '../server/connection.ts';
import { readInvalidViews } from '../server/facts.ts';
import { programFor } from '../server/programs.ts';
import { asRead, readingOf } from '../server/relay.ts';
import { cameWithHistory, leftOut, otherEngines } from './made-later.ts';

/** What the restored database is read with, once more. */
export interface ProofParts {
  readonly connection: Connection;
  readonly source: DatabaseSource;
  readonly staging: string;
  /** The database that was dumped, whose name stands in definitions. */
  readonly dumped: string;
  /** When a row of this server's ends that has not ended. */
  readonly openEnd: string;
  /** For what a reading needs while it lasts. */
  readonly folder: string;
  /** Tables that came without their rows: the dump says nothing of them. */
  readonly emptied: readonly string[];
}

/** See RestoreSession.proof: a dump by mariadb-dump, in the words of the backup. */
export function proofSide({ connection, source, staging, dumped, openEnd, folder, emptied }: ProofParts): ProofSide {
  return {
    dialect: 'mariadb',
    serverVersion: connection.server.text,
    renamed: { [staging]: dumped },
    openEnd,
    leftOut: () => leftOut(staging),
    otherEngines: () => otherEngines(staging),
    through: async () => undefined,
    read: async () => {
      const program = await programFor('mariadb-dump');
      // one that reads what is not on this server would stop the dump; that it is missing is told
      const ignored = await readInvalidViews(connection, staging);
      const reading = await readingOf(connection, { ...source, database: staging }, folder);
      return {
        name: 'mariadb-dump',
        ...asRead(reading, (place) =>
          inLargeWrites(program.path, [
            ...place,
            ...dumpOptions(cameWithHistory(staging)),
            ...withoutData(staging, emptied),
            ...ignored.map((view) => `--ignore-table=${staging}.${view}`),
            '--',
            staging,
          ]),
        ),
        env: clientEnvironment(source),
      };
    },
  };
}
