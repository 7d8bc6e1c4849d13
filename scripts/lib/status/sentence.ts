/** What the sentence needs to know of a store. */
export interface StoreFacts {
  readonly name: string;
  /** Two stores of one place go together. */
  readonly place: string;
  /** The key that opens it; undefined for a folder or a role. */
  readonly accessKey: string | undefined;
  /** Whether it holds backups, as far as anybody knows. */
  readonly holds: boolean;
  /** Whether somebody with this machine's keys can destroy what is in it, as was tried there; undefined when it never was. */
  readonly isDestroyable: boolean | undefined;
  /** Until when what was put there last is locked. */
  readonly lockedUntil: string | undefined;
}

/**
 * How many copies there are, on how many stores, and which of them an intruder with this machine's keys could delete.
 * @param verifyCommand what finds out what is not known
 */
export function protectionSentence(stores: readonly StoreFacts[], verifyCommand: string): string {
  const holding = stores.filter(({ holds }) => holds);
  if (holding.length === 0) return 'No copy of the data beside the live one.';
  const places = new Set(holding.map(({ place }) => place)).size;
  const names = holding.map(({ name }) => name).join(', ');
  const parts = [
    `${counted(holding.length, 'copy', 'copies')} beside the live data, on ${counted(places, 'store', 'stores')} (${names})`,
    ...oneKey(holding),
    ...destroyable(holding),
    ...safe(holding),
    ...unknown(holding, verifyCommand),
  ];
  return `${parts.join('; ')}.${advice(holding, places)}`;
}

function oneKey(stores: readonly StoreFacts[]): string[] {
  const byKey = new Map<string, string[]>();
  for (const { accessKey, name } of stores)
    if (accessKey !== undefined) byKey.set(accessKey, [...(byKey.get(accessKey) ?? []), name]);
  return [...byKey.values()].filter((names) => names.length > 1).map((names) => `one key opens ${listed(names)}`);
}

function destroyable(stores: readonly StoreFacts[]): string[] {
  const names = stores.filter(({ isDestroyable }) => isDestroyable === true).map(({ name }) => name);
  if (names.length === 0) return [];
  return [
    `whoever has this machine's keys can delete ${names.length === stores.length ? allOf(names) : listed(names)}`,
  ];
}

function allOf(names: readonly string[]): string {
  return names.length === 1 ? 'it' : 'all of them';
}

function safe(stores: readonly StoreFacts[]): string[] {
  const kept = stores.filter(({ isDestroyable }) => isDestroyable === false);
  if (kept.length === 0) return [];
  const shown = kept.map(({ name, lockedUntil }) =>
    lockedUntil === undefined ? name : `${name} (locked until ${lockedUntil.slice(0, 10)})`,
  );
  return [`nobody with this machine's keys can delete ${listed(shown)}`];
}

function unknown(stores: readonly StoreFacts[], verifyCommand: string): string[] {
  const names = stores.filter(({ isDestroyable }) => isDestroyable === undefined).map(({ name }) => name);
  if (names.length === 0) return [];
  return [`what these keys can delete in ${listed(names)} has not been tried yet: ${verifyCommand}`];
}

/** 3-2-1 counts the live data: two copies on a store of their own each, one of which survives an intruder. */
function advice(stores: readonly StoreFacts[], places: number): string {
  if (stores.length < 2) return ' 3-2-1 wants a second one elsewhere: COPY_<NAME>.';
  if (places < 2) return ' They go together: 3-2-1 wants the second one elsewhere.';
  const isKnown = stores.every(({ isDestroyable }) => isDestroyable !== undefined);
  if (isKnown && stores.every(({ isDestroyable }) => isDestroyable))
    return ' None survives an intruder: docs/copies.md.';
  return '';
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
