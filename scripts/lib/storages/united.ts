import { messageOf, OperatorError } from '../errors.ts';
import { log } from '../terminal/log.ts';
import { compareKeys } from './keys.ts';
import type { Storage, StoredObject } from './storage.ts';

/** One of the stores that hold the same keys. */
export interface Member {
  /** `primary`, or a copy's name. */
  readonly name: string;
  readonly storage: Storage;
  /** Without its listing nothing can be told; one that need not answer is told of, and gone without. */
  readonly mustAnswer: boolean;
}

/** Several stores with the same keys, read as one. */
export interface UnitedStorage extends Storage {
  /** The names of the stores that hold a key, of those that have been listed. */
  holders(key: string): readonly string[];
  /**
   * What was just read of a key is not what was stored: from now on it is read from the next store.
   * @returns the name of that store; undefined when there is none left
   */
  distrust(key: string): string | undefined;
  /** Stores that could not be listed: what is in none of the others may be in these. */
  unlisted(): readonly string[];
}

/** A log has thousands of objects: how many of those that a store lacks are named. */
const MOST_TOLD = 20;

/**
 * Reads from the first store that has an object, and writes to one alone. A key that is definitely not in a store is read
 * from the next, which is said; any other failure is one: that a store does not answer does not mean that it does not
 * have it.
 *
 * @param members in the order in which they are read
 */
export function united(members: readonly Member[], writer: Storage): UnitedStorage {
  const distrusted = new Map<string, Set<string>>();
  const held = new Map<string, string[]>();
  const unlisted = new Set<string>();
  let told = 0;
  const tellOfAbsent = (key: string, first: string | undefined, name: string) => {
    told += 1;
    if (told <= MOST_TOLD) log.warn(`${key} is not in ${first}: reading it from ${name}`);
    else if (told === MOST_TOLD + 1) log.warn(`more objects are not in ${first}: reading them from others`);
  };
  const trusted = (key: string) => members.filter(({ name }) => !distrusted.get(key)?.has(name));

  return {
    description: members.map(({ storage }) => storage.description).join(', '),
    put: (...call) => writer.put(...call),
    remove: (...call) => writer.remove(...call),
    removeUnfinished: (...call) => writer.removeUnfinished(...call),
    probe: (...call) => writer.probe(...call),

    async get(key, options) {
      let absent: unknown;
      const left = trusted(key);
      for (const [index, { name, storage }] of left.entries()) {
        try {
          const stream = await storage.get(key, options);
          if (index > 0) tellOfAbsent(key, left[0]?.name, name);
          return stream;
        } catch (error) {
          if (!isAbsent(error)) throw withAnother(error, left[index + 1]?.name);
          absent ??= error;
        }
      }
      throw absent ?? gone(key);
    },

    async *list(prefix, options) {
      const listings = await Promise.all(
        members.map((member) =>
          listed(member, prefix, options).catch((error: unknown) => {
            throw withAnother(error, members.find(({ name }) => name !== member.name)?.name);
          }),
        ),
      );
      const seen = new Map<string, StoredObject>();
      for (const [index, objects] of listings.entries()) {
        const { name } = members[index] as Member;
        if (objects === undefined) unlisted.add(name);
        for (const object of objects ?? []) {
          const names = held.get(object.key) ?? [];
          if (!names.includes(name)) held.set(object.key, [...names, name]);
          if (!seen.has(object.key)) seen.set(object.key, object);
        }
      }
      yield* [...seen.values()].sort((a, b) => compareKeys(a.key, b.key));
    },

    holders: (key) => held.get(key) ?? [],
    unlisted: () => [...unlisted],
    distrust(key) {
      const [reader] = trusted(key).filter(({ name }) => holds(name, key));
      if (!reader) return undefined;
      distrusted.set(key, (distrusted.get(key) ?? new Set()).add(reader.name));
      return trusted(key).find(({ name }) => holds(name, key))?.name;
    },
    close: () => {},
  };

  /** Of what was never listed nothing is known. */
  function holds(name: string, key: string): boolean {
    const names = held.get(key);
    return names === undefined || names.includes(name);
  }
}

async function listed(
  { name, storage, mustAnswer }: Member,
  prefix: string,
  options?: { signal?: AbortSignal },
): Promise<StoredObject[] | undefined> {
  try {
    const objects: StoredObject[] = [];
    for await (const object of storage.list(prefix, options)) objects.push(object);
    return objects;
  } catch (error) {
    options?.signal?.throwIfAborted();
    if (mustAnswer) throw error;
    log.warn(`${name} cannot be asked, and is left out: ${messageOf(error)}`);
    return undefined;
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof OperatorError && error.code === 'NO_SUCH_BACKUP';
}

function withAnother(error: unknown, next: string | undefined): unknown {
  if (!(error instanceof OperatorError) || next === undefined) return error;
  return new OperatorError(error.code, error.message, {
    hint: `${error.hint} Or read from the copy alone: FROM=${next} (--from ${next}).`.trim(),
    cause: error.cause ?? error,
  });
}

function gone(key: string): OperatorError {
  return new OperatorError('BACKUP_DAMAGED', `${key} is not what was stored, in any of the stores`);
}
