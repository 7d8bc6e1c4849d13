// run-files.mjs NAME CONCURRENCY TIMEOUT_MS RESULTS FILE…: as `node --test` does, but in the order given, so that what takes
// longest is begun first; and says which file is begun. What people read goes to standard output, TAP to the file RESULTS, and
// the files that did not pass to RESULTS.failed, one a line.
import { createWriteStream, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { run } from 'node:test';
import { spec, tap } from 'node:test/reporters';

const [name, concurrency, timeout, results = '', ...files] = process.argv.slice(2);
const stream = run({ files, concurrency: Number(concurrency), timeout: Number(timeout) });
const failed = new Set();

/**
 * Whether a file is the one that is looked for, or imports it, also by way of others.
 * @param {string} file
 * @param {string} wanted
 * @param {Set<string>} seen
 * @returns {boolean}
 */
function leadsTo(file, wanted, seen = new Set()) {
  if (file === wanted) return true;
  if (seen.has(file) || !existsSync(file)) return false;
  seen.add(file);
  const imports = readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
  return [...imports].some(([, path = '']) => leadsTo(join(dirname(file), path), wanted, seen));
}

/**
 * A test is said to be of the file that it is written in, which several may share.
 * @param {string} file
 */
function filesOf(file) {
  const [own] = files.filter((each) => file.endsWith(each));
  if (own !== undefined) return [own];
  const sharing = files.filter((each) => leadsTo(each, relative('', file)));
  return sharing.length > 0 ? sharing : ['a file without a name'];
}

stream.on('test:fail', ({ todo, file = '' }) => {
  if (todo !== undefined && todo !== false) return;
  process.exitCode = 1;
  for (const each of filesOf(file)) failed.add(each);
});
process.on('exit', () => writeFileSync(`${results}.failed`, [...failed].map((file) => `${file}\n`).join('')));
let begun = 0;
stream.on('test:dequeue', ({ nesting, name: file }) => {
  if (nesting > 0 || !files.some((each) => file.endsWith(each))) return;
  begun += 1;
  process.stderr.write(`-- ${name} ${begun}/${files.length}: ${files.find((each) => file.endsWith(each))}\n`);
});
stream.compose(new spec()).pipe(process.stdout);
stream.compose(tap).pipe(createWriteStream(results));
