import pg from 'pg';
import { codeOf, messageOf, OperatorError } from '../../../errors.ts';

const ATTEMPT_MS = 5_000;
/**
 * A SQLSTATE, which has a digit as no code of the system's has: the server has spoken, and not to say that it is not ready
 * yet. There is no such role, say, or it may not log in.
 */
const isRefusal = (code = '') => /^(?=.*\d)[0-9A-Z]{5}$/.test(code) && code !== '57P03';

/**
 * Connects once, as the first of these that is a superuser there.
 * @returns its name
 * @throws what the driver throws while the server does not answer; OperatorError RESTORE_FAILED when it answers none of them
 */
export async function connectAsAny(
  { host, port }: { host: string; port: number },
  users: readonly string[],
): Promise<string> {
  const refused: string[] = [];
  for (const user of new Set(users)) {
    const client = new pg.Client({
      host,
      port,
      user,
      database: 'template1',
      ssl: false,
      connectionTimeoutMillis: ATTEMPT_MS,
      // what a database or role preloads may not be installed here
      options: '-c session_preload_libraries= -c local_preload_libraries=',
    });
    client.on('error', () => {});
    try {
      await client.connect();
      const { rows } = await client.query<{ is: boolean }>(
        'select rolsuper as is from pg_catalog.pg_roles where rolname = current_user',
      );
      if (rows[0]?.is) return user;
      refused.push(`${user} is no superuser`);
    } catch (error) {
      if (!isRefusal(codeOf(error))) throw error;
      refused.push(`${user}: ${messageOf(error)}`);
    } finally {
      await client.end().catch(() => {});
    }
  }
  throw new OperatorError(
    'RESTORE_FAILED',
    `no superuser of the recovered server could enter it (${refused.join('; ')})`,
  );
}
