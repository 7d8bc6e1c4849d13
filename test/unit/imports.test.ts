import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path/posix';
import { test } from 'node:test';

/**
 * The rooms of scripts/lib from the top of the house to its ground: a room knows those below it and none above. What
 * lies loose in scripts/lib are the words that every room shares.
 */
const ROOMS = [
  'verb',
  'drill',
  'look',
  'diff',
  'restore',
  'receive',
  'moment',
  'base',
  'backup',
  'cleanup',
  'status',
  'list',
  'verify',
  'copy',
  'engines',
  'config',
  'log',
  'repository',
  'proof',
  'pipeline',
  'storages',
  'notify',
  'machine',
  'terminal',
] as const;

/** The table of a family counts above its members, and what uses the family goes through the table. */
const FAMILY_TABLES = ['engines/index.ts', 'engines/sources.ts', 'storages/index.ts', 'notify/channels/index.ts'];

const PROJECT = new URL('../../', import.meta.url).pathname;
const SPECIFIER = /(?:\bfrom|\bimport)\s*\(?\s*'(\.{1,2}\/[^']+)'/g;

interface Import {
  readonly from: string;
  readonly to: string;
}

/** Every import from one file of the project to another, in the folders given. */
function importsIn(...folders: readonly string[]): Import[] {
  return folders
    .flatMap((folder) =>
      readdirSync(join(PROJECT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
    )
    .filter((path) => /\.(ts|mjs)$/.test(path))
    .flatMap((from) =>
      [...readFileSync(join(PROJECT, from), 'utf8').matchAll(SPECIFIER)].map(([, specifier = '']) => ({
        from,
        to: normalize(join(dirname(from), specifier)),
      })),
    );
}

const roomOf = (path: string) => {
  const [, , room = '', ...rest] = path.split('/');
  return path.startsWith('scripts/lib/') && rest.length > 0 ? room : undefined;
};

const shown = ({ from, to }: Import) => `${from} imports ${to}`;

test('an import never climbs from a room into one above it', () => {
  const heightOf = (path: string) => (ROOMS as readonly string[]).indexOf(roomOf(path) ?? '');
  const climbing = importsIn('scripts/lib').filter(({ from, to }) => {
    if (roomOf(from) === undefined || roomOf(to) === undefined || roomOf(from) === roomOf(to)) return false;
    return heightOf(to) < heightOf(from);
  });
  assert.deepEqual(climbing.map(shown), []);
});

test('every folder of scripts/lib is a room with a place in the house', () => {
  const folders = readdirSync(join(PROJECT, 'scripts/lib'), { withFileTypes: true }).filter((e) => e.isDirectory());
  assert.deepEqual(folders.map(({ name }) => name).sort(), [...ROOMS].sort());
});

test('the words that every room shares know no room', () => {
  const knowing = importsIn('scripts/lib').filter(({ from, to }) => !roomOf(from) && roomOf(to));
  assert.deepEqual(knowing.map(shown), []);
});

test('no file of the product imports a test, a bench or the demonstration', () => {
  const foreign = importsIn('scripts').filter(({ to }) => !to.startsWith('scripts/'));
  assert.deepEqual(foreign.map(shown), []);
});

test('a room is known by its own folders and the verbs: no room imports a verb', () => {
  const verbs = importsIn('scripts/lib').filter(({ to }) => dirname(to) === 'scripts');
  assert.deepEqual(verbs.map(shown), []);
});

test('no two files, and no two folders, import each other, by whatever way round', () => {
  const imports = importsIn('scripts', 'demo', 'bench');
  assert.deepEqual(circlesIn(imports), [], 'files');
  // the table of a family stands above the folder that it lies in
  const folderOf = (path: string) =>
    FAMILY_TABLES.some((table) => path.endsWith(`lib/${table}`)) ? path : dirname(path);
  const folders = imports
    .filter(({ from }) => !from.endsWith('/index.ts') && from !== 'scripts/lib/storages/s3/s3.ts')
    .map(({ from, to }) => ({ from: folderOf(from), to: folderOf(to) }))
    .filter(({ from, to }) => from !== to);
  assert.deepEqual(circlesIn(folders), [], 'folders');
});

/** The circles among imports, each as its files in order. */
function circlesIn(imports: readonly Import[]): string[] {
  const targets = new Map<string, Set<string>>();
  for (const { from, to } of imports) targets.set(from, (targets.get(from) ?? new Set()).add(to));
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (node: string, path: readonly string[]) => {
    if (path.includes(node)) {
      circles.push([...path.slice(path.indexOf(node)), node].join(' → '));
      return;
    }
    if (done.has(node)) return;
    for (const next of targets.get(node) ?? []) visit(next, [...path, node]);
    done.add(node);
  };
  for (const node of targets.keys()) visit(node, []);
  return circles;
}
