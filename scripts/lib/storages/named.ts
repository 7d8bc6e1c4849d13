import { OperatorError } from '../errors.ts';
import type { Storage } from './storage.ts';

/**
 * A storage whose failures name the variables that it is set by, and not those of the store that backups are written to.
 * @param variable COPY_<NAME>
 */
export function namedBy(storage: Storage, variable: string): Storage {
  const named = (error: unknown): unknown => {
    if (!(error instanceof OperatorError)) return error;
    const hint = error.hint
      .replaceAll(/\bS3_(ACCESS_KEY|SECRET_KEY)\b/g, `${variable}_$1`)
      .replaceAll(/\b(S3_(ENDPOINT|REGION|BUCKET|PREFIX|CA_FILE|FORCE_PATH_STYLE|LOCK)|BACKUP_DIR)\b/g, variable);
    return new OperatorError(error.code, error.message, { hint, cause: error.cause ?? error });
  };
  const settled = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      throw named(error);
    });
  const { asOf, rewritten, lockOf } = storage;
  return {
    ...storage,
    put: (...call) => settled(storage.put(...call)),
    get: (...call) => settled(storage.get(...call)),
    list: (...call) => throwing(storage.list(...call), named),
    remove: (...call) => settled(storage.remove(...call)),
    removeUnfinished: (...call) => settled(storage.removeUnfinished(...call)),
    probe: (...call) => settled(storage.probe(...call)),
    ...(lockOf ? { lockOf: (...call) => settled(lockOf(...call)) } : {}),
    ...(asOf ? { asOf: (time) => namedBy(asOf(time), variable) } : {}),
    ...(rewritten ? { rewritten: (...call) => throwing(rewritten(...call), named) } : {}),
  };
}

async function* throwing<T>(items: AsyncIterable<T>, named: (error: unknown) => unknown): AsyncGenerator<T> {
  try {
    yield* items;
  } catch (error) {
    throw named(error);
  }
}
