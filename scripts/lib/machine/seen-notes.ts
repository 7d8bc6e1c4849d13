import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What was last seen of a store that may be away for days: of each source its newest backup there. */
export interface SeenNote {
  readonly at: Date;
  readonly newest: Readonly<Record<string, string>>;
}

/** Notes what a store holds, on this machine. What cannot be written is no reason to fail. */
export function noteSeen(directory: string, name: string, note: SeenNote): void {
  const path = join(directory, fileOf(name));
  try {
    writeFileSync(`${path}.new`, JSON.stringify({ at: note.at.toISOString(), newest: note.newest }));
    renameSync(`${path}.new`, path);
  } catch {}
}

/** What was noted; undefined when the store was never seen from here. */
export function readSeen(directory: string, name: string): SeenNote | undefined {
  try {
    const { at, newest } = JSON.parse(readFileSync(join(directory, fileOf(name)), 'utf8'));
    return { at: new Date(at), newest };
  } catch {
    return undefined;
  }
}

/** A copy's name has letters, digits and dashes alone. */
function fileOf(name: string): string {
  return `copy-${name}.seen`;
}
