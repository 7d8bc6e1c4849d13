import { type CopyItem, digestOf } from '../copy/transfer.ts';
import { messageOf, OperatorError } from '../errors.ts';
import type { Repository } from '../repository/repository.ts';

/** Objects to be read back. */
export interface ReadItem {
  readonly repository: Repository;
  readonly item: CopyItem;
  /** What is stored, by the listing; undefined where the item names what is listed. */
  readonly sizes: ReadonlyMap<string, number> | undefined;
}

/**
 * What is wrong with the objects of an item; undefined when each is what its manifest says.
 * @param open reads the manifest
 * @throws what is no answer: a store that cannot be asked has not lost anything
 */
export async function damageIn(open: () => Promise<ReadItem>, signal: AbortSignal): Promise<string | undefined> {
  try {
    const { repository, item, sizes } = await open();
    const isThere = (object: string) => sizes?.has(object) ?? item.objects.includes(object);
    const lacking = item.listed?.find((object) => !isThere(object));
    if (lacking !== undefined) return `${lacking} is not there`;
    for (const object of item.objects) {
      const found = await digestOf(repository.objects, object, signal);
      const expected = item.expected(object) ?? {
        sizeBytes: sizes?.get(object) ?? found.sizeBytes,
        sha256: found.sha256,
      };
      if (found.sizeBytes !== expected.sizeBytes)
        return `${object} has ${found.sizeBytes} bytes, not ${expected.sizeBytes}`;
      if (found.sha256 !== expected.sha256)
        return `the SHA-256 of ${object} is ${found.sha256}, the manifest says ${expected.sha256}`;
    }
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof OperatorError && /^(BACKUP_DAMAGED|NO_SUCH_BACKUP)$/.test(error.code)) return messageOf(error);
    throw error;
  }
}
