import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A place in a bundle, as a stack names it. */
const PLACE = /((?:file:\/\/)?\/[^\s()]+\.mjs):(\d+):(\d+)/g;

/**
 * A stack whose places are those of the source. The maps of a bundle are read for it alone: node, told to mind them, reads all of
 * them at every start, and takes longer for that than for the rest of a small backup.
 *
 * @returns the stack as it is, where there is no map
 */
export function sourceStack(stack: string): string {
  const maps = new Map<string, SourceMap | undefined>();
  return stack.replaceAll(PLACE, (place, file: string, line: string, column: string) => {
    const path = file.startsWith('file:') ? fileURLToPath(file) : file;
    if (!maps.has(path)) maps.set(path, mapOf(path));
    // counted from 0 there
    const found = maps.get(path)?.findEntry(Number(line) - 1, Number(column) - 1);
    if (!found || !('originalSource' in found)) return place;
    const { originalSource, originalLine, originalColumn } = found;
    return `${resolve(dirname(path), originalSource)}:${originalLine + 1}:${originalColumn + 1}`;
  });
}

function mapOf(path: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(`${path}.map`, 'utf8')));
  } catch {
    return undefined;
  }
}
