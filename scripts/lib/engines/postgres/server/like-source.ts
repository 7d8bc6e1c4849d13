import { existsSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import type { Manifest } from '../../../repository/manifest.ts';
import { CALLED_AROUND } from './called-around.ts';
import { buildLocales, missingLocales } from './locales.ts';
import type { Program } from './programs.ts';

/** How a rehearsal's server is made like the one that was dumped. */
export interface LikeSource {
  /** `name=value`, for the server. */
  readonly settings: string[];
  /** For the server's processes. */
  readonly env: Record<string, string>;
  /** What could not be had here. */
  readonly notRehearsed: string[];
}

/** A server that sets nothing: its locks are those of this many sessions. */
const SESSIONS = 100;
const LOCKS = 64;

const LOCALES = ['lc_monetary', 'lc_time', 'lc_numeric'];
const READING = ['default_text_search_config', 'TimeZone', 'DateStyle', 'IntervalStyle'];
const LIBRARIES = ['shared_preload_libraries', 'session_preload_libraries'];

/** What of the source's server changes how its data are read, or what it can do. */
export const LIKE_SOURCE = [...READING, ...LOCALES, ...LIBRARIES];

/** @param directory the server's own folder, in which locales are made that this machine has not */
export async function likeSource(
  manifest: Manifest | undefined,
  program: Program,
  directory: string,
  signal?: AbortSignal,
): Promise<LikeSource> {
  const there = manifest?.serverSettings ?? {};
  const settings = [`max_locks_per_transaction=${locks(there, manifest)}`];
  const notRehearsed: string[] = [];
  for (const name of READING) if (there[name] !== undefined) settings.push(`${name}=${there[name]}`);

  const ofDatabase = [manifest?.collation, manifest?.characterType].filter((name) => name !== undefined);
  const wanted = [...ofDatabase, ...LOCALES.flatMap((name) => there[name] ?? [])];
  const missing = await missingLocales(wanted, signal);
  const made = missing.length > 0 ? await buildLocales(wanted, directory) : undefined;
  for (const name of LOCALES) {
    const locale = there[name];
    if (locale === undefined) continue;
    if (made?.failed.includes(locale)) notRehearsed.push(`${name} ${locale}, a locale that is not installed here`);
    else settings.push(`${name}=${locale}`);
  }

  for (const name of LIBRARIES) {
    const libraries = (there[name] ?? '').split(',').map((library) => library.trim().replace(/^"(.*)"$/, '$1'));
    const wantedOnes = libraries.filter((library) => library !== '');
    const here = wantedOnes.filter((library) => hasLibrary(program, library));
    const absent = wantedOnes.filter((library) => !here.includes(library));
    if (absent.length > 0) notRehearsed.push(`${name}: ${absent.join(', ')}, which is not installed here`);
    if (here.length > 0) settings.push(`${name}=${here.map((library) => `"${library}"`).join(',')}`);
    // its workers would go on with what they do at the source, and drop what is old there
    for (const { name: extension, idle } of CALLED_AROUND) if (here.includes(extension)) settings.push(idle);
  }
  return { settings, env: made === undefined ? {} : { LOCPATH: made.path }, notRehearsed };
}

/**
 * As many as the source's server has in all, whatever number of sessions it shares them among; and room for the pg_dump that
 * reads it all again, which locks each table and sequence.
 */
function locks(there: Readonly<Record<string, string>>, manifest: Manifest | undefined): number {
  const number = (name: string, otherwise: number) => Number(there[name] ?? otherwise);
  const sessions = number('max_connections', SESSIONS) + number('max_prepared_transactions', 0);
  const asThere = number('max_locks_per_transaction', LOCKS) * sessions;
  const toRead = ((manifest?.tables.length ?? 0) + (manifest?.sequences.length ?? 0)) * 1.5;
  return Math.max(LOCKS, Math.ceil(Math.max(asThere, toRead) / SESSIONS));
}

/** Whether a library that a server may preload lies with the program's own. */
export function hasLibrary(program: Pick<Program, 'path'>, library: string): boolean {
  const folder = join(dirname(realpathSync(program.path)), '..', 'lib');
  const file = library.replace('$libdir', folder);
  const path = isAbsolute(file) ? file : join(folder, file);
  return existsSync(path) || existsSync(`${path}.so`);
}
