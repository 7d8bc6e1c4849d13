import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../../../pipeline/chain.ts';

/** Built into the C library, wherever its locales lie. */
const BUILT_IN = /^(C|POSIX|C\.UTF-?8)$/i;

/** Names of locales are compared without what glibc ignores: `pl_PL.UTF-8` and `pl_PL.utf8`. */
const plain = (name: string) => name.toLowerCase().replaceAll(/[-_]/g, '');

/** The locales that this machine has under no name. */
export async function missingLocales(names: readonly string[], signal?: AbortSignal): Promise<string[]> {
  const wanted = [...new Set(names)].filter((name) => name !== '' && !BUILT_IN.test(name));
  if (wanted.length === 0) return [];
  const listed = await runProgram({ name: 'locale', command: 'locale', args: ['-a'] }, signal ? { signal } : {});
  const here = new Set(listed.stdout.split('\n').map(plain));
  return wanted.filter((name) => !here.has(plain(name)));
}

/**
 * Compiles locales into a folder of their own, from the sources that Debian's package `locales` has.
 * @param names all that are needed: where some are looked for in a folder, none is found elsewhere
 * @returns where they lie, for LOCPATH, and those that could not be made
 */
export async function buildLocales(
  names: readonly string[],
  directory: string,
): Promise<{ path: string; failed: string[] }> {
  const path = join(directory, 'locales');
  await mkdir(path, { mode: 0o755 });
  const failed: string[] = [];
  for (const name of [...new Set(names)].filter((each) => !BUILT_IN.test(each))) {
    const [, language = '', charset = 'ISO-8859-1', modifier = ''] = /^([^.@]+)(?:\.([^@]+))?(@.+)?$/.exec(name) ?? [];
    const { exitCode } = await runProgram({
      name: 'localedef',
      command: 'localedef',
      args: [
        '--no-archive',
        '-i',
        `${language}${modifier}`,
        '-f',
        charset.replace(/^utf-?8$/i, 'UTF-8'),
        join(path, name),
      ],
    });
    // 1 is a warning, and the locale is made
    if (exitCode === null || exitCode > 1) failed.push(name);
  }
  return { path, failed };
}
