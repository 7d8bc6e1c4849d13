import type { Contents, SourceFacts } from '../../repository/manifest.ts';
import type { DatabaseSource } from '../../source.ts';
import { readOutline } from './dump/outline.ts';
import { connect } from './server/connection.ts';
import { countContents } from './server/contents.ts';
import { asStored } from './server/databases.ts';

/** See Engine.survey. Rows are those of one moment, of tables whose engine has transactions. */
export async function survey(
  given: DatabaseSource,
  signal: AbortSignal,
): Promise<Contents & Pick<SourceFacts, 'outline'>> {
  const connection = await connect(given, signal);
  try {
    const { database } = await asStored(connection, given);
    const outline = await readOutline(connection, database);
    await connection.query('start transaction with consistent snapshot, read only');
    const contents = await countContents(connection, database);
    return { ...contents, ...(outline === undefined ? {} : { outline }) };
  } finally {
    await connection.close();
  }
}
