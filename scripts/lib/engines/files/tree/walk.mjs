import { readdirSync } from 'node:fs';
import { pathOf } from './byte-path.mjs';

/**
 * @typedef {object} Entry
 * @property {string} path below the folder, as bytes (latin1); empty for the folder itself
 * @property {boolean} isFolder
 * @property {boolean} isFile
 */

/**
 * @typedef {object} Choice
 * @property {readonly string[]} reserved names in the folder itself that are nobody's data
 * @property {(path: string, isFolder: boolean) => boolean} leavesOut
 * @property {(entry: Entry) => void} [seen] is told of everything that is looked at, also of what is left out
 * @property {(path: string, code: string) => void} [unreadable] is told of a folder that cannot be read, instead of an error
 */

/**
 * Everything in a folder but what is left out, in the order in which tar goes through it by --sort=name: what is in a folder right
 * behind it, by the bytes of its names. What vanishes meanwhile was not there.
 * @param {string} folder
 * @param {Choice} choice
 * @returns {Generator<Entry, void, undefined>}
 * @throws Error for a folder that cannot be read
 */
export function* walk(folder, choice) {
  yield { path: '', isFolder: true, isFile: false };
  const open = [entriesOf(folder, '', choice)];
  for (let entries = open.at(-1); entries !== undefined; entries = open.at(-1)) {
    const entry = entries.pop();
    if (entry === undefined) {
      open.pop();
      continue;
    }
    yield entry;
    if (entry.isFolder) open.push(entriesOf(folder, entry.path, choice));
  }
}

/**
 * @param {string} folder
 * @param {string} below
 * @param {Choice} choice
 * @returns {Entry[]} the last one first
 */
function entriesOf(folder, below, { reserved, leavesOut, seen, unreadable }) {
  /** @type {Entry[]} */
  const entries = [];
  for (const dirent of directoryEntries(pathOf(folder, below), unreadable && ((code) => unreadable(below, code)))) {
    const name = dirent.name.toString('latin1');
    if (below === '' && reserved.includes(name)) continue;
    const path = below === '' ? name : `${below}/${name}`;
    const entry = { path, isFolder: dirent.isDirectory(), isFile: dirent.isFile() };
    seen?.(entry);
    if (!leavesOut(path, entry.isFolder)) entries.push(entry);
  }
  return entries.sort((a, b) => (a.path < b.path ? 1 : -1));
}

/**
 * @param {Buffer} path
 * @param {((code: string) => void) | undefined} unreadable
 */
function directoryEntries(path, unreadable) {
  try {
    return readdirSync(path, { withFileTypes: true, encoding: 'buffer' });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    if (code === '' || unreadable === undefined) throw error;
    unreadable(code);
    return [];
  }
}
