import { messageOf, OperatorError } from '../../../errors.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { dropCode, listCode } from '../server/code-objects.ts';
import { type Connection, connect, errorName, quoteIdentifier } from '../server/connection.ts';
import { listTables } from '../server/contents.ts';
import { dropDatabase } from '../server/databases.ts';
import { readDefaults } from '../server/facts.ts';
import { markClause } from '../server/marks.ts';
import { takeDefaults } from './given-place.ts';
import { refused } from './preflight.ts';

/** Made like the dumped database, by which its code is read, or else like the live one. */
export async function createStaging(
  connection: Connection,
  source: DatabaseSource,
  { staging, target, like }: { staging: string; target: string; like: string },
  manifest: Manifest | undefined,
): Promise<void> {
  const live = await readDefaults(connection, like);
  const encoding = manifest?.encoding ?? live?.encoding;
  const collation = manifest?.collation ?? live?.collation;
  const parts = [
    `create database ${quoteIdentifier(staging)}`,
    encoding === undefined ? '' : `character set ${word(encoding)}`,
    collation === undefined ? '' : `collate ${word(collation)}`,
    markClause(connection, { role: 'restoring', live: target, name: staging }),
  ];
  try {
    await connection.query(parts.join(' '));
  } catch (error) {
    if (errorName(error) !== 'ER_DBACCESS_DENIED_ERROR') throw error;
    const pattern = `${staging.replace(/_restoring_\d+$/, '').replaceAll('_', '\\_')}%`;
    throw refused(
      `the user ${source.user} may not create databases, which a restore beside the live one needs`,
      `As an administrator: GRANT ALL ON ${quoteIdentifier(pattern)}.* to it; or restore into an empty database that you made: --to DB.`,
      error,
    );
  }
}

/** A manifest is data from outside: of a name of a character set only what is one goes into a statement. */
function word(name: string): string {
  if (/^\w+$/.test(name)) return name;
  throw new OperatorError('BACKUP_DAMAGED', `the manifest names a character set that is none: ${JSON.stringify(name)}`);
}

/** @throws OperatorError RESTORE_REFUSED when anything is in the database, or it cannot be made like the dumped one */
export async function assertEmpty(
  connection: Connection,
  database: string,
  manifest: Manifest | undefined,
): Promise<void> {
  const objects = [...(await listTables(connection, database)), ...(await listCode(connection, database))];
  if (objects.length === 0) return takeDefaults(connection, database, manifest);
  throw new OperatorError('RESTORE_REFUSED', `the database ${database} exists and is not empty`, {
    hint: 'Name a database that does not exist yet, or an empty one. Without --to, the live database is swapped safely.',
  });
}

/** With a connection of its own: an interrupt has broken the others off. */
export async function discard(source: DatabaseSource, staging: string, isForeign: boolean): Promise<void> {
  try {
    const connection = await connect(source, AbortSignal.timeout(60_000));
    await (isForeign ? empty(connection, staging) : dropDatabase(connection, staging)).finally(() =>
      connection.close(),
    );
  } catch (error) {
    log.warn(
      `${staging} could not be ${isForeign ? 'emptied' : 'dropped; the next restore removes it'}: ${messageOf(error)}`,
    );
  }
}

/** The database was there before, and empty. */
async function empty(connection: Connection, database: string): Promise<void> {
  await connection.query('set session foreign_key_checks = 0');
  await dropCode(connection, database);
  for (const { name, kind } of await listTables(connection, database))
    await connection.query(`drop ${kind} if exists ${quoteIdentifier(database)}.${quoteIdentifier(name)}`);
}
