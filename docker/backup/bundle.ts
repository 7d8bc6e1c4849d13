import { copyFileSync, readdirSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
/** Programs of their own with packages, or files of other rooms, in them: they are bundled as verbs are. */
const BUNDLED = ['proof/witness.mjs', 'engines/postgres/pick/pick-filter.mjs', 'engines/mariadb/pick/pick-rows.mjs'];

/**
 * Makes of every verb one file in the directory that node runs by itself: it starts in a quarter of the time that it
 * takes from source, and needs no compiler that could fail at three in the morning.
 * @param plugins change what is bundled, for measurements of what a part of it costs
 */
export async function bundleVerbs(directory: string, plugins: Plugin[] = []): Promise<void> {
  const verbs = readdirSync(join(PROJECT, 'scripts'))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(PROJECT, 'scripts', name));
  await build({
    entryPoints: [...verbs, ...BUNDLED.map((name) => join(PROJECT, 'scripts/lib', name))],
    outdir: directory,
    absWorkingDir: PROJECT,
    // all in one folder, so that a module finds what lies beside it whatever chunk it has become a part of
    entryNames: '[name]',
    chunkNames: '[name]-[hash]',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'linked',
    sourcesContent: false,
    external: ['pg-native'],
    // packages in CommonJS ask for node's own modules by require
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
    },
    logLevel: 'warning',
    plugins,
  });

  for (const path of programsBeside()) copyFileSync(path, join(directory, basename(path)));
}

/** What the modules run that is not TypeScript, each found by its module with a URL relative to its own. */
function programsBeside(): string[] {
  const paths = readdirSync(join(PROJECT, 'scripts/lib'), { recursive: true, encoding: 'utf8' })
    .filter(
      (name) =>
        !BUNDLED.some((own) => name.startsWith(`${dirname(own)}/`)) &&
        ['.mjs', '.pl', '.sh', '.sql'].includes(extname(name)),
    )
    .map((name) => join(PROJECT, 'scripts/lib', name));
  const names = paths.map((path) => basename(path));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`two files are called ${twice}: in a bundle they would be one`);
  return paths;
}
