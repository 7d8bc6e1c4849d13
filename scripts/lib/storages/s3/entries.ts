/** What a listing says of an object, as far as it is asked for. */
export interface Entry {
  readonly Key: string;
  readonly Size: number;
}

const ENTRY = /<Contents>(.*?)<\/Contents>/gs;
const KEY = /<Key>([^<&]+)<\/Key>/;
const SIZE = /<Size>(\d+)<\/Size>/;

/**
 * Takes the objects out of a page of a listing before the SDK reads it, which makes six values of each, of which we use two: of half a
 * million objects that is most of the time. The SDK reads the rest, by which it is told what kind of answer it is and whether it goes on.
 *
 * @returns undefined when one of them is written in another way than stores write them: then the SDK reads all of it
 */
export function takeEntries(page: string): { entries: Entry[]; rest: string } | undefined {
  const entries: Entry[] = [];
  for (const [, entry = ''] of page.matchAll(ENTRY)) {
    const [key, size] = [KEY.exec(entry)?.[1], SIZE.exec(entry)?.[1]];
    if (key === undefined || size === undefined) return undefined;
    entries.push({ Key: key, Size: Number(size) });
  }
  const rest = page.replace(ENTRY, '');
  return rest.includes('Contents') ? undefined : { entries, rest };
}
