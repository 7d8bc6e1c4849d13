import type { Storage, StoredObject } from './storage.ts';

/**
 * A storage whose keys are shown with another beginning: those that begin with `stored` there begin with `shown` here.
 * What does not begin so is not in it.
 *
 * @param shown, stored prefixes as they begin a key: empty, or ending in a slash
 */
export function rekeyed(storage: Storage, { shown, stored }: { shown: string; stored: string }): Storage {
  if (shown === stored) return storage;
  const inside = (key: string) => {
    // a prefix may be a beginning of what is shown
    if (key.length < shown.length && shown.startsWith(key)) return stored;
    return `${stored}${key.slice(shown.length)}`;
  };
  const outside = (key: string) => `${shown}${key.slice(stored.length)}`;
  const { lockOf, asOf, rewritten } = storage;
  return {
    description: storage.description,
    put: (key, ...rest) => storage.put(inside(key), ...rest),
    get: (key, ...rest) => storage.get(inside(key), ...rest),
    async *list(prefix, options): AsyncGenerator<StoredObject> {
      if (!isBeginning(prefix, shown)) return;
      for await (const object of storage.list(inside(prefix), options)) yield { ...object, key: outside(object.key) };
    },
    remove: async (keys, options) => {
      const failures = await storage.remove(keys.map(inside), options);
      return failures.map((failure) => ({ ...failure, key: outside(failure.key) }));
    },
    removeUnfinished: async (prefix, which, options) => {
      const isMeant = which instanceof Date ? which : (key: string) => which(outside(key));
      return (await storage.removeUnfinished(inside(prefix), isMeant, options)).map(outside);
    },
    probe: (key, options) => storage.probe(inside(key), options),
    ...(lockOf ? { lockOf: (key, options) => lockOf(inside(key), options) } : {}),
    ...(asOf ? { asOf: (time) => rekeyed(asOf(time), { shown, stored }) } : {}),
    ...(rewritten
      ? {
          async *rewritten(prefix: string, options) {
            for await (const key of rewritten(inside(prefix), options)) yield outside(key);
          },
        }
      : {}),
    close: () => storage.close(),
  };
}

function isBeginning(prefix: string, shown: string): boolean {
  return prefix.startsWith(shown) || shown.startsWith(prefix);
}
