import type { Contents, SourceFacts } from '../../repository/manifest.ts';
import type { DatabaseSource } from '../../source.ts';
import { readOutline } from './dump/outline.ts';
import { connect } from './server/connection.ts';
import { countContents, readSequences } from './server/contents.ts';

/** See Engine.survey. Rows are those of one moment. */
export async function survey(
  source: DatabaseSource,
  signal: AbortSignal,
): Promise<Contents & Pick<SourceFacts, 'outline'>> {
  const connection = await connect(source, source.database, signal);
  try {
    const outline = await readOutline(connection);
    await connection.query('begin isolation level repeatable read read only');
    const contents = await countContents(connection);
    const sequences = await readSequences(connection);
    return { ...contents, sequences, ...(outline === undefined ? {} : { outline }) };
  } finally {
    await connection.close();
  }
}
