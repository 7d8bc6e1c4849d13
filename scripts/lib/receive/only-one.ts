import { OperatorError } from '../errors.ts';
import { withLocalLock } from '../machine/local-lock.ts';
import type { LogServer } from '../source.ts';

/**
 * Runs a receiver of a server's log, the only one of this machine. On another machine the server's slot keeps a second one off.
 *
 * @param work is told whether that is certain: nothing can be held where nothing can be written
 * @throws OperatorError LOCKED when there is another one here
 */
export async function asTheOnlyOne<T>(
  server: LogServer,
  directory: string,
  name: string,
  work: (isAlone: boolean) => Promise<T>,
): Promise<T> {
  let hasBegun = false;
  try {
    return await withLocalLock(directory, name, () => {
      hasBegun = true;
      return work(true);
    });
  } catch (error) {
    if (hasBegun) throw error;
    if (!(error instanceof OperatorError)) return work(false);
    throw new OperatorError(error.code, `another receiver takes the log of ${server.name}: it runs here`, {
      hint: 'One is enough.',
      cause: error,
    });
  }
}
