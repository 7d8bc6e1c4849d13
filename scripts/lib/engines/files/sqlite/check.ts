import { existsSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '../../../repository/manifest.ts';
import type { Check } from '../../engine.ts';
import { pathOf, shownPath } from '../tree/byte-path.mjs';
import { walk } from '../tree/walk.mjs';
import { problemOf } from './program.ts';
import { DatabaseSearch } from './search.ts';

const NAME = 'SQLite databases';

/**
 * Every SQLite database in what was restored, checked by SQLite itself (PRAGMA integrity_check). Nothing, where there is none. Called
 * when what was restored has been read back: what SQLite finds to put in order beside a database that was not copied by it, it does.
 * @param folder of the rehearsal's own
 */
export async function databasesCheck(
  manifest: Manifest | undefined,
  { staging, folder, signal }: { staging: string; folder: string; signal: AbortSignal },
): Promise<Check[]> {
  const live = onlyFile(manifest, staging) ?? staging;
  const search = new DatabaseSearch(live);
  if (statSync(live).isFile()) search.lookAtOnly();
  else
    for (const { path, isFile } of walk(live, { reserved: [], leavesOut: () => false }))
      if (isFile) search.lookAt(path, lstatSync(pathOf(live, path)));
  const problems: string[] = [];
  const found = search.list;
  for (const { path } of found) {
    const database = pathOf(live, path);
    const isAlone = !['-wal', '-journal'].some((suffix) => existsSync(Buffer.concat([database, Buffer.from(suffix)])));
    const problem = await problemOf(database, { isThorough: true, isAlone, cwd: folder, signal });
    if (problem !== undefined) problems.push(`${shownPath(path) || live}: ${problem}`);
  }
  const expected = manifest?.sqlite?.length ?? 0;
  if (found.length < expected) problems.push(`${found.length} databases were found, expected ${expected}`);
  if (found.length === 0 && problems.length === 0) return [];
  const detail = `${found.length} whole, by PRAGMA integrity_check`;
  if (problems.length === 0) return [{ name: NAME, ok: true, detail }];
  const known = manifest?.sqlite?.some(({ problem }) => problem !== undefined)
    ? '. It was so when it was backed up; see docs/sqlite.md for what to do'
    : '';
  return [{ name: NAME, ok: false, detail: `${problems.join('; ')}${known}` }];
}

/** The one file that was backed up by itself. */
function onlyFile(manifest: Manifest | undefined, staging: string): string | undefined {
  const [only, ...others] = manifest?.isFolder === false ? readdirSync(staging) : [];
  return only === undefined || others.length > 0 ? undefined : join(staging, only);
}
