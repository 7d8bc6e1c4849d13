import { chmodSync, copyFileSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { findPrograms, type Program } from '../../scripts/lib/engines/postgres/server/programs.ts';
import { temporaryFolder } from './folders.ts';

/** A server program with extensions of a test's own beside those that are installed. */
export interface ExtensionTree {
  readonly program: Program;
  /** Where control files and scripts lie: a server that runs sees what comes and goes there. */
  readonly extensions: string;
}

/**
 * PostgreSQL finds its files by where its program lies: a copy of that alone, with links to all else, has a folder for extensions
 * that needs no rights. Undefined where it is not laid out as Debian's.
 *
 * @param files by name; those that are installed and begin with the same word are left out
 */
export async function extensionTree(files: Readonly<Record<string, string>>): Promise<ExtensionTree | undefined> {
  const installed = (await findPrograms('postgres')).find(({ path }) =>
    /^\/usr\/lib\/postgresql\/\d+\/bin\//.test(path),
  );
  if (!installed) return undefined;
  const root = temporaryFolder();
  chmodSync(root, 0o755);
  const bin = dirname(installed.path);
  const major = String(installed.major);
  const at = (path: string) => join(root, relative('/usr', path));
  const linkAll = (folder: string, but: (name: string) => boolean) => {
    mkdirSync(at(folder), { recursive: true });
    for (const name of readdirSync(folder).filter((name) => !but(name)))
      symlinkSync(join(folder, name), join(at(folder), name));
  };
  linkAll(bin, (name) => name === 'postgres');
  copyFileSync(installed.path, at(installed.path));
  symlinkSync(resolve(bin, '../lib'), resolve(at(bin), '../lib'));
  const share = join('/usr/share/postgresql', major);
  linkAll(share, (name) => name === 'extension');
  const words = Object.keys(files).map((name) => /^\w+/.exec(name)?.[0] ?? name);
  const extensions = join(share, 'extension');
  linkAll(extensions, (name) => words.some((word) => name.startsWith(word)));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(at(extensions), name), text);
  return { program: { ...installed, path: at(installed.path) }, extensions: at(extensions) };
}
