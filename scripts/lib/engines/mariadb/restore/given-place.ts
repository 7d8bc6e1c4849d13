import { OperatorError } from '../../../errors.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import { log } from '../../../terminal/log.ts';
import { type Connection, quoteIdentifier } from '../server/connection.ts';
import { displayName } from '../server/contents.ts';
import { readDefaults } from '../server/facts.ts';

/** So many names are told. */
const TOLD = 10;

/**
 * What a server does to every database of its own: it may read names in small letters, and so take two tables for one; and
 * it has a row format for tables that name none.
 * @throws OperatorError RESTORE_REFUSED for names that would come back as others
 */
export function assertReadsNames({ variables }: Connection, manifest: Manifest | undefined): void {
  if (variables.get('lower_case_table_names') === '1' && manifest?.settings?.lower_case_table_names !== '1') {
    const named = [
      ...(manifest?.tables ?? []).map(({ table }) => table),
      ...(manifest?.sequences ?? []).map(({ sequence }) => sequence),
    ];
    const others = named.filter((name) => name !== name.toLowerCase());
    if (others.length > 0)
      throw new OperatorError(
        'RESTORE_REFUSED',
        `the server reads all names of tables in small letters (lower_case_table_names=1), and the backup has names with capitals: ${others.slice(0, TOLD).join(', ')}`,
        { hint: 'Restore on a server that was set up with lower_case_table_names=0. Nothing was touched.' },
      );
  }
  const [there, here] = [manifest?.settings?.innodb_default_row_format, variables.get('innodb_default_row_format')];
  if (there !== undefined && here !== undefined && there !== here)
    log.warn(
      `tables that name no row format were ${there}, and are made as ${here} on this server, which cuts long keys short where they do not fit: SET GLOBAL innodb_default_row_format = ${there} before the restore keeps them as they were`,
    );
}

/**
 * An empty database that somebody made takes its character set from its server: parameters and variables of the routines
 * that are loaded into it would be read by that one, and tables that come later be made with it.
 * @throws OperatorError RESTORE_REFUSED when it cannot be given what the dumped one had
 */
export async function takeDefaults(
  connection: Connection,
  database: string,
  manifest: Manifest | undefined,
): Promise<void> {
  const { encoding, collation } = manifest ?? {};
  const now = await readDefaults(connection, database);
  if (encoding === undefined || collation === undefined || !now || now.collation === collation) return;
  if (![encoding, collation].every((name) => /^\w+$/.test(name))) return;
  const statement = `alter database ${quoteIdentifier(database)} character set ${encoding} collate ${collation}`;
  try {
    await connection.query(statement);
  } catch (error) {
    throw new OperatorError(
      'RESTORE_REFUSED',
      `the database ${displayName(database)} has the collation ${now.collation}, and the one that was dumped ${collation}: its routines would be read by another one`,
      {
        hint: `Who may: ${statement}; or drop it, and the restore makes it as it was. Nothing was touched.`,
        cause: error,
      },
    );
  }
  log.info(
    `${displayName(database)} has the collation of the database that was dumped now: ${collation}, and had ${now.collation}`,
  );
}
