// run-files.mjs NAME CONCURRENCY TIMEOUT_MS RESULTS FILE…: as `node --test` does, but in the order given, so that what takes
// longest is begun first; and says which file is begun. What people read goes to standard output, TAP to the file RESULTS, and
// the files that did not pass to RESULTS.failed, one a line.
import { createWriteStream, writeFileSync } from 'node:fs';
import { run } from 'node:test';
import { spec, tap } from 'node:test/reporters';

const [name, concurrency, timeout, results = '', ...files] = process.argv.slice(2);
const stream = run({ files, concurrency: Number(concurrency), timeout: Number(timeout) });
const failed = new Set();
stream.on('test:fail', ({ todo, file = '' }) => {
  if (todo !== undefined && todo !== false) return;
  process.exitCode = 1;
  failed.add(files.find((each) => file.endsWith(each)) ?? 'a file without a name');
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
