import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Stage } from '../../../pipeline/chain.ts';

const NAME_LISTER = fileURLToPath(new URL('./name-lister.mjs', import.meta.url));

/** What of a folder goes into its archive, for what lists its names. Paths below it are bytes (latin1). */
export interface NameOrder {
  readonly folder: string;
  readonly reserved: readonly string[];
  readonly patterns: readonly string[];
  /** Holds the copies, each at the path that it has in the folder. */
  readonly copies: string;
  readonly copied: readonly string[];
  readonly skipped: readonly string[];
}

/** Writes the names that tar reads, as it reads them. @param report a folder of the run's own */
export function nameLister(order: NameOrder, report: string): Stage {
  const file = join(report, 'names.json');
  writeFileSync(file, JSON.stringify(order));
  return { name: 'list of names', command: process.execPath, args: [NAME_LISTER, file] };
}
