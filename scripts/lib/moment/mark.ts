import { chainOnServer } from '../base/chain.ts';
import type { Config } from '../config/config.ts';
import { MARK_LENGTH } from '../engines/postgres/recovery/target.ts';
import { connect, quoteIdentifier, sqlState } from '../engines/postgres/server/connection.ts';
import { systemIdentifier } from '../engines/postgres/server/identity.ts';
import { WALSENDER_DATABASE } from '../engines/postgres/walsender/walsender.ts';
import { OperatorError } from '../errors.ts';
import { formatLsn, parseLsn } from '../log/lsn.ts';
import { openLog } from '../log/store.ts';
import type { Repository } from '../repository/repository.ts';
import type { LogServer } from '../source.ts';
import { command } from '../terminal/hints.ts';
import { log } from '../terminal/log.ts';

export interface MarkResult {
  readonly name: string;
  readonly server: string;
  readonly lsn: string;
  readonly at: string;
}

// a restore point is not flushed by itself: on an idle server it would be neither streamed nor there after a crash, and so there is a commit
const MARK = `
  select pg_create_restore_point($1)::text as lsn, floor(extract(epoch from clock_timestamp()) * 1000)::text as ms,
    set_config('synchronous_commit', 'local', true), pg_current_xact_id()`;

/**
 * Gives the present moment a name: a restore point in the server's log, and an object that says where in the log it is.
 * @throws OperatorError USAGE for a name that is none; CONFIG without a server, or when it is not clear which; SOURCE_CONNECT with
 *   the right that is missing; RESTORE_REFUSED on a server whose log is not being taken
 */
export async function mark(
  config: Config,
  repository: Repository,
  { name, server: wanted }: { name: string; server: string | undefined },
  signal: AbortSignal,
): Promise<MarkResult> {
  if (name === '' || Buffer.byteLength(name) > MARK_LENGTH || /\p{Cc}/u.test(name))
    throw new OperatorError('USAGE', `a mark wants a name of at most ${MARK_LENGTH} bytes`, {
      hint: 'For instance before-migration.',
    });
  const server = serverNamed(config, wanted);
  const store = openLog(repository);
  const connection = await connect(server.source, WALSENDER_DATABASE, signal);
  try {
    const identifier = await systemIdentifier(connection);
    const chain =
      identifier === undefined
        ? undefined
        : await chainOnServer(connection, { store, server, systemIdentifier: identifier });
    if (chain === undefined)
      throw new OperatorError(
        'RESTORE_REFUSED',
        `the log of ${server.name} is not being taken: a mark in it could not be restored to`,
        {
          hint: `Start the receiver (${command('up')}), and mark then. Nothing was written.`,
        },
      );
    const [row] = await connection.query<{ lsn: string; ms: string }>(MARK, [name]).catch((error: unknown) => {
      if (sqlState(error) !== '42501') throw error;
      throw new OperatorError('SOURCE_CONNECT', `${server.source.user} may not make restore points on ${server.name}`, {
        hint: `As a superuser, in the database ${WALSENDER_DATABASE}: GRANT EXECUTE ON FUNCTION pg_create_restore_point(text) TO ${quoteIdentifier(server.source.user)};`,
        cause: error,
      });
    });
    const lsn = parseLsn(row?.lsn ?? '') ?? 0n;
    const at = new Date(Number(row?.ms));
    await store.putMark({ server: server.name, chain, name, lsn, at }, signal);
    log.info(`marked ${name} on ${server.name} at ${formatLsn(lsn)}: MARK=${name} restores to it`);
    return { name, server: server.name, lsn: formatLsn(lsn), at: at.toISOString() };
  } finally {
    await connection.close();
  }
}

/** The server that is meant: the one of this name, or the only one there is. @throws OperatorError CONFIG, USAGE */
export function serverNamed(config: Config, wanted: string | undefined): LogServer {
  const names = config.servers.map(({ name }) => name);
  const [only, ...others] = config.servers;
  if (only === undefined)
    throw new OperatorError('CONFIG', "no server's log is taken: PITR is off", {
      hint: `Set PITR=true in .env, then ${command('up')}.`,
    });
  if (wanted === undefined && others.length === 0) return only;
  const found = config.servers.find(({ name }) => name === wanted);
  if (found) return found;
  throw new OperatorError(
    'USAGE',
    wanted === undefined
      ? 'there are several servers: say which one'
      : `there is no server ${JSON.stringify(wanted)} whose log is taken`,
    { hint: `--server with one of: ${names.join(', ')}.` },
  );
}
