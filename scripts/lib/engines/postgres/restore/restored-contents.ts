import type { Contents } from '../../../repository/manifest.ts';
import type { Connection } from '../server/connection.ts';
import { countContents, readSequences } from '../server/contents.ts';

/** Counts what has been restored, and closes the connection. */
export async function restoredContents(connecting: Promise<Connection>): Promise<Contents> {
  const connection = await connecting;
  try {
    const counts = await unhindered(connection, () => countContents(connection));
    return { ...counts, sequences: await readSequences(connection) };
  } finally {
    await connection.close();
  }
}

/** Tables whose policies hold for their owner too, so that not even he would see all of what was loaded. */
const HIDING_FROM_OWNERS = `
  select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and c.relrowsecurity and c.relforcerowsecurity and pg_has_role(c.relowner, 'USAGE')
    and not exists (select from pg_roles where rolname = current_user and (rolsuper or rolbypassrls))`;

/** Looks at a staging database as its owner, whose rows no policy hides from him meanwhile. Nothing of it stays. */
async function unhindered<T>(connection: Connection, look: () => Promise<T>): Promise<T> {
  const tables = await connection.query<{ name: string }>(HIDING_FROM_OWNERS);
  if (tables.length === 0) return look();
  await connection.query('begin');
  for (const { name } of tables) await connection.query(`alter table ${name} no force row level security`);
  const seen = await look();
  await connection.query('rollback');
  return seen;
}
