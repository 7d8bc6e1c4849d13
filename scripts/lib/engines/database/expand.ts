import { OperatorError } from '../../errors.ts';
import { type DatabaseSource, expanded, isServer } from '../../source.ts';

/** How an engine's server is asked which databases there are to be backed up. */
interface Listing<C> {
  connect(source: DatabaseSource, signal: AbortSignal): Promise<C>;
  /** All but the server's own, those that cannot be dumped, and what restores keep beside the live ones. */
  list(connection: C, source: DatabaseSource): Promise<readonly string[]>;
}

/**
 * The sources that a configured one stands for: see Engine.expand.
 * @throws OperatorError SOURCE_CONNECT also for a server without a database
 */
export function expandServer<C extends { close(): Promise<void> }>({ connect, list }: Listing<C>) {
  return async (source: DatabaseSource, signal: AbortSignal): Promise<DatabaseSource[]> => {
    if (!isServer(source)) return [source];
    const connection = await connect(source, signal);
    const names = await list(connection, source).finally(() => connection.close());
    if (names.length === 0)
      throw new OperatorError('SOURCE_CONNECT', `source ${source.name}: the server has no databases`);
    return names.map((database) => expanded(source, database));
  };
}
