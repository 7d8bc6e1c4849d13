import type { Picture } from './servers.ts';

const SHOWN = 8;

/**
 * What a database has otherwise than before.
 * @param copied its definitions as they come back from the server's own dump and client: these are as good
 */
export function differences(before: Picture, copied: string, after: Picture): string[] {
  const found: string[] = [];
  for (const name of new Set([...before.data.keys(), ...after.data.keys()])) {
    const [was, is] = [before.data.get(name), after.data.get(name)];
    if (was !== is) found.push(`${name}: ${is ?? 'missing'}, was ${was ?? 'not there'}`);
  }
  if (after.definitions !== before.definitions && after.definitions !== copied)
    found.push(...differingLines(copied, after.definitions));
  return found;
}

/** Lines that one text has and the other has not, at most a few; or that their order differs. */
function differingLines(expected: string, found: string): string[] {
  const [wanted, had] = [expected.split('\n'), found.split('\n')];
  const only = (some: string[], others: string[]) => {
    const known = new Set(others);
    return some.filter((line) => !known.has(line)).slice(0, SHOWN);
  };
  const lines = [
    ...only(wanted, had).map((line) => `definitions lack: ${line}`),
    ...only(had, wanted).map((line) => `definitions have besides: ${line}`),
  ];
  return lines.length > 0 ? lines : ['definitions are in another order, or some are there more than once'];
}
