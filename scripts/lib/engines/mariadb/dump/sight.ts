import { OperatorError } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { type Connection, quoteIdentifier } from '../server/connection.ts';
import { displayName } from '../server/contents.ts';

/** Without these, the server hides what they are about, and mariadb-dump leaves it out without saying so. */
const NEEDED = ['SELECT', 'SHOW VIEW', 'TRIGGER', 'EVENT'] as const;
const SEES_ROUTINES = ['EXECUTE', 'ALTER ROUTINE', 'CREATE ROUTINE', 'SHOW CREATE ROUTINE'] as const;

/**
 * A dump is the whole database only when its user may see all of it.
 * @throws OperatorError SOURCE_CONNECT naming the privileges that are missing
 */
export async function assertSeesEverything(connection: Connection, source: DatabaseSource): Promise<void> {
  const rows = await connection.query<{ privilege: string }>(
    `select privilege_type as privilege from information_schema.user_privileges
     union select privilege_type from information_schema.schema_privileges where ? like table_schema`,
    [source.database],
  );
  const held = new Set(rows.map(({ privilege }) => privilege));
  const missing: string[] = NEEDED.filter((privilege) => !held.has(privilege));
  if (!SEES_ROUTINES.some((privilege) => held.has(privilege)) && !(await mayReadRoutines(connection)))
    missing.push('EXECUTE');
  if (missing.length === 0) return;
  const message = `source ${source.name}: the user ${source.user} lacks ${missing.join(', ')} on ${source.database}, and what it may not see would not be in the dump`;
  throw new OperatorError('SOURCE_CONNECT', message, {
    hint: `As an administrator: GRANT ${missing.join(', ')} ON ${quoteIdentifier(source.database)}.* TO the user. To dump routines of others also: GRANT SELECT ON mysql.proc.`,
  });
}

async function mayReadRoutines(connection: Connection): Promise<boolean> {
  return connection.query('select 1 from mysql.proc limit 0').then(
    () => true,
    () => false,
  );
}

/** Names what no mariadb-dump of a moment can hold, or holds otherwise than one would think. */
export async function warnOfWhatIsLost(connection: Connection, { name, database }: DatabaseSource): Promise<void> {
  const outside = await connection.query<{ table: string; engine: string }>(
    `select t.table_name as \`table\`, t.engine as engine
     from information_schema.tables t join information_schema.engines e on e.engine = t.engine
     where t.table_schema = ? and coalesce(e.transactions, 'NO') <> 'YES' order by binary t.table_name`,
    [database],
  );
  if (outside.length > 0) {
    const named = outside.map(({ table, engine }) => `${displayName(table)} (${engine})`).join(', ');
    log.warn(
      `${name}: these tables are not transactional, and what is written to them during the dump may or may not be in it: ${named}. ALTER TABLE … ENGINE=InnoDB fixes that`,
    );
  }
}
